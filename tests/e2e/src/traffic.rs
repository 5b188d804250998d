//! Requests: one, and a load.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tagalong_cluster::Cluster;
use tokio::task::JoinHandle;

use crate::Tried;

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

/// `GET` over a connection of its own.
///
/// # Errors
///
/// When nobody answers, or not with 200.
pub async fn get(cluster: &Cluster, address: SocketAddr, path: &str) -> Tried<String> {
    let stream = cluster.connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", address.to_string())
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    if status == StatusCode::OK {
        Ok(body)
    } else {
        Err(format!("{status}: {body}").into())
    }
}

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
                    if get(cluster, address, SLOW).await.is_err() {
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
