//! A handler's view of the connection that a request came by, and what it may do about it; found among the
//! request's extensions.

use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Who sent a request. An IPv4 address that came by an IPv6 socket is an IPv4 address.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl Peer {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

/// The certificates that a client has shown in the TLS handshake, its own first; among the extensions only if there are any.
/// It has proved that it holds the key. Who signed them is not known: see [`tls::asking`](crate::tls::asking).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates(pub Arc<[CertificateDer<'static>]>);

/// Ends a connection.
#[derive(Clone, Debug, Default)]
pub struct ConnectionHandle(Arc<Ends>);

#[derive(Debug, Default)]
struct Ends {
    at: watch::Sender<End>,
    after_answers: Notify,
}

#[derive(Clone, Copy, Debug, Default)]
enum End {
    #[default]
    Open,
    At(Instant),
    Now,
}

impl ConnectionHandle {
    /// Ends the connection whatever it is doing: for a peer that does not read, since an answer that is not read
    /// cannot end.
    pub fn end_now(&self) {
        self.0.at.send_replace(End::Now);
    }

    /// Ends the connection when what is under way is answered: for a peer that has no business here.
    pub fn end_after_answers(&self) {
        self.0.after_answers.notify_one();
    }

    /// Resolves once the connection is to end, whatever it is doing.
    pub async fn ended(&self) {
        let mut end = self.0.at.subscribe();
        loop {
            let now = *end.borrow_and_update();
            let over = async {
                match now {
                    End::Open => std::future::pending().await,
                    End::At(end) => tokio::time::sleep_until(end).await,
                    End::Now => {}
                }
            };
            tokio::select! {
                () = over => return,
                // The sender is `self`: it cannot be gone.
                _ = end.changed() => {}
            }
        }
    }

    pub(super) async fn answers_are_the_last(&self) {
        self.0.after_answers.notified().await;
    }

    pub(super) fn has_deadline(&self) -> bool {
        !matches!(*self.0.at.borrow(), End::Open)
    }

    fn end_at(&self, end: Option<Instant>) {
        self.0.at.send_if_modified(|at| {
            let lasting = matches!(at, End::Now);
            if !lasting {
                *at = end.map_or(End::Open, End::At);
            }
            !lasting
        });
    }
}

/// How long an answer may take to be read: its connection ends with this time, unless this is dropped before.
///
/// A peer that has stopped reading blocks its connection's writes, and then nothing in the answer's body is asked any
/// more. So it is the connection that ends, not the body.
#[derive(Debug)]
pub struct Lifeline {
    connection: ConnectionHandle,
    end: Instant,
    pause: Option<Duration>,
}

impl Lifeline {
    /// The answer must have been read by `end`.
    #[must_use]
    pub fn until(end: Instant, connection: ConnectionHandle) -> Self {
        connection.end_at(Some(end));
        Self {
            connection,
            end,
            pause: None,
        }
    }

    /// The same, and read steadily: never nothing for so long.
    #[must_use]
    pub fn without_pause_of(mut self, pause: Duration) -> Self {
        self.pause = Some(pause);
        self.taken();
        self
    }

    /// The peer has taken something.
    pub fn taken(&self) {
        if let Some(pause) = self.pause {
            let end = self.end.min(Instant::now() + pause);
            self.connection.end_at(Some(end));
        }
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        self.connection.end_at(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(10);

    async fn ended_after(connection: &ConnectionHandle) -> Duration {
        let begin = Instant::now();
        connection.ended().await;
        begin.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_ended() {
        let connection = ConnectionHandle::default();
        let end = Instant::now() + 10 * PAUSE;
        let lifeline = Lifeline::until(end, connection.clone()).without_pause_of(PAUSE);
        let after = ended_after(&connection).await;
        assert!(after >= PAUSE && after < 2 * PAUSE, "{after:?}");
        drop(lifeline);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_little_now_and_then_has_until_the_end() {
        let connection = ConnectionHandle::default();
        let end = Instant::now() + 10 * PAUSE;
        let lifeline = Lifeline::until(end, connection.clone()).without_pause_of(PAUSE);
        let reading = async {
            loop {
                tokio::time::sleep(PAUSE / 2).await;
                lifeline.taken();
            }
        };
        let after = tokio::select! {
            () = reading => Duration::ZERO,
            after = ended_after(&connection) => after,
        };
        assert!(after >= 10 * PAUSE && after < 11 * PAUSE, "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_has_been_read_ends_nothing_and_an_end_stays_one() {
        let connection = ConnectionHandle::default();
        drop(Lifeline::until(Instant::now() + PAUSE, connection.clone()));
        let waited = tokio::time::timeout(10 * PAUSE, connection.ended()).await;
        assert!(waited.is_err());
        let lifeline = Lifeline::until(Instant::now() + PAUSE, connection.clone());
        connection.end_now();
        drop(lifeline);
        assert_eq!(ended_after(&connection).await, Duration::ZERO);
    }
}
