//! A captured `/metrics`, replayed with Kong's own headers and chunks, and with faults on demand.

mod body;
mod count;
mod serve;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::chunks::Exposition;
use crate::{captures, tls};
use count::Count;

/// How a stand-in answers `GET /metrics`. The default is a healthy Kong.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// Time until the status line, in which Kong collects and sorts.
    pub first_byte_delay: Duration,
    /// Time between two chunks (100 lines each).
    pub chunk_delay: Duration,
    /// `500 {"message":"An unexpected error occurred"}` instead of a body.
    pub error: bool,
    /// Accept and read, but never answer.
    pub hang: bool,
    /// After so many bytes of body, close the connection without the terminating chunk.
    pub cut_after: Option<usize>,
    /// After so many bytes of body, send nothing more and keep the connection open.
    pub hang_after: Option<usize>,
}

struct Shared {
    exposition: Mutex<Arc<Exposition>>,
    behaviour: Mutex<Behaviour>,
    last_headers: Mutex<HeaderMap>,
    count: Arc<Count>,
}

/// Why a stand-in did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The capture could not be read.
    #[error("cannot read the capture: {0}")]
    Capture(#[source] io::Error),
    /// Nothing could listen there.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    /// No thread or runtime for it.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// No certificate.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
}

/// What to serve, where and how.
#[must_use]
pub struct CaptureKongBuilder {
    source: Source,
    address: SocketAddr,
    behaviour: Behaviour,
    tls: bool,
    refuse: bool,
}

enum Source {
    Capture(String),
    Body(Bytes),
}

impl CaptureKongBuilder {
    /// Serve the capture of this name, such as `small`, `medium` or `large` (84 MB, held in memory once).
    pub fn capture(mut self, name: impl Into<String>) -> Self {
        self.source = Source::Capture(name.into());
        self
    }

    /// Serve these bytes, which need not be an exposition.
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        self.source = Source::Body(bytes.into());
        self
    }

    /// Listen there; by default on a free port of 127.0.0.1.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Misbehave in this way from the start.
    pub fn behaviour(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    /// Take so long until the status line.
    pub fn first_byte_delay(mut self, delay: Duration) -> Self {
        self.behaviour.first_byte_delay = delay;
        self
    }

    /// Take so long between two chunks.
    pub fn chunk_delay(mut self, delay: Duration) -> Self {
        self.behaviour.chunk_delay = delay;
        self
    }

    /// Answer 500 with Kong's JSON.
    pub fn error(mut self) -> Self {
        self.behaviour.error = true;
        self
    }

    /// Never answer.
    pub fn hang(mut self) -> Self {
        self.behaviour.hang = true;
        self
    }

    /// Close the connection after so many bytes of body, without the terminating chunk.
    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.behaviour.cut_after = Some(bytes);
        self
    }

    /// Fall silent after so many bytes of body.
    pub fn hang_after(mut self, bytes: usize) -> Self {
        self.behaviour.hang_after = Some(bytes);
        self
    }

    /// Hold the port, but refuse every connection.
    pub fn refuse(mut self) -> Self {
        self.refuse = true;
        self
    }

    /// Speak TLS with a self-signed certificate: [`CaptureKong::certificate_pem`].
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Start on a thread and runtime of its own, so that neither the test's runtime nor its clock matters.
    ///
    /// # Errors
    ///
    /// If the capture cannot be read or the address not be bound.
    pub async fn start(self) -> Result<CaptureKong, StartError> {
        self.start_now()
    }

    /// [`start`](Self::start), for code that is not async.
    ///
    /// # Errors
    ///
    /// If the capture cannot be read or the address not be bound.
    pub fn start_now(self) -> Result<CaptureKong, StartError> {
        let bytes = match &self.source {
            Source::Capture(name) => captures::text(name).map_err(StartError::Capture)?,
            Source::Body(bytes) => bytes.clone(),
        };
        let shared = Arc::new(Shared {
            exposition: Mutex::new(Arc::new(Exposition::new(bytes))),
            behaviour: Mutex::new(self.behaviour),
            last_headers: Mutex::default(),
            count: Arc::default(),
        });
        let signed = self.tls.then(tls::self_signed).transpose()?;
        let certificate_pem = signed.as_ref().map(|signed| signed.pem.clone());
        let acceptor = signed
            .map(tls::SelfSigned::server)
            .transpose()?
            .map(TlsAcceptor::from);

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (started, starting) = std::sync::mpsc::channel();
        let (address, refuse, serving) = (self.address, self.refuse, shared.clone());
        let thread = std::thread::Builder::new()
            .name("capture-kong".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let (bound, socket) = match bind(address, refuse) {
                        Ok(bound) => bound,
                        Err(error) => {
                            let _ = started.send(Err(error));
                            return;
                        }
                    };
                    let _ = started.send(Ok(bound));
                    match socket {
                        Socket::Listening(listener) => {
                            tokio::spawn(serve::accept(listener, acceptor, serving));
                            let _ = stopped.await;
                        }
                        Socket::Refusing(_held) => {
                            let _ = stopped.await;
                        }
                    }
                });
            })
            .map_err(StartError::Thread)?;
        let bound = starting
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("its thread ended")))
            .map_err(|error| StartError::Listen(self.address, error))?;
        Ok(CaptureKong {
            address: bound,
            certificate_pem,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

enum Socket {
    Listening(TcpListener),
    /// Bound and never listening: the kernel refuses, and nobody else gets the port.
    Refusing(TcpSocket),
}

fn bind(address: SocketAddr, refuse: bool) -> io::Result<(SocketAddr, Socket)> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let bound = socket.local_addr()?;
    let socket = if refuse {
        Socket::Refusing(socket)
    } else {
        Socket::Listening(socket.listen(1024)?)
    };
    Ok((bound, socket))
}

/// A running stand-in that replays one body. Dropping it ends it and all its connections.
pub struct CaptureKong {
    address: SocketAddr,
    certificate_pem: Option<String>,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl CaptureKong {
    /// A stand-in that serves `small` on a free port, unless told otherwise.
    pub fn builder() -> CaptureKongBuilder {
        CaptureKongBuilder {
            source: Source::Capture("small".to_owned()),
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            behaviour: Behaviour::default(),
            tls: false,
            refuse: false,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The URL of its metrics: `http(s)://…/metrics`.
    pub fn url(&self) -> String {
        let scheme = if self.certificate_pem.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}/metrics", self.address)
    }

    /// Its self-signed certificate, if it speaks TLS.
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate_pem.as_deref()
    }

    /// The body it serves now.
    pub fn bytes(&self) -> Bytes {
        self.shared.exposition.lock().bytes().clone()
    }

    /// Serve other bytes from the next scrape on.
    pub fn set_body(&self, bytes: impl Into<Bytes>) {
        *self.shared.exposition.lock() = Arc::new(Exposition::new(bytes.into()));
    }

    /// Change how it answers, from the next scrape on.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared.behaviour.lock());
    }

    /// How many scrapes (`GET /metrics`) began.
    pub fn scrapes(&self) -> usize {
        self.shared.count.started.load(SeqCst)
    }

    /// How many scrapes are under way.
    pub fn scrapes_now(&self) -> usize {
        self.shared.count.now.load(SeqCst)
    }

    /// How many scrapes were under way at once, at most.
    pub fn most_scrapes_at_once(&self) -> usize {
        self.shared.count.most.load(SeqCst)
    }

    /// The request headers of the latest scrape; empty before the first.
    pub fn last_headers(&self) -> HeaderMap {
        self.shared.last_headers.lock().clone()
    }

    /// End it. From then on connections to its address are refused.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for CaptureKong {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
