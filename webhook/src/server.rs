//! `POST /mutate`, over whatever connection it comes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tagalong_runtime::admin::text;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::metrics::Metrics;
use crate::review::{Answer, review};
use crate::{Settings, Verdict};

/// Where the API server sends reviews.
pub const PATH: &str = "/mutate";

/// The largest review read. etcd takes objects up to 1.5 MiB, and a review holds one twice: as it is and as it was.
pub const LARGEST: usize = 4 << 20;

/// What the bodies under way may take together, in KiB. A few large ones wait for each other; the usual ones never do.
const BUDGET: u32 = 16 << 10;

/// The API server waits three seconds in all. A body that has not come by then is nobody's.
const PATIENCE: Duration = Duration::from_secs(3);

/// Answers reviews.
#[derive(Clone)]
pub struct Handler {
    settings: Arc<Settings>,
    metrics: Metrics,
    budget: Arc<Semaphore>,
}

impl Handler {
    /// Answers by `settings`.
    #[must_use]
    pub fn new(settings: Settings, metrics: Metrics) -> Self {
        Self {
            settings: Arc::new(settings),
            metrics,
            budget: Arc::new(Semaphore::new(BUDGET as usize)),
        }
    }

    /// The answer to one request. Every fault is told in words.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let begun = Instant::now();
        let answered = match self.read(request).await {
            Ok(body) => self.review(&body),
            Err(problem) => Err(problem),
        };
        match answered {
            Ok(answer) => {
                self.metrics
                    .reviewed(answer.kind, &answer.verdict, begun.elapsed());
                log(&answer);
                json(answer.body)
            }
            Err((status, reason)) => {
                self.metrics.refused(status);
                tracing::warn!(%status, reason, "no answer to give");
                text(status, format!("{reason}\n"))
            }
        }
    }

    async fn read<B>(&self, request: Request<B>) -> Result<Bytes, Problem>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if request.uri().path() != PATH {
            return Err((
                StatusCode::NOT_FOUND,
                format!("reviews are answered at {PATH}"),
            ));
        }
        if request.method() != Method::POST {
            return Err((
                StatusCode::METHOD_NOT_ALLOWED,
                "reviews come by POST".to_owned(),
            ));
        }
        let content_type = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let media_type = content_type
            .and_then(|value| value.split(';').next())
            .unwrap_or_default();
        if !media_type.trim().eq_ignore_ascii_case("application/json") {
            return Err((
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "reviews are application/json".to_owned(),
            ));
        }
        let too_large = || {
            (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("a review has at most {LARGEST} bytes"),
            )
        };
        let hint = request.body().size_hint();
        if hint.lower() > LARGEST as u64 {
            return Err(too_large());
        }
        let most = hint.upper().map_or(LARGEST, |upper| {
            usize::try_from(upper).unwrap_or(LARGEST).min(LARGEST)
        });
        let share = u32::try_from(most / 1024 + 1).unwrap_or(BUDGET);
        let collected = timeout(PATIENCE, async {
            let _share = self.budget.acquire_many(share).await;
            Limited::new(request.into_body(), LARGEST).collect().await
        });
        match collected.await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(error)) => Err((
                StatusCode::BAD_REQUEST,
                format!("the review broke off: {error}"),
            )),
            Err(_) => Err((
                StatusCode::REQUEST_TIMEOUT,
                format!("the review did not come within {PATIENCE:?}"),
            )),
        }
    }

    /// A panic costs its own request only.
    fn review(&self, body: &[u8]) -> Result<Answer, Problem> {
        match catch_unwind(AssertUnwindSafe(|| review(body, &self.settings))) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(bad)) => Err((StatusCode::BAD_REQUEST, bad.to_string())),
            Err(_) => Err((
                StatusCode::INTERNAL_SERVER_ERROR,
                "the review could not be answered; please report it".to_owned(),
            )),
        }
    }
}

type Problem = (StatusCode, String);

fn json(body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}

fn log(answer: &Answer) {
    let Answer {
        kind,
        namespace,
        name,
        verdict,
        ..
    } = answer;
    let word = verdict.word();
    if let Verdict::Refused(reason) = verdict {
        tracing::warn!(kind, namespace, name, %reason, "no sidecar");
    } else if answer.changed {
        tracing::info!(kind, namespace, name, verdict = word, "changed");
    } else {
        tracing::debug!(kind, namespace, name, verdict = word, "unchanged");
    }
}

#[cfg(test)]
mod tests;
