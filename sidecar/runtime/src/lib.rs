//! What the three programs share: admin server, readiness, drain, TLS reload.
//!
//! Shaped after linkerd's kubert, which cannot be a dependency (it pins another kube). Each module
//! is one small part and can be used without the others; [`Runtime`] ties together what every one
//! of our servers does at its start and end.
//!
//! ```text
//!   Runtime::start ── logging ── signals ──▶ Drain ──▶ every server and task, and back: one that panicked
//!        └── admin server: /healthz, /readyz (all Readiness handles set), /metrics
//!   serve::Server ── limits, places, timeouts ── Tls ── certificates read again when they change
//!   net ── what the kernel may hold of a connection, on either end
//! ```

pub mod admin;
mod causes;
pub mod drain;
pub mod log_rate;
pub mod logging;
pub mod net;
pub mod readiness;
pub mod serve;
pub mod tls;

mod runtime;

pub use causes::with_causes;
pub use drain::Drain;
pub use readiness::{Handle, Readiness};
pub use runtime::{EndError, Runtime, RuntimeArgs, StartError};
