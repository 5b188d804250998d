//! Asks one sidecar for its summary.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, HOST, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tagalong_exposition::negotiate::TIMEOUT_HEADER;
use tagalong_index::{Key, Pod};
use tagalong_runtime::log_rate::shortened;
use tagalong_runtime::net::{self, Buffers};
use tagalong_runtime::with_causes;
use tagalong_wire::contract::POD_UID_HEADER;
use tagalong_wire::{LOOK_HEADER, Look, MAX_SUMMARY, SUMMARY_PATH};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

/// How long a pod has. A look that takes longer is found at the next question.
const DEADLINE: Duration = Duration::from_secs(4);
/// What the sidecar is told of it: then it says what it found at the look before.
const TOLD: &str = "3";
/// Of this size a summary is read without more ado, in bytes: some hundreds of Services.
const USUAL: usize = 64 << 10;
/// A longer header is none.
const HEADER: usize = 512;

/// A pod whose sidecar is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SummaryTarget {
    pub(super) uid: String,
    pub(super) pod: Key,
    pub(super) dataplane: String,
    pub(super) address: SocketAddr,
}

/// What a pod has said already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prior(HeaderValue);

/// What a pod answered.
#[derive(Debug)]
pub(super) enum Asked {
    /// A summary, to be read.
    Whole {
        /// As it came.
        json: Vec<u8>,
        /// By which it is known next time.
        tag: Option<Prior>,
    },
    /// Nothing has changed but the look.
    Unchanged {
        /// The look.
        look: Look,
        /// Since what.
        prior: Prior,
    },
}

/// Why there is no summary.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// Nobody listens, or the connection broke.
    #[error("no connection: {0}")]
    Connection(String),
    /// It took too long.
    #[error("no answer within {} s", DEADLINE.as_secs())]
    Timeout,
    /// Neither 200 nor 304.
    #[error(
        "it answered {0}: its sidecar's log says why, or it is of a version that knows no summaries"
    )]
    Status(u16),
    /// Another pod has the address now.
    #[error("another pod answered, of UID {0:?}")]
    OtherPod(String),
    /// The body ended early.
    #[error("the answer was cut off: {0}")]
    CutOff(String),
    /// The body is longer than a summary can be.
    #[error("the answer is longer than {MAX_SUMMARY} bytes")]
    TooLong,
    /// A 304 that nobody asked for, or without a look.
    #[error("it says that nothing has changed, but not since when")]
    NoLook,
}

impl SummaryTarget {
    /// None if it cannot be asked.
    pub(super) fn of(dataplane: &str, pod: &Pod) -> Option<Self> {
        Some(Self {
            uid: pod.uid.to_string(),
            pod: pod.key.clone(),
            dataplane: dataplane.to_owned(),
            address: SocketAddr::new(*pod.addresses.first()?, pod.port?),
        })
    }
}

impl AskError {
    /// For a metric's label.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Connection(_) => "connection",
            Self::Timeout => "timeout",
            Self::Status(_) => "status",
            Self::OtherPod(_) => "other_pod",
            Self::CutOff(_) => "cut_off",
            Self::TooLong => "too_long",
            Self::NoLook => "no_look",
        }
    }
}

/// The summary of one pod. Few that are longer than usual are read at once: a pod may say anything.
pub(super) async fn ask(
    target: &SummaryTarget,
    prior: Option<&Prior>,
    max_age: Duration,
    large: &Semaphore,
) -> Result<Asked, AskError> {
    let asked = ask_now(target, prior, max_age, large);
    let asked = timeout_at(Instant::now() + DEADLINE, asked).await;
    asked.unwrap_or(Err(AskError::Timeout))
}

async fn ask_now(
    target: &SummaryTarget,
    prior: Option<&Prior>,
    max_age: Duration,
    large: &Semaphore,
) -> Result<Asked, AskError> {
    let broken =
        |error: &(dyn std::error::Error + 'static)| AskError::Connection(with_causes(error));
    let stream = net::connect_to(target.address, Buffers::CLIENT);
    let stream = stream.await.map_err(|error| broken(&error))?;
    let handshake = http1::Builder::new()
        .max_buf_size(USUAL)
        .handshake(TokioIo::new(stream))
        .await;
    let (mut send, connection) = handshake.map_err(|error| broken(&error))?;
    let _ends_with_us = AbortOnDropHandle::new(tokio::spawn(connection));
    let mut request = Request::get(SUMMARY_PATH)
        .header(HOST, target.address.to_string())
        .header(CACHE_CONTROL, format!("max-age={}", max_age.as_secs()))
        .header(TIMEOUT_HEADER, TOLD);
    if let Some(Prior(tag)) = prior {
        request = request.header(IF_NONE_MATCH, tag);
    }
    let request = request.body(Empty::<Bytes>::new());
    let request = request.map_err(|error| broken(&error))?;
    let answer = send.send_request(request).await;
    let answer = answer.map_err(|error| broken(&error))?;
    let (status, headers) = (answer.status(), answer.headers());
    match header(headers, POD_UID_HEADER).and_then(|uid| uid.to_str().ok()) {
        Some(uid) if *uid != *target.uid => {
            return Err(AskError::OtherPod(shortened(uid, 128).to_owned()));
        }
        // A sidecar that has no room for another connection does not say which pod it is.
        _ if status != StatusCode::OK && status != StatusCode::NOT_MODIFIED => {
            return Err(AskError::Status(status.as_u16()));
        }
        None => return Err(AskError::OtherPod(String::new())),
        Some(_) => {}
    }
    if status == StatusCode::NOT_MODIFIED {
        let look = header(headers, LOOK_HEADER).map(|look| Look::parse(look.as_bytes()));
        let (Some(Ok(look)), Some(prior)) = (look, prior) else {
            return Err(AskError::NoLook);
        };
        let prior = prior.clone();
        return Ok(Asked::Unchanged { look, prior });
    }
    let tag = header(headers, ETAG.as_str()).cloned().map(Prior);
    let json = read(answer.into_body(), large).await?;
    Ok(Asked::Whole { json, tag })
}

async fn read(mut body: hyper::body::Incoming, large: &Semaphore) -> Result<Vec<u8>, AskError> {
    let (mut json, mut permit) = (Vec::new(), None);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| AskError::CutOff(with_causes(&error)))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if json.len() + data.len() > MAX_SUMMARY {
            return Err(AskError::TooLong);
        }
        if json.len() + data.len() > USUAL && permit.is_none() {
            permit = large.acquire().await.ok();
        }
        json.extend_from_slice(&data);
    }
    Ok(json)
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h HeaderValue> {
    headers.get(name).filter(|value| value.len() <= HEADER)
}
