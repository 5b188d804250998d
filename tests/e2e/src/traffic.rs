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
use tokio::time::Instant;

use crate::Tried;
use crate::figures::say;

/// Between two requests of the trickle.
const PAUSE: Duration = Duration::from_millis(100);

/// After this a request of the trickle has failed.
const TOO_LONG: Duration = Duration::from_secs(20);

/// For so long a connection that is refused is tried again, as clients do: while a Service's endpoints change, kube-proxy
/// may for about a second know of none, or of one that is gone. No request is lost by that, since none was sent.
const REFUSED: Duration = Duration::from_secs(3);

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

/// [`get`] of a client that tries again where it is refused. Also says whether it was.
async fn persist(cluster: &Cluster, address: SocketAddr, path: &str) -> (bool, Tried<String>) {
    let begun = Instant::now();
    let mut refused = false;
    loop {
        let answer = get(cluster, address, path).await;
        let again =
            matches!(&answer, Err(error) if error.to_string().contains("Connection refused"));
        if !again || begun.elapsed() > REFUSED {
            return (refused, answer);
        }
        refused = true;
        tokio::time::sleep(PAUSE).await;
    }
}

/// How requests fared in one part of a test.
#[derive(Clone, Debug, Default)]
struct Fared {
    sent: u64,
    /// How many found nobody to connect to at first.
    refused: u64,
    /// Why those failed that were not answered with 200.
    failed: Vec<String>,
}

/// Up to ten requests a second until dropped, each on a connection of its own, one after the other, to the backend that
/// nobody scales.
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
                let answer = persist(cluster, address, STEADY);
                let (refused, failed) = match tokio::time::timeout(TOO_LONG, answer).await {
                    Ok((refused, Ok(_))) => (refused, None),
                    Ok((refused, Err(error))) => (refused, Some(error.to_string())),
                    Err(_) => (false, Some("no answer".to_owned())),
                };
                {
                    let mut parts = counted.lock();
                    let fared = parts.1.entry(part).or_default();
                    fared.sent += 1;
                    fared.refused += u64::from(refused);
                    fared.failed.extend(failed);
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { parts, task }
    }

    /// From now on requests are counted for another part of the test.
    pub fn part(&self, name: &'static str) {
        self.parts.lock().0 = name;
    }

    /// Fails unless every request was answered, but for these parts. Prints how they fared.
    ///
    /// # Errors
    ///
    /// When one was not.
    pub fn end(self, may_fail: &[&str]) -> Tried<()> {
        let parts = self.parts.lock().1.clone();
        let mut failures = String::new();
        for (part, fared) in parts {
            let Fared {
                sent,
                refused,
                failed,
            } = fared;
            let line = format!(
                "{part}: {} of {sent} requests failed {failed:?}, {refused} were refused a connection at first",
                failed.len()
            );
            say(&line);
            if !failed.is_empty() && !may_fail.contains(&part) {
                failures += &line;
            }
        }
        if failures.is_empty() {
            Ok(())
        } else {
            Err(failures.into())
        }
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
