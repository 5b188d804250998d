//! A Kong without a database that routes, balances, proxies and counts: enough of one for Kong Ingress Controller, both
//! operators and a sidecar to take it for Kong.
//!
//! What it does not have: HTTP/2, WebSocket, TCP and gRPC routes, TLS to upstreams, active health checks, expressions, and
//! all plugins but `prometheus`, `key-auth` and `request-termination`. Whoever relies on one of them is listed by
//! [`Gateway::unexpected`].

mod address;
mod admin;
mod balancer;
mod certificates;
mod config;
mod id;
mod listen;
mod metrics;
mod plugin;
mod proxy;
mod router;
mod settings;
mod state;
mod status;
mod unexpected;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use http::StatusCode;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_rustls::TlsAcceptor;

pub use certificates::CertificateError;
use listen::{Api, Context, Listener};
pub use settings::{BadSetting, Listen, Settings};
use state::State;

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Nothing could listen there.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    /// No certificate for a TLS listener.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// No thread or runtime for it.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

/// A running gateway, on a thread and runtime of its own. Dropping it ends it at once, [`quit`](Self::quit) gracefully.
pub struct Gateway {
    state: Arc<State>,
    addresses: Vec<(Api, bool, SocketAddr)>,
    ending: Arc<watch::Sender<bool>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Gateway {
    /// Starts it with an empty configuration.
    ///
    /// # Errors
    ///
    /// If an address cannot be bound or a certificate not be used.
    pub fn start(settings: &Settings) -> Result<Self, GatewayError> {
        let state = Arc::new(State::new(settings.plugins.clone(), settings.workers));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(GatewayError::Thread)?;
        let listeners = {
            let _context = runtime.enter();
            listeners(settings, &state)?
        };
        let mut addresses = Vec::new();
        for listener in &listeners {
            let unknown = |error| GatewayError::Listen(SocketAddr::from(([0, 0, 0, 0], 0)), error);
            addresses.push((
                listener.api,
                listener.tls.is_some(),
                listener.address().map_err(unknown)?,
            ));
        }
        let proxies = addresses
            .iter()
            .filter(|(api, ..)| matches!(api, Api::Proxy));
        *state.server.proxy_ports.lock() = proxies
            .map(|(_, tls, address)| (address.port(), *tls))
            .collect();

        let (ending, ended) = watch::channel(false);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = state.clone();
        let thread = std::thread::Builder::new()
            .name("kong".to_owned())
            .spawn(move || runtime.block_on(run(listeners, serving, ended, stopped)))
            .map_err(GatewayError::Thread)?;
        Ok(Self {
            state,
            addresses,
            ending: Arc::new(ending),
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The first address of the proxy without TLS; that of its TLS, if it has no other.
    pub fn proxy(&self) -> Option<SocketAddr> {
        self.find(|api, tls| matches!(api, Api::Proxy) && !tls)
            .or_else(|| self.proxy_tls())
    }

    /// The first address of the proxy with TLS.
    pub fn proxy_tls(&self) -> Option<SocketAddr> {
        self.find(|api, tls| matches!(api, Api::Proxy) && tls)
    }

    /// The first address of the Admin API.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.find(|api, _| matches!(api, Api::Admin))
    }

    /// The first address of the Status API.
    pub fn status(&self) -> Option<SocketAddr> {
        self.find(|api, _| matches!(api, Api::Status))
    }

    fn find(&self, wanted: impl Fn(Api, bool) -> bool) -> Option<SocketAddr> {
        self.addresses
            .iter()
            .find(|(api, tls, _)| wanted(*api, *tls))
            .map(|(.., address)| *address)
    }

    /// Takes a declarative configuration into use, as `POST /config` does.
    ///
    /// # Errors
    ///
    /// The body of Kong's 400, if it would refuse.
    pub fn load(&self, document: Value) -> Result<(), Value> {
        self.state
            .load(document)
            .map(drop)
            .map_err(|refusal| refusal.body())
    }

    /// What `GET /metrics` answers now.
    pub async fn metrics(&self) -> Vec<u8> {
        self.state.metrics().await
    }

    /// What somebody asked for in vain: unknown paths and configuration keys, plugins without effect. Sorted.
    pub fn unexpected(&self) -> Vec<String> {
        self.state.unexpected.list()
    }

    /// The last configuration that was accepted; null before the first.
    pub fn document(&self) -> Value {
        self.state.document()
    }

    /// Answer every `POST /config` with this status, or be honest again.
    pub fn fail_config(&self, status: Option<StatusCode>) {
        *self.state.faults.config.lock() = status;
    }

    /// Close the connection on `GET /status`, or be honest again.
    pub fn drop_status(&self, down: bool) {
        self.state.faults.status_down.store(down, SeqCst);
    }

    /// A handle by which `kong quit` or a signal begins the end.
    pub fn quitter(&self) -> Quitter {
        Quitter(self.ending.clone())
    }

    /// Ends gracefully: no new connections, what was asked is answered. Returns when the last answer is out.
    pub fn quit(self) {
        self.quitter().quit();
        self.wait();
    }

    /// Waits until somebody else has made it quit, and the last answer is out.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Begins the graceful end of a [`Gateway`].
#[derive(Clone)]
pub struct Quitter(Arc<watch::Sender<bool>>);

impl Quitter {
    /// Begins it and returns at once.
    pub fn quit(&self) {
        self.0.send_replace(true);
    }
}

fn listeners(settings: &Settings, state: &Arc<State>) -> Result<Vec<Listener>, GatewayError> {
    let mut listeners = Vec::new();
    for (api, list) in [
        (Api::Admin, &settings.admin),
        (Api::Status, &settings.status),
        (Api::Proxy, &settings.proxy),
    ] {
        for listen in list {
            let tls = listen.tls.then(|| match api {
                Api::Proxy => certificates::proxy(state.clone()),
                Api::Admin | Api::Status => certificates::admin(
                    settings.admin_certificate.as_ref(),
                    settings
                        .admin_client_ca
                        .as_deref()
                        .filter(|_| matches!(api, Api::Admin)),
                ),
            });
            let tls = tls.transpose()?.map(TlsAcceptor::from);
            let socket = std::net::TcpListener::bind(listen.address)
                .and_then(|socket| {
                    socket.set_nonblocking(true)?;
                    TcpListener::from_std(socket)
                })
                .map_err(|error| GatewayError::Listen(listen.address, error))?;
            listeners.push(Listener { api, socket, tls });
        }
    }
    Ok(listeners)
}

/// Serves until the graceful end is over, or `stopped`.
async fn run(
    listeners: Vec<Listener>,
    state: Arc<State>,
    ending: watch::Receiver<bool>,
    stopped: oneshot::Receiver<()>,
) {
    let (alive, mut gone) = mpsc::channel::<()>(1);
    for listener in listeners {
        let context = Context {
            state: state.clone(),
            ending: ending.clone(),
            alive: alive.clone(),
        };
        tokio::spawn(listener.run(context));
    }
    drop(alive);
    tokio::select! {
        _ = gone.recv() => (),
        _ = stopped => (),
    }
}
