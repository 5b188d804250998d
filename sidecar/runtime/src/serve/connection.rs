//! One connection, from its acceptance until nothing of it is left in the kernel.

use super::handle::{ClientCertificates, ConnectionHandle, Peer};
use super::handler::Handler;
use super::limits::Limits;
use super::places::Place;
use super::protocol::{BoxError, Protocol};
use super::socket::Socket;
use crate::drain::Drain;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::Instant;

/// What a connection is told that has no place. Kong's own form of an error.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: 34\r\nconnection: close\r\n\r\n{\"message\":\"Too many connections\"}";
/// How long it has to say that it is a probe.
const SAY: Duration = Duration::from_secs(1);
/// How long a peer has for the last of its answers, once all is said.
const LINGER: Duration = Duration::from_secs(5);
/// What an HTTP/2 peer has to hear that its place is another's.
const FAREWELL: Duration = Duration::from_millis(100);

/// TCP or TLS.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// What HTTP is spoken on, and who has shown which certificates in the handshake.
pub(super) struct Accepted {
    pub(super) io: Box<dyn Io>,
    pub(super) certificates: Option<ClientCertificates>,
}

/// A handshake that goes on.
pub(super) type Accepting<'a> = Pin<Box<dyn Future<Output = io::Result<Accepted>> + Send + 'a>>;

/// What stands between a socket and HTTP. Behind a pointer, so that a program that speaks no TLS carries none.
pub(super) trait Handshake: Send + Sync {
    fn accept(&self, socket: Socket) -> Accepting<'_>;

    /// Whether a peer may do without.
    fn hears_plain(&self) -> bool {
        false
    }
}

/// What a connection is served by.
#[derive(Clone)]
pub(super) struct Terms<H> {
    pub(super) tls: Option<Arc<dyn Handshake>>,
    pub(super) limits: Limits,
    pub(super) handler: H,
    pub(super) drain: Drain,
}

/// Why a connection ends.
enum End {
    /// All is said, or the peer has gone.
    Over(Result<(), BoxError>),
    /// It is ended, whatever it is doing.
    Cut(&'static str),
}

/// Serves a connection. One that is here but for a moment gets an answer if it is a probe, and is refused otherwise.
pub(super) async fn run<P: Protocol, H: Handler>(
    socket: Socket,
    peer: Peer,
    place: Place,
    stays: bool,
    terms: Terms<H>,
) {
    let handle = ConnectionHandle::default();
    if !stays {
        let asks = tokio::select! {
            asks = tokio::time::timeout(SAY, is_probe(&socket)) => asks.unwrap_or_default(),
            () = place.lost() => return socket.reset(),
        };
        if !asks {
            socket.try_write(FULL);
            return linger(socket, &place, &terms.drain).await;
        }
        handle.end_after_answers();
    }
    let accepted = match handshake(&socket, &place, &terms).await {
        Ok(accepted) => accepted,
        Err(why) => {
            tracing::debug!(peer = %peer.0, why, "no TLS");
            return linger(socket, &place, &terms.drain).await;
        }
    };
    match requests::<P, H>(accepted, &socket, peer, &place, handle, &terms).await {
        End::Over(how) => {
            if let Err(error) = how {
                tracing::debug!(peer = %peer.0, %error, "connection ended");
            }
            linger(socket, &place, &terms.drain).await;
        }
        End::Cut(why) => {
            tracing::debug!(peer = %peer.0, why, "connection cut");
            socket.reset();
        }
    }
}

/// What HTTP is spoken on.
async fn handshake<H>(
    socket: &Socket,
    place: &Place,
    terms: &Terms<H>,
) -> Result<Accepted, String> {
    let Some(tls) = &terms.tls else {
        return Ok(Accepted {
            io: Box::new(socket.clone()),
            certificates: None,
        });
    };
    tokio::select! {
        done = tokio::time::timeout(terms.limits.head, tls.accept(socket.clone())) => match done {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(_) => Err("not in time".to_owned()),
        },
        () = place.lost() => Err("its place is another's".to_owned()),
    }
}

async fn requests<P: Protocol, H: Handler>(
    accepted: Accepted,
    socket: &Socket,
    peer: Peer,
    place: &Place,
    handle: ConnectionHandle,
    terms: &Terms<H>,
) -> End {
    let Terms { limits, drain, .. } = terms;
    let Accepted { io, certificates } = accepted;
    let (first, close) = (Notify::new(), Notify::new());
    let answers = place.answers();
    let service = service_fn(|mut request: Request<Incoming>| {
        first.notify_one();
        let one = answers.begin();
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(handle.clone());
        if let Some(certificates) = &certificates {
            request.extensions_mut().insert(certificates.clone());
        }
        let answer = terms.handler.answer(request);
        async move { Ok::<_, Infallible>(answer.await.map(|body| one.given(body))) }
    });
    let life = async {
        // hyper's own timeouts start only once it knows which protocol is spoken.
        tokio::select! {
            () = first.notified() => {}
            () = drain.begun() => {}
            () = tokio::time::sleep(limits.head) => return "no request in time",
        }
        tokio::select! {
            () = handle.answers_are_the_last() => {}
            () = answers.none_for(limits.idle) => {}
            () = drain.begun() => {}
        }
        close.notify_one();
        // An HTTP/2 peer has a word in the end of its connection.
        answers.none_for(limits.head).await;
        "not closed by its peer"
    };
    let serving = P::serve(io, service, limits, close.notified());
    let (mut serving, life) = (pin!(serving), pin!(life));
    tokio::select! {
        ended = serving.as_mut() => return End::Over(ended),
        why = life => return End::Cut(why),
        () = handle.ended() => return End::Cut("its time was up"),
        () = not_reading(socket, place, &handle, limits.stall) => return End::Cut("its answer was not read"),
        () = place.lost() => {}
    }
    close.notify_one();
    let _said = tokio::time::timeout(FAREWELL, serving).await;
    End::Cut("its place is another's")
}

/// Resolves once the peer has taken nothing for so long of what there is for it, and nothing else sees to that: neither
/// of a body that is ready (HTTP/2 without a window), nor of what the kernel has.
async fn not_reading(socket: &Socket, place: &Place, handle: &ConnectionHandle, stall: Duration) {
    let body = async {
        loop {
            place.answers().left_lying(stall).await;
            if !handle.has_deadline() {
                return;
            }
        }
    };
    let kernel = async {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            tokio::time::sleep(stall / 4).await;
            let now = socket.untaken();
            if now == 0 || now != last || handle.has_deadline() {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() >= stall {
                return;
            }
        }
    };
    tokio::select! {
        () = body => {}
        () = kernel => {}
    }
}

/// Waits, as long as it has its place, until the peer has taken all that was written. What it does not take is dropped.
async fn linger(socket: Socket, place: &Place, drain: &Drain) {
    tokio::select! {
        biased;
        () = socket.taken() => {}
        // The process ends, and leaves it to the kernel.
        () = drain.begun() => {}
        () = place.lost() => socket.reset(),
        () = tokio::time::sleep(LINGER) => socket.reset(),
    }
}

/// Whether the first request asks for health.
async fn is_probe(socket: &Socket) -> bool {
    const PROBES: [&[u8]; 3] = [b"/healthz", b"/readyz", b"/livez"];
    const PAUSE: Duration = Duration::from_millis(5);
    let mut start = [0; 16];
    loop {
        let Ok(read) = socket.peek(&mut start).await else {
            return false;
        };
        let line = start.get(..read).unwrap_or_default();
        let path = [&b"GET "[..], b"HEAD "]
            .iter()
            .find_map(|method| line.strip_prefix(*method));
        if path.is_some_and(|path| PROBES.iter().any(|probe| path.starts_with(probe))) {
            return true;
        }
        if read == 0 || read == start.len() || line.contains(&b'\n') {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
