//! Asks one sidecar.

use crate::collect::reserved::reserved;
use bytes::Bytes;
use flate2::write::GzDecoder;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HOST};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;
use tagalong_exposition::merge::{FinishedSource, MergeSource};
use tagalong_exposition::negotiate::TIMEOUT_HEADER;
use tagalong_index::Key;
use tagalong_runtime::log_rate::shortened;
use tagalong_runtime::net::{self, Buffers};
use tagalong_runtime::with_causes;
use tagalong_wire::contract::{POD_UID_HEADER, SAMPLES_ALL, SAMPLES_ENRICHED, SAMPLES_QUERY};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// A body that brings nothing for so long lets another be read meanwhile. It must be short: many bodies that trickle
/// are read in time only if none waits for another's next byte.
const STALLED: Duration = Duration::from_millis(2);
/// What is read from a connection at once: little enough to stay in a core's cache, and below what the allocator
/// gets from the kernel, and gives back, every time.
const BUFFER: usize = 64 << 10;

/// How much of a header counts, in bytes: a UID is shorter, and a stranger's words come into the log and into Events.
const HEADER: usize = 128;

/// The longest line that is passed on.
pub(super) const LINE: usize = 64 << 10;

/// Which samples are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Aggregate {
    /// Enriched samples: those whose Kubernetes Service is known.
    Enriched,
    /// All samples of the sidecars.
    All,
    /// No samples of the sidecars: pods are not collected.
    Off,
}

/// What one pod answered.
#[derive(Debug)]
pub struct PodAnswer {
    /// Who was asked.
    pub target: PodTarget,
    /// How long it took.
    pub took: Duration,
    /// Its samples, or why there are none.
    pub source: Result<FinishedSource, FetchError>,
}

/// A pod whose sidecar is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodTarget {
    /// The pod's UID: an address may have been given to another pod since.
    pub uid: String,
    /// The pod.
    pub pod: Key,
    /// Its DataPlane.
    pub dataplane: Key,
    /// Whether it is being deleted.
    pub ends: bool,
    /// Where its sidecar listens.
    pub address: SocketAddr,
    /// The same, as a label says it.
    pub url: String,
}

/// Which pod it is that is asked, and where: two sidecars can have neither in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PodId {
    uid: String,
    address: SocketAddr,
}

impl PodTarget {
    pub(super) fn id(&self) -> PodId {
        PodId {
            uid: self.uid.clone(),
            address: self.address,
        }
    }
}

/// What one pod may cost.
#[derive(Clone, Copy, Debug)]
pub struct PodLimits {
    /// Bytes of its exposition, uncompressed.
    pub bytes: usize,
    /// Samples.
    pub samples: u64,
}

impl Default for PodLimits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            samples: 500_000,
        }
    }
}

/// Why a pod's samples are missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Nobody listens, or the connection broke.
    #[error("no connection: {0}")]
    Connection(String),
    /// It took longer than the scraper waits.
    #[error("no answer in time")]
    Timeout,
    /// Not 200.
    #[error("it answered {0}")]
    Status(u16),
    /// Another pod has the address now: the one of this UID, or one that tells none.
    #[error("another pod answered, of UID {0:?}")]
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
    /// There are more samples than allowed.
    #[error("there are more than {0} samples")]
    TooMany(u64),
    /// Reading it failed for a fault of ours.
    #[error("a fault of the operator itself")]
    Fault,
}

impl FetchError {
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
            Self::TooMany(_) => "too_many",
            Self::Fault => "fault",
        }
    }

    /// Whether it might have gone well with more time: the sidecar, too, says so (504) or breaks off when it is up.
    pub(super) fn for_want_of_time(&self) -> bool {
        matches!(self, Self::Timeout | Self::Status(504) | Self::CutOff(_))
    }

    /// What a person can do about it.
    #[must_use]
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Connection(_) => {
                "Check that its sidecar runs (kubectl logs -c tagalong), and that no NetworkPolicy keeps the operator from its port."
            }
            Self::Timeout => {
                "Its sidecar's own metrics show how long Kong takes; scrape with a longer timeout, or find what slows the pod down."
            }
            Self::Status(_) | Self::CutOff(_) => {
                "Its sidecar's log says why: kubectl logs -c tagalong."
            }
            Self::OtherPod(_) => {
                "Its address has been given to another pod; this resolves itself once Kubernetes reports the new one. A sidecar that was added by hand needs TAGALONG_POD_UID."
            }
            Self::Encoding => {
                "Something between the operator and the sidecar changes responses; look for a mesh or a proxy."
            }
            Self::TooLong(_) | Self::TooMany(_) => {
                "Reduce Kong's series: turn off unused families in the extension's config, or select fewer Services."
            }
            Self::Fault => "The operator's log has the details; please report them.",
        }
    }
}

/// The samples of one pod. Many may be asked at once; the bodies of as many as `reading` permits are read.
///
/// # Errors
///
/// When there is none to be had by `deadline`.
pub async fn fetch(
    target: &PodTarget,
    samples: Aggregate,
    limits: &PodLimits,
    reading: &Semaphore,
    deadline: Instant,
) -> Result<FinishedSource, FetchError> {
    let work = fetch_now(target, samples, limits, reading, deadline);
    let fetched = tokio::time::timeout_at(deadline, work);
    fetched.await.unwrap_or(Err(FetchError::Timeout))
}

async fn fetch_now(
    target: &PodTarget,
    samples: Aggregate,
    limits: &PodLimits,
    reading: &Semaphore,
    deadline: Instant,
) -> Result<FinishedSource, FetchError> {
    let broken =
        |error: &(dyn std::error::Error + 'static)| FetchError::Connection(with_causes(error));
    let stream = net::connect_to(target.address, Buffers::CLIENT)
        .await
        .map_err(|error| broken(&error))?;
    let handshake = http1::Builder::new()
        .max_buf_size(BUFFER)
        .handshake(TokioIo::new(stream))
        .await;
    let (mut send, connection) = handshake.map_err(|error| broken(&error))?;
    let _ends_with_us = AbortOnDropHandle::new(tokio::spawn(connection));
    let left = deadline
        .saturating_duration_since(Instant::now())
        .as_secs_f64();
    let samples = match samples {
        Aggregate::All => SAMPLES_ALL,
        Aggregate::Enriched | Aggregate::Off => SAMPLES_ENRICHED,
    };
    let request = Request::get(format!("/metrics?{SAMPLES_QUERY}={samples}"))
        .header(HOST, target.address.to_string())
        .header(ACCEPT, "text/plain;version=0.0.4")
        .header(ACCEPT_ENCODING, "gzip")
        .header(TIMEOUT_HEADER, format!("{left:.3}"))
        .body(Empty::<Bytes>::new())
        .map_err(|error| broken(&error))?;
    let answer = send
        .send_request(request)
        .await
        .map_err(|error| broken(&error))?;
    let status = answer.status();
    match header(answer.headers(), POD_UID_HEADER) {
        Some(other) if other != target.uid => return Err(FetchError::OtherPod(other)),
        // A sidecar that has no room for another connection does not say which pod it is.
        _ if status != StatusCode::OK => return Err(FetchError::Status(status.as_u16())),
        // Only manifests have pods without a UID.
        None if !target.uid.is_empty() => return Err(FetchError::OtherPod(String::new())),
        _ => {}
    }
    let gzip = header(answer.headers(), CONTENT_ENCODING.as_str()).as_deref() == Some("gzip");
    let mut body = answer.into_body();
    let sink = Bounded::new(target, *limits);
    let mut taken = if gzip {
        Taken::Gzip(Box::new(GzDecoder::new(sink)))
    } else {
        Taken::Plain(Box::new(sink))
    };
    let mut permit = reading.acquire().await.ok();
    loop {
        let frame = match tokio::time::timeout(STALLED, body.frame()).await {
            Ok(frame) => frame,
            Err(_stalled) => {
                drop(permit.take());
                let frame = body.frame().await;
                permit = reading.acquire().await.ok();
                frame
            }
        };
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| FetchError::CutOff(with_causes(&error)))?;
        if let Ok(data) = frame.into_data() {
            taken.write(&data)?;
        }
    }
    taken.finish()
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(shortened(value, HEADER).to_owned())
}

enum Taken {
    Plain(Box<Bounded>),
    Gzip(Box<GzDecoder<Bounded>>),
}

impl Taken {
    fn write(&mut self, data: &[u8]) -> Result<(), FetchError> {
        let (written, sink) = match self {
            Self::Plain(sink) => (sink.write_all(data), &**sink),
            Self::Gzip(gzip) => (gzip.write_all(data), gzip.get_ref()),
        };
        written.map_err(|_| sink.over.clone().unwrap_or(FetchError::Encoding))
    }

    fn finish(self) -> Result<FinishedSource, FetchError> {
        let mut sink = match self {
            Self::Plain(sink) => *sink,
            Self::Gzip(mut gzip) => {
                let tried = gzip.try_finish();
                let over = gzip.get_ref().over.clone();
                tried.map_err(|_| over.unwrap_or(FetchError::Encoding))?;
                gzip.finish().map_err(|_| FetchError::Encoding)?
            }
        };
        sink.source.finish();
        sink.within()?;
        Ok(sink.source.into())
    }
}

/// Reads samples as they come, up to the limits: a few bytes of gzip can stand for gigabytes.
struct Bounded {
    source: MergeSource,
    limits: PodLimits,
    bytes: usize,
    over: Option<FetchError>,
}

impl Bounded {
    fn new(target: &PodTarget, limits: PodLimits) -> Self {
        let labels = [
            ("dataplane", target.dataplane.name.as_ref()),
            ("dataplane_namespace", target.dataplane.namespace.as_ref()),
            ("dataplane_pod", target.pod.name.as_ref()),
            ("dataplane_url", target.url.as_str()),
        ];
        Self {
            source: MergeSource::new(&labels, LINE)
                .of_group(&target.dataplane.to_string())
                .without(reserved),
            limits,
            bytes: 0,
            over: None,
        }
    }

    fn within(&self) -> Result<(), FetchError> {
        if self.bytes > self.limits.bytes {
            return Err(FetchError::TooLong(self.limits.bytes));
        }
        if self.source.stats().samples > self.limits.samples {
            return Err(FetchError::TooMany(self.limits.samples));
        }
        Ok(())
    }
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.bytes += data.len();
        if let Err(failed) = self.within() {
            self.over = Some(failed);
            return Err(io::Error::other("over a limit"));
        }
        self.source.push(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
