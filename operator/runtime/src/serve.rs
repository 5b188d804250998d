//! An HTTP/1.1 and HTTP/2 server that a rude client cannot exhaust, and that ends in order.

use crate::drain::Drain;
use crate::sparing::Sparing;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio_rustls::TlsAcceptor;
use under_way::UnderWay;

mod under_way;

/// What may wait, unread, of one HTTP/2 request, in bytes: nobody's budget counts it. hyper's own default is a megabyte, of which
/// one request could take its whole connection's.
const WINDOW: u32 = 64 << 10;

/// What one server bears.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections; more wait in the kernel's backlog.
    pub connections: usize,
    /// Requests under way on one HTTP/2 connection.
    pub streams: u32,
    /// Time for the TLS handshake, and again for the head of a request.
    pub head: Duration,
    /// How often a silent HTTP/2 peer is asked whether it lives; it has as long to answer.
    pub ping: Duration,
    /// How long a connection is kept on which no request is under way; HTTP/1.1 no longer than `head`.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            streams: 64,
            head: Duration::from_secs(5),
            ping: Duration::from_secs(20),
            // Clients written in Go, the API server too, close theirs after 90 seconds: theirs is the first word.
            idle: Duration::from_secs(120),
        }
    }
}

/// Who sent a request: found among its extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Ends a connection: found among each request's extensions.
#[derive(Clone, Debug, Default)]
pub struct Hangup(Arc<Ends>);

#[derive(Debug, Default)]
struct Ends {
    now: Notify,
    after_answers: Notify,
}

impl Hangup {
    /// Ends the connection whatever it is doing: for a peer that does not read, since an answer that is not read
    /// cannot end.
    pub fn now(&self) {
        self.0.now.notify_one();
    }

    /// Ends the connection when what is under way is answered: for a peer that has no business here.
    pub fn after_answers(&self) {
        self.0.after_answers.notify_one();
    }

    /// Resolves once the connection is to end now.
    pub async fn requested(&self) {
        self.0.now.notified().await;
    }
}

/// A port that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    address: SocketAddr,
    source: std::io::Error,
}

/// A bound port.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    limits: Limits,
}

impl Server {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When the port cannot be had.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let failed = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            address,
            tls: None,
            limits: Limits::default(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Speaks TLS only.
    #[must_use]
    pub fn with_tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.tls = Some(TlsAcceptor::from(config));
        self
    }

    /// Bears other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Answers requests until the drain begins; then no new ones, while those under way finish.
    /// A handler whose answers do not end by themselves must watch the drain, too.
    pub async fn serve<H, F, B>(self, handler: H, drain: Drain)
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let permits = Arc::new(Semaphore::new(self.limits.connections));
        let failed = Sparing::new(1);
        loop {
            let accepted = drain.cancel(async {
                let permit = Arc::clone(&permits).acquire_owned().await;
                (permit, self.listener.accept().await)
            });
            let (permit, stream, peer) = match accepted.await {
                None => return,
                Some((permit, Ok((stream, peer)))) => (permit, stream, peer),
                Some((_, Err(error))) => {
                    // Out of file descriptors, most likely: the listener itself is still good.
                    if let Some(unsaid) = failed.due(()) {
                        tracing::warn!(%error, address = %self.address, unsaid, "cannot accept");
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (handler, drain) = (handler.clone(), drain.clone());
            let (tls, limits) = (self.tls.clone(), self.limits.clone());
            tokio::spawn(async move {
                if let Err(error) = connection(stream, peer, tls, &limits, handler, drain).await {
                    tracing::debug!(%peer, %error, "connection ended");
                }
                drop(permit);
            });
        }
    }
}

type Failure = Box<dyn Error + Send + Sync>;

async fn connection<H, F, B>(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    limits: &Limits,
    handler: H,
    drain: Drain,
) -> Result<(), Failure>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Failure>,
{
    stream.set_nodelay(true)?;
    match tls {
        None => requests(stream, peer, limits, handler, drain).await,
        Some(tls) => {
            let stream = tokio::time::timeout(limits.head, tls.accept(stream)).await??;
            requests(stream, peer, limits, handler, drain).await
        }
    }
}

async fn requests<I, H, F, B>(
    io: I,
    peer: SocketAddr,
    limits: &Limits,
    handler: H,
    drain: Drain,
) -> Result<(), Failure>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Failure>,
{
    let (first, hangup) = (Arc::new(Notify::new()), Hangup::default());
    let under_way = UnderWay::default();
    let service = service_fn(|mut request: Request<Incoming>| {
        first.notify_one();
        let one = under_way.begin();
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(hangup.clone());
        let answer = handler(request);
        async move {
            let answer = answer.await.map(|body| {
                body.map_err(move |error| {
                    // It goes when the body does.
                    let _under_way = &one;
                    error
                })
            });
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .initial_stream_window_size(WINDOW)
        .keep_alive_interval(limits.ping)
        .keep_alive_timeout(limits.ping);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    // hyper's own timeouts start only once it knows which protocol is spoken.
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = first.notified() => {}
        () = drain.begun() => {}
        () = tokio::time::sleep(limits.head) => return Err("no request in time".into()),
    }
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = hangup.requested() => return Err("hung up".into()),
        () = hangup.0.after_answers.notified() => {}
        () = under_way.none_for(limits.idle) => {}
        () = drain.begun() => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = hangup.requested() => Err("hung up".into()),
        // An HTTP/2 peer has a word in the end of its connection.
        () = under_way.none_for(limits.head) => Err("not closed by its peer".into()),
    }
}

#[cfg(test)]
mod tests;
