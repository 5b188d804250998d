//! A real Kubernetes for tests, from an empty machine.
//!
//! [`Cluster::shared`] is what most tests want: etcd, API server, controller manager and scheduler,
//! started once per test binary, with a [`Namespace`] per test. [`Cluster::start_with_node`] adds a node that
//! runs real pods, which needs root. `README.md` beside this crate says what is built, where it is kept
//! and how to use one's own cluster instead.

pub mod binaries;
pub mod cache;
pub mod crds;
pub mod image;
pub mod kong;
pub mod leftovers;
pub mod pki;
pub mod process;
pub mod programs;

mod cluster;
mod control_plane;
mod diagnosis;
mod error;
mod fake_nodes;
mod kubeconfig;
mod load_balancer;
mod monitoring;
mod namespace;
mod node;
mod slots;
mod tokens;
mod wait;

pub use cluster::Cluster;
pub use error::{Error, Result};
pub use load_balancer::LoadBalancers;
pub use monitoring::Prometheus;
pub use namespace::Namespace;
pub use wait::{Seen, TIMEOUT, until};

/// Runs what blocks away from the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
