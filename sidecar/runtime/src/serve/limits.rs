//! The limits of one server.

use crate::net::Buffers;
use std::time::Duration;

/// What one server bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections. When all places are held, the address that holds most of them gives one up; see `docs/design.md` §6.
    pub connections: usize,
    /// Requests under way on one HTTP/2 connection.
    pub streams: u32,
    /// Time for the TLS handshake, and again from there until the first request's head is complete.
    pub head: Duration,
    /// On HTTP/1.1, from the end of one answer until the next request's head is complete.
    pub keep_alive: Duration,
    /// How often a silent HTTP/2 peer is asked whether it lives; it has as long to answer.
    pub ping: Duration,
    /// How long a connection is kept on which no request is under way.
    pub idle: Duration,
    /// How long an answer may lie untaken that has no [`Lifeline`](super::Lifeline) of its own.
    pub stall: Duration,
    /// The most that is held of a request's head, or of an answer before its body has to wait for the reader; in bytes, of
    /// each connection of HTTP/1.1 and each stream of HTTP/2.
    pub buffer: usize,
    /// What the kernel holds of each connection.
    pub kernel: Buffers,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            streams: 64,
            head: Duration::from_secs(5),
            keep_alive: Duration::from_secs(5),
            ping: Duration::from_secs(20),
            // Clients written in Go, the API server too, close theirs after 90 seconds: theirs is the first word.
            idle: Duration::from_secs(120),
            stall: Duration::from_secs(10),
            buffer: 64 << 10,
            kernel: Buffers::SERVER,
        }
    }
}
