//! `POST /mutate`, over whatever connection it comes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::Full;
use tagalong_runtime::admin::text;
use tagalong_runtime::log_rate::LogRateLimiter;
use tokio::time::Instant;

use crate::cut::{LOGGED, cut};
use crate::intake::{Intake, Review, Unread};
use crate::metrics::Metrics;
use crate::review::{ReviewAnswer, review};
use crate::{InjectionSettings, Verdict};

/// Where the API server sends reviews.
pub const PATH: &str = "/mutate";

/// Lines a minute about requests of one status that are no reviews: anybody can send such.
const PROBLEMS: u32 = 5;

/// Lines a minute about answers of one sort, for about as many objects: a long line counts as several. With what else
/// strangers can have logged that is less than 100 KB a minute.
const ANSWERS: u32 = 50;

/// What a stranger's words take of a line that counts as one, in bytes, as they are written.
const WORDS: usize = 128;

/// Answers reviews.
#[derive(Clone)]
pub struct Handler(Arc<Shared>);

struct Shared {
    settings: InjectionSettings,
    metrics: Metrics,
    intake: Intake,
    problems: LogRateLimiter<u16>,
    answers: LogRateLimiter<&'static str>,
}

impl Handler {
    /// Answers by `settings`.
    #[must_use]
    pub fn new(settings: InjectionSettings, metrics: Metrics) -> Self {
        Self(Arc::new(Shared {
            settings,
            metrics,
            intake: Intake::new(),
            problems: LogRateLimiter::new(PROBLEMS),
            answers: LogRateLimiter::new(ANSWERS),
        }))
    }

    /// The answer to one request. Every fault is told in words.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let begun = Instant::now();
        let Shared {
            metrics, problems, ..
        } = &*self.0;
        let answered = match self.read(request).await {
            Ok(body) => self.review(body.bytes()),
            Err(problem) => Err(problem),
        };
        match answered {
            Ok(answer) => {
                metrics.reviewed(answer.kind, &answer.verdict, begun.elapsed());
                self.log(&answer);
                json(answer.body)
            }
            Err((status, reason)) => {
                metrics.refused(status);
                if let Some(suppressed) = problems.due(status.as_u16()) {
                    let reason = cut(reason.clone(), LOGGED);
                    tracing::warn!(%status, reason, suppressed, "cannot answer a review");
                }
                let mut response = text(status, format!("{reason}\n"));
                if status == StatusCode::METHOD_NOT_ALLOWED {
                    let post = header::HeaderValue::from_static("POST");
                    response.headers_mut().insert(header::ALLOW, post);
                }
                response
            }
        }
    }

    async fn read<B>(&self, request: Request<B>) -> Result<Review<'_>, Problem>
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
        let read = self.0.intake.read(request.into_body()).await;
        read.map_err(|unread| {
            let status = match unread {
                Unread::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                Unread::Late => StatusCode::REQUEST_TIMEOUT,
                Unread::Broken(_) => StatusCode::BAD_REQUEST,
            };
            (status, unread.to_string())
        })
    }

    /// A panic costs its own request only.
    fn review(&self, body: &[u8]) -> Result<ReviewAnswer, Problem> {
        match catch_unwind(AssertUnwindSafe(|| review(body, &self.0.settings))) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(bad)) => Err((StatusCode::BAD_REQUEST, bad.to_string())),
            Err(_) => Err((
                StatusCode::INTERNAL_SERVER_ERROR,
                "the review could not be answered; please report it".to_owned(),
            )),
        }
    }

    fn log(&self, answer: &ReviewAnswer) {
        let ReviewAnswer {
            kind,
            namespace,
            name,
            verdict,
            changed,
            ..
        } = answer;
        let word = verdict.word();
        let refused = matches!(verdict, Verdict::Refused(_));
        if !refused && !changed {
            tracing::debug!(kind, namespace, name, verdict = word, "unchanged");
            return;
        }
        let reason = match verdict {
            Verdict::Refused(reason) => cut(reason.to_string(), LOGGED),
            _ => String::new(),
        };
        let words = [kind, namespace.as_str(), name.as_str(), reason.as_str()];
        let written = words.iter().map(|word| word.escape_default().count());
        let lines = 1 + written.sum::<usize>() / WORDS;
        let lines = u32::try_from(lines).unwrap_or(ANSWERS);
        let Some(suppressed) = self.0.answers.due_for(word, lines) else {
            return;
        };
        if refused {
            tracing::warn!(kind, namespace, name, reason, suppressed, "no sidecar");
        } else {
            tracing::info!(kind, namespace, name, verdict = word, suppressed, "changed");
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

#[cfg(test)]
mod tests;
