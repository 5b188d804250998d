//! Accepts connections, within limits, until told to stop.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::lifeline::Lifeline;
use crate::logging::Rarely;
use crate::metrics::Metrics;

/// What the server bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more are answered 503 and closed.
    pub connections: usize,
    /// From the connection's begin until its first request's head is complete.
    pub first_head: Duration,
    /// From the end of one response until the next request's head is complete.
    pub next_head: Duration,
    /// The most that hyper holds of a request's head, or of a response before it waits for the reader; in bytes.
    pub buffer: usize,
    /// How long requests in flight may go on after the stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            first_head: Duration::from_secs(5),
            // Longer than any usual scrape interval, so that a scraper keeps its connection.
            next_head: Duration::from_secs(75),
            buffer: 16 * 1024,
            drain: Duration::from_secs(10),
        }
    }
}

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// The response's body.
    type Body: Body<Data = bytes::Bytes, Error: std::error::Error + Send + Sync> + Send;

    /// Answers one request. `lifeline` is that of its connection, and disarmed.
    fn handle(
        &self,
        request: Request<Incoming>,
        lifeline: Arc<Lifeline>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// What a connection over the limit is told, as it is; nobody waits for its request.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: 34\r\nconnection: close\r\n\r\n{\"message\":\"Too many connections\"}";

/// Serves until `stop` is done; then closes what is idle, and lets what is in flight end within [`Limits::drain`].
pub async fn serve<H: Handler>(
    listener: TcpListener,
    handler: Arc<H>,
    metrics: Arc<Metrics>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let mut stop = std::pin::pin!(stop);
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let (refused, failed) = (Rarely::default(), Rarely::default());
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(ended) = connections.join_next() => contain(ended, &metrics),
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) if connections.len() >= limits.connections => {
                    metrics.connections_refused.fetch_add(1, Relaxed);
                    if let Some(unsaid) = refused.due() {
                        tracing::warn!(limit = limits.connections, unsaid, "too many connections, one was refused");
                    }
                    let _ = tcp.try_write(FULL);
                }
                Ok((tcp, _)) => {
                    connections.spawn(connection(tcp, Arc::clone(&handler), Arc::clone(&metrics), limits, stopped.clone()));
                }
                Err(error) => {
                    if let Some(unsaid) = failed.due() {
                        tracing::warn!(%error, unsaid, "cannot accept a connection");
                    }
                    // Out of descriptors, most likely: others must end first.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let all = async {
        while let Some(ended) = connections.join_next().await {
            contain(ended, &metrics);
        }
    };
    if tokio::time::timeout(limits.drain, all).await.is_err() {
        tracing::warn!(
            open = connections.len(),
            "connections were still in use at the end"
        );
    }
}

/// A panic ends its own connection and nothing else.
fn contain(ended: Result<(), JoinError>, metrics: &Metrics) {
    if ended.is_err_and(|error| error.is_panic()) {
        metrics.panics.fetch_add(1, Relaxed);
    }
}

/// Counts a connection for as long as it lives.
struct Counted(Arc<Metrics>);

impl Counted {
    fn new(metrics: Arc<Metrics>) -> Self {
        metrics.connections.fetch_add(1, Relaxed);
        Self(metrics)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

async fn connection<H: Handler>(
    tcp: TcpStream,
    handler: Arc<H>,
    metrics: Arc<Metrics>,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
) {
    let _counted = Counted::new(metrics);
    // A head and its chunk leave in one write; holding back the last piece would only delay it.
    let _ = tcp.set_nodelay(true);
    let lifeline = Arc::new(Lifeline::until(Instant::now() + limits.first_head));
    let service = service_fn(|request| {
        lifeline.disarm();
        let (handler, lifeline) = (Arc::clone(&handler), Arc::clone(&lifeline));
        async move { Ok::<_, std::convert::Infallible>(handler.handle(request, lifeline).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.next_head)
        .max_buf_size(limits.buffer)
        .serve_connection(TokioIo::new(tcp), service);
    let mut served = std::pin::pin!(served);
    let mut stopping = *stopped.borrow();
    if stopping {
        served.as_mut().graceful_shutdown();
    }
    loop {
        tokio::select! {
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                }
                return;
            }
            () = lifeline.ended() => return,
            _ = stopped.changed(), if !stopping => {
                stopping = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

#[cfg(test)]
mod tests;
