//! Requests of clients: their paths, and a load generator.

use std::net::SocketAddr;
use std::time::Duration;

use tagalong_cluster::Cluster;
use tokio::task::JoinHandle;

/// After a request of the load that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// Requests under way at once, of the load.
const AT_ONCE: usize = 4;

/// A request to the published example's backend that is answered at once.
pub const ECHO: &str = "/echo/hostname";

/// The same to the backend that nobody scales.
pub const STEADY: &str = "/steady/hostname";

/// What the published guide sends for latency.
const SLOW: &str = "/echo/shell?cmd=sleep%200.1";

/// The published guide's load until dropped: requests that take the backend a tenth of a second.
pub struct Load(Vec<JoinHandle<()>>);

impl Load {
    /// Starts it.
    #[must_use]
    pub fn start(cluster: &'static Cluster, address: SocketAddr) -> Self {
        let worker = || {
            tokio::spawn(async move {
                loop {
                    // A backend that is scaled down may go with a request; that is the backend's matter.
                    if cluster.get(address, SLOW).await.is_err() {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            })
        };
        Self((0..AT_ONCE).map(|_| worker()).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for worker in &self.0 {
            worker.abort();
        }
    }
}
