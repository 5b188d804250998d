//! The operator's own certificate authority: what it signs, where it is kept, who trusts it.

pub mod authority;
pub mod files;
pub mod keeper;
mod secret;
pub mod webhook;

use tagalong_runtime::tls::Certificates;
use tokio::sync::watch;

/// What everybody is to trust, PEM; none before the first is made or read.
pub type Bundle = watch::Receiver<Option<String>>;

/// What the servers of this process use.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The certificate of the push server.
    pub certificates: Certificates,
    /// What sidecars are to trust.
    pub bundle: Bundle,
}
