//! Requests: one, a steady trickle that counts its failures, and a load.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tagalong_cluster::Cluster;
use tokio::task::JoinHandle;

use crate::Tried;

/// Between two requests of the trickle.
const PAUSE: Duration = Duration::from_millis(100);

/// After this a request of the trickle has failed.
const TOO_LONG: Duration = Duration::from_secs(20);

/// Requests under way at once, of the load.
const AT_ONCE: usize = 4;

/// What Kong answers fast.
const FAST: &str = "/echo/hostname";

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

/// How requests fared in one part of a test.
#[derive(Clone, Debug, Default)]
pub struct Fared {
    /// Requests sent.
    pub sent: u64,
    /// Those that were not answered with 200, with the reasons.
    pub failed: Vec<String>,
}

/// Ten requests a second until dropped, each on a connection of its own, one after the other.
pub struct Trickle {
    parts: Arc<Mutex<(&'static str, BTreeMap<&'static str, Fared>)>>,
    task: JoinHandle<()>,
}

impl Trickle {
    /// Starts it; `address` is where the Gateway's clients go.
    #[must_use]
    pub fn start(cluster: &'static Cluster, address: SocketAddr, part: &'static str) -> Self {
        let parts = Arc::new(Mutex::new((part, BTreeMap::<_, Fared>::new())));
        let counted = Arc::clone(&parts);
        let task = tokio::spawn(async move {
            loop {
                let part = counted.lock().0;
                let answer = tokio::time::timeout(TOO_LONG, get(cluster, address, FAST)).await;
                let failed = match answer {
                    Ok(Ok(_)) => None,
                    Ok(Err(error)) => Some(error.to_string()),
                    Err(_) => Some("no answer".to_owned()),
                };
                {
                    let mut parts = counted.lock();
                    let fared = parts.1.entry(part).or_default();
                    fared.sent += 1;
                    fared.failed.extend(failed);
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { parts, task }
    }

    /// From now on requests are counted for another part of the test. Returns how they fared in the last.
    pub fn part(&self, name: &'static str) -> Fared {
        let mut parts = self.parts.lock();
        let last = std::mem::replace(&mut parts.0, name);
        parts.1.get(last).cloned().unwrap_or_default()
    }

    /// Ends it. How requests fared, by part.
    #[must_use]
    pub fn end(self) -> BTreeMap<&'static str, Fared> {
        self.parts.lock().1.clone()
    }
}

impl Drop for Trickle {
    fn drop(&mut self) {
        self.task.abort();
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

/// Fails unless every request was answered.
///
/// # Errors
///
/// When one was not.
pub fn none_failed(parts: &BTreeMap<&'static str, Fared>) -> Tried<()> {
    for (part, fared) in parts {
        if !fared.failed.is_empty() {
            let (count, sent) = (fared.failed.len(), fared.sent);
            return Err(format!("{part}: {count} of {sent} requests: {:?}", fared.failed).into());
        }
    }
    Ok(())
}
