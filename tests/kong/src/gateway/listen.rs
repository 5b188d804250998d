//! Listeners: from a socket to requests, and how they stop without dropping one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http::header::{CONNECTION, HeaderName, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::proxy::Client;
use super::state::State;
use super::{admin, proxy, status};
use crate::http::{self as answers, Body, BodyError};

/// A client that does not finish its handshake is left.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// After the signal to end, what is on its way already is still read for so long.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

/// Which API a listener serves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Api {
    Proxy,
    Admin,
    Status,
}

/// What each listener and connection holds.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) state: Arc<State>,
    /// Turns true when no new connection is wanted.
    pub(super) ending: watch::Receiver<bool>,
    /// Dropped with the last connection.
    pub(super) alive: mpsc::Sender<()>,
}

/// A socket that listens.
pub(super) struct Listener {
    pub(super) api: Api,
    pub(super) socket: TcpListener,
    pub(super) tls: Option<TlsAcceptor>,
}

impl Listener {
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts until the end; then takes in what the kernel has accepted already, and closes.
    pub(super) async fn run(self, mut context: Context) {
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                _ = context.ending.wait_for(|ending| *ending) => break,
            };
            self.take(accepted, &context);
        }
        let deadline = Instant::now() + 2 * ON_ITS_WAY;
        while Instant::now() < deadline
            && let Ok(accepted) = timeout(ON_ITS_WAY / 5, self.socket.accept()).await
        {
            self.take(accepted, &context);
        }
    }

    fn take(&self, accepted: io::Result<(TcpStream, SocketAddr)>, context: &Context) {
        // Out of descriptors, or a client that left at once: neither ends a listener.
        let Ok((stream, address)) = accepted else {
            return;
        };
        let _ = stream.set_nodelay(true);
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let (api, tls, context) = (self.api, self.tls.clone(), context.clone());
        let mut client = Client {
            address,
            port: local.port(),
            tls: tls.is_some(),
            sni: None,
        };
        let open = Open::new(&context.state);
        tokio::spawn(async move {
            let _open = open;
            match tls {
                None => connection(stream, api, client, context).await,
                Some(tls) => match timeout(HANDSHAKE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        client.sni = stream.get_ref().1.server_name().map(str::to_owned);
                        connection(stream, api, client, context).await;
                    }
                    Ok(Err(error)) => {
                        tracing::info!(?api, %address, %error, "TLS handshake failed");
                    }
                    Err(_) => (),
                },
            }
        });
    }
}

/// A connection that is counted.
struct Open(Arc<State>);

impl Open {
    fn new(state: &Arc<State>) -> Self {
        state.server.accepted.fetch_add(1, Relaxed);
        state.server.active.fetch_add(1, Relaxed);
        Self(state.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.server.active.fetch_sub(1, Relaxed);
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    api: Api,
    client: Client,
    context: Context,
) {
    let Context {
        state,
        mut ending,
        alive,
    } = context;
    let client = Arc::new(client);
    let ended = ending.clone();
    let service = service_fn(move |request| {
        let (client, state, ended) = (client.clone(), state.clone(), ended.clone());
        async move {
            answer(api, request, client, state)
                .await
                .map(|mut response| {
                    if *ended.borrow() {
                        response
                            .headers_mut()
                            .insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    response
                })
        }
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .title_case_headers(true)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ending = async {
        // An error means that the whole gateway is gone.
        let _ = ending.wait_for(|ending| *ending).await;
        sleep(ON_ITS_WAY).await;
    };
    tokio::select! {
        _ = connection.as_mut() => return,
        () = ending => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
    drop(alive);
}

async fn answer(
    api: Api,
    request: Request<Incoming>,
    client: Arc<Client>,
    state: Arc<State>,
) -> Result<Response<Body>, BodyError> {
    if matches!(api, Api::Proxy) {
        return Ok(proxy::answer(request, client, state).await);
    }
    state.server.requests.fetch_add(1, Relaxed);
    let start = Instant::now();
    let persistence = answers::persistence(&request);
    let mut response = match api {
        Api::Admin => admin::answer(request, state).await?,
        _ => status::answer(request, state).await?,
    };
    let latency = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let headers = response.headers_mut();
    headers.insert(CONNECTION, persistence);
    headers.insert(
        HeaderName::from_static("x-kong-admin-latency"),
        HeaderValue::from(latency),
    );
    Ok(response)
}
