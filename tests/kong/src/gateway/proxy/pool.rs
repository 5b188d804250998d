//! Idle connections to upstreams, kept for the next request.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::http::Body;

/// Shorter than any upstream's own limit, so that hardly ever one closes as it is taken.
const IDLE: Duration = Duration::from_secs(5);

/// As many idle connections to one address are kept at most.
const MOST: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: Mutex<HashMap<SocketAddr, Vec<Idle>>>,
}

/// A connection, and since when nobody uses it.
type Idle = (Instant, SendRequest<Body>);

/// A connection in use.
#[derive(Debug)]
pub(super) struct Lease {
    address: SocketAddr,
    pub(super) sender: SendRequest<Body>,
    /// Whether it was used before, so that the upstream may be closing it at this moment.
    pub(super) reused: bool,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum ConnectError {
    Refused,
    Timeout,
}

impl Pool {
    /// An idle connection, if there is one.
    pub(super) async fn take(&self, address: SocketAddr) -> Option<Lease> {
        loop {
            let (since, mut sender) = self.idle.lock().get_mut(&address)?.pop()?;
            if since.elapsed() < IDLE && !sender.is_closed() && sender.ready().await.is_ok() {
                return Some(Lease {
                    address,
                    sender,
                    reused: true,
                });
            }
        }
    }
}

impl Lease {
    /// A new connection.
    pub(super) async fn connect(
        address: SocketAddr,
        limit: Duration,
    ) -> Result<Self, ConnectError> {
        let connect = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = handshake(TokioIo::new(stream))
                .await
                .map_err(io::Error::other)?;
            // Its errors reach whoever waits for an answer on it.
            tokio::spawn(connection);
            Ok::<_, io::Error>(Self {
                address,
                sender,
                reused: false,
            })
        };
        match timeout(limit, connect).await {
            Ok(Ok(lease)) => Ok(lease),
            Ok(Err(error)) => {
                tracing::debug!(%address, %error, "cannot connect");
                Err(ConnectError::Refused)
            }
            Err(_) => Err(ConnectError::Timeout),
        }
    }

    /// Nothing is on its way on it any more.
    pub(super) fn give_back(self, pool: &Pool) {
        if self.sender.is_closed() {
            return;
        }
        let mut idle = pool.idle.lock();
        let list = idle.entry(self.address).or_default();
        list.retain(|(since, _)| since.elapsed() < IDLE);
        if list.len() < MOST {
            list.push((Instant::now(), self.sender));
        }
    }
}
