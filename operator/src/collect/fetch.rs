//! Asks one sidecar.

use crate::collect::Aggregate;
use bytes::{Bytes, BytesMut};
use flate2::write::GzDecoder;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HOST};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use std::io::{self, Write};
use std::net::SocketAddr;
use tagalong_index::Key;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// A pod whose sidecar is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The pod's UID: an address may have been given to another pod since.
    pub uid: String,
    /// The pod.
    pub pod: Key,
    /// Its DataPlane.
    pub dataplane: Key,
    /// Where its sidecar listens.
    pub address: SocketAddr,
    /// The same, as a label says it.
    pub url: String,
}

/// What one pod may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of its exposition, uncompressed.
    pub bytes: usize,
    /// Samples.
    pub samples: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            samples: 500_000,
        }
    }
}

/// Why a pod's samples are missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// Nobody listens, or the connection broke.
    #[error("no connection: {0}")]
    Connection(String),
    /// It took longer than the scraper waits.
    #[error("no answer in time")]
    Timeout,
    /// Not 200.
    #[error("it answered {0}")]
    Status(u16),
    /// Another pod has the address now.
    #[error("another pod answered: {0:?}")]
    OtherPod(String),
    /// The body ended early.
    #[error("the answer was cut off: {0}")]
    CutOff(String),
    /// The body is no gzip though it says so.
    #[error("the answer cannot be decompressed")]
    Encoding,
    /// The body is longer than allowed.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

impl Failed {
    /// For a metric's label.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Connection(_) => "connection",
            Self::Timeout => "timeout",
            Self::Status(_) => "status",
            Self::OtherPod(_) => "other_pod",
            Self::CutOff(_) => "cut_off",
            Self::Encoding => "encoding",
            Self::TooLong(_) => "too_long",
        }
    }
}

/// The exposition of one pod, decompressed.
///
/// # Errors
///
/// When there is none to be had by `deadline`.
pub async fn fetch(
    target: &Target,
    samples: Aggregate,
    limits: &Limits,
    deadline: Instant,
) -> Result<Bytes, Failed> {
    let fetched = tokio::time::timeout_at(deadline, fetch_now(target, samples, limits, deadline));
    fetched.await.unwrap_or(Err(Failed::Timeout))
}

async fn fetch_now(
    target: &Target,
    samples: Aggregate,
    limits: &Limits,
    deadline: Instant,
) -> Result<Bytes, Failed> {
    let broken = |error: &dyn std::fmt::Display| Failed::Connection(error.to_string());
    let stream = TcpStream::connect(target.address)
        .await
        .map_err(|error| broken(&error))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut send, connection) = handshake.map_err(|error| broken(&error))?;
    let work = tokio::spawn(connection);
    let _ends_with_us = AbortOnDrop(work.abort_handle());
    let left = deadline
        .saturating_duration_since(Instant::now())
        .as_secs_f64();
    let path = match samples {
        Aggregate::All => "/metrics?samples=all",
        Aggregate::Enriched | Aggregate::Off => "/metrics?samples=enriched",
    };
    let request = Request::get(path)
        .header(HOST, target.address.to_string())
        .header(ACCEPT, "text/plain;version=0.0.4")
        .header(ACCEPT_ENCODING, "gzip")
        .header("X-Prometheus-Scrape-Timeout-Seconds", format!("{left:.3}"))
        .body(Empty::<Bytes>::new())
        .map_err(|error| broken(&error))?;
    let answer = send
        .send_request(request)
        .await
        .map_err(|error| broken(&error))?;
    let uid = header(answer.headers(), "x-tagalong-pod-uid");
    if uid.as_deref().is_some_and(|uid| uid != target.uid) {
        return Err(Failed::OtherPod(uid.unwrap_or_default()));
    }
    if answer.status() != StatusCode::OK {
        return Err(Failed::Status(answer.status().as_u16()));
    }
    let gzip = header(answer.headers(), CONTENT_ENCODING.as_str()).as_deref() == Some("gzip");
    let mut body = answer.into_body();
    let mut taken = if gzip {
        Taken::Gzip(Box::new(GzDecoder::new(Bounded::new(limits.bytes))))
    } else {
        Taken::Plain(Bounded::new(limits.bytes))
    };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failed::CutOff(error.to_string()))?;
        if let Ok(data) = frame.into_data() {
            taken
                .write(&data)
                .map_err(|()| taken.failed(limits.bytes))?;
        }
    }
    taken.finish(limits.bytes)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

enum Taken {
    Plain(Bounded),
    Gzip(Box<GzDecoder<Bounded>>),
}

impl Taken {
    fn write(&mut self, data: &[u8]) -> Result<(), ()> {
        match self {
            Self::Plain(bounded) => bounded.write_all(data),
            Self::Gzip(gzip) => gzip.write_all(data),
        }
        .map_err(drop)
    }

    fn failed(&self, limit: usize) -> Failed {
        let full = match self {
            Self::Plain(bounded) => bounded.full,
            Self::Gzip(gzip) => gzip.get_ref().full,
        };
        if full {
            Failed::TooLong(limit)
        } else {
            Failed::Encoding
        }
    }

    fn finish(self, limit: usize) -> Result<Bytes, Failed> {
        match self {
            Self::Plain(bounded) => Ok(bounded.bytes.freeze()),
            Self::Gzip(mut gzip) => match gzip.try_finish() {
                Ok(()) => Ok(gzip.get_mut().bytes.split().freeze()),
                Err(_) if gzip.get_ref().full => Err(Failed::TooLong(limit)),
                Err(_) => Err(Failed::Encoding),
            },
        }
    }
}

/// Memory with an end: a few bytes of gzip can stand for gigabytes.
struct Bounded {
    bytes: BytesMut,
    limit: usize,
    full: bool,
}

impl Bounded {
    fn new(limit: usize) -> Self {
        Self {
            bytes: BytesMut::new(),
            limit,
            full: false,
        }
    }
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + data.len() > self.limit {
            self.full = true;
            return Err(io::Error::other("too long"));
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
