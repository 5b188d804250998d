//! An HTTP server that a rude client cannot exhaust, and that ends in order.
//!
//! ```text
//!   Server ── accepts ──▶ places: who may stay ──▶ connection ── protocol (hyper) ──▶ Handler
//!                                                   │  answers: what is under way, and is it taken
//!                                                   └─ socket: until the kernel holds nothing of it
//! ```
//!
//! Whatever a peer can hold open or leave unread has a bound: the places, and for each what hyper and the kernel hold.

use crate::drain::Drain;
use crate::log_rate::LogRateLimiter;
use crate::net;
use connection::{Handshake, Terms};
use places::Places;
use rustls::ServerConfig;
use socket::Socket;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};

pub use handle::{ClientCertificates, ConnectionHandle, Lifeline, Peer};
pub use handler::Handler;
pub use limits::Limits;
pub use protocol::{BoxError, Http1, Http1Or2, Protocol};

mod answers;
mod connection;
mod handle;
mod handler;
mod limits;
mod places;
mod protocol;
mod socket;
mod tls;

/// Connections that have no place and are heard for a moment, since they may be a probe.
const WITHOUT_PLACE: usize = 16;

/// Hears what happens to connections.
pub trait Events: Send + Sync + 'static {
    /// One has got a place.
    fn opened(&self) {}
    /// One of these is gone.
    fn closed(&self) {}
    /// One got no place.
    fn refused(&self) {}
    /// One was ended by a panic.
    fn panicked(&self) {}
}

impl Events for () {}

/// A port that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    address: SocketAddr,
    source: std::io::Error,
}

/// A bound port.
pub struct Server<P = Http1Or2> {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<dyn Handshake>>,
    limits: Limits,
    events: Arc<dyn Events>,
    protocol: PhantomData<P>,
}

impl Server<Http1Or2> {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When the port cannot be had.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        Self::bind_as(address).await
    }
}

impl<P: Protocol> Server<P> {
    /// Binds `address` for this protocol; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When the port cannot be had.
    pub async fn bind_as(address: SocketAddr) -> Result<Self, BindError> {
        let failed = |source| BindError { address, source };
        Self::on(net::listen(address).map_err(failed)?).map_err(failed)
    }

    /// Serves on a listener.
    ///
    /// # Errors
    ///
    /// When it does not tell its address.
    pub fn on(listener: TcpListener) -> std::io::Result<Self> {
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            tls: None,
            limits: Limits::default(),
            events: Arc::new(()),
            protocol: PhantomData,
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
        self.tls = Some(tls::acceptor(config));
        self
    }

    /// Speaks TLS with whoever begins it, and plain HTTP with everybody else.
    #[must_use]
    pub fn with_tls_beside_plain(mut self, config: Arc<ServerConfig>) -> Self {
        self.tls = Some(tls::acceptor_beside_plain(config));
        self
    }

    /// Bears other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Tells of its connections.
    #[must_use]
    pub fn with_events(mut self, events: Arc<dyn Events>) -> Self {
        self.events = events;
        self
    }

    /// Answers requests until the drain begins; then no new ones, while those under way finish.
    pub async fn serve<H: Handler>(self, handler: H, drain: Drain) {
        let (address, limits) = (self.address, self.limits);
        if let Err(error) = limits.kernel.set(&self.listener) {
            tracing::warn!(%error, %address, "cannot limit what the kernel holds for connections");
        }
        let (places, moments) = (Places::new(limits.connections), Places::new(WITHOUT_PLACE));
        let terms = Terms {
            tls: self.tls,
            limits,
            handler,
            drain: drain.clone(),
        };
        let log = LogRateLimiter::new(1);
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = drain.begun() => break,
                Some(ended) = connections.join_next() => {
                    contain(ended, &*self.events);
                    continue;
                }
                accepted = self.listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok((stream, peer)) => (stream, Peer::new(peer)),
                Err(error) => {
                    // Out of file descriptors, most likely: the listener itself is still good.
                    if let Some(suppressed) = log.due("accept") {
                        tracing::warn!(%error, %address, suppressed, "cannot accept a connection");
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            // A head and its piece leave in one write; holding back the last one would only delay it.
            let _gone = stream.set_nodelay(true);
            let socket = Socket::new(stream);
            let ip = peer.0.ip();
            let (place, open) = if let Some((place, lost_by)) = places.take(ip) {
                if let Some(from) = lost_by
                    && let Some(suppressed) = log.due("lost")
                {
                    tracing::warn!(limit = limits.connections, %address, %from, suppressed, "all places for connections were taken, so one connection was closed");
                }
                (place, Some(Open::new(&self.events)))
            } else {
                self.events.refused();
                if let Some(suppressed) = log.due("refused") {
                    tracing::warn!(limit = limits.connections, %address, peer = %ip, suppressed, "too many connections, one was refused");
                }
                // Nobody sends probes by TLS, and to refuse in words would be more work than to answer.
                match moments.take(ip) {
                    Some((moment, _)) if terms.tls.as_ref().is_none_or(|tls| tls.hears_plain()) => {
                        (moment, None)
                    }
                    _ => {
                        socket.reset();
                        continue;
                    }
                }
            };
            let terms = terms.clone();
            connections.spawn(async move {
                connection::run::<P, H>(socket, peer, place, open.is_some(), terms).await;
                drop(open);
            });
            // Else, of a burst of more than there are places, none would be heard before it has to go.
            tokio::task::yield_now().await;
        }
        // They hold the drain, each, until they are done.
        connections.detach_all();
    }
}

/// A panic ends its own connection and nothing else.
fn contain(ended: Result<(), JoinError>, events: &dyn Events) {
    if ended.is_err_and(|error| error.is_panic()) {
        events.panicked();
    }
}

/// Tells of a connection's end, however that comes.
struct Open(Arc<dyn Events>);

impl Open {
    fn new(events: &Arc<dyn Events>) -> Self {
        events.opened();
        Self(Arc::clone(events))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed();
    }
}

#[cfg(test)]
mod tests;
