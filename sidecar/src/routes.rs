//! What is served where:
//!
//! | path | what |
//! | --- | --- |
//! | `/metrics` | Kong's, enriched, then the sidecar's own families |
//! | `/metrics?samples=enriched` | enriched samples only, and which ambiguous names were seen: for whoever collects many pods |
//! | `/v1/summary` | the load of each Kubernetes Service, for whoever scales by it |
//! | `/healthz` | liveness: the event loop turns |
//!
//! Anything else is answered as Kong does, in JSON.

mod body;
mod request;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use tagalong_exposition::Keep;
use tagalong_runtime::serve::ConnectionHandle;
use tagalong_wire::contract::POD_UID_HEADER;
use tagalong_wire::{CONTENT_TYPE as NDJSON, LOOK_HEADER, SUMMARY_PATH};
use tokio::time::Instant;

pub use body::Body;
use request::{accepts_gzip, keep, max_age, time_allowed};

use crate::kong::KongError;
use crate::metrics::{Metrics, ScrapeOutcome};
use crate::scrape::{ScrapeAnswer, ScrapeError, Scraper, Upstream, Want};
use crate::summary::SummaryAnswer;

const POD_UID: HeaderName = HeaderName::from_static(POD_UID_HEADER);
const LOOK: HeaderName = HeaderName::from_static(LOOK_HEADER);
const NO_LOOK: &str =
    "Kong has not been looked at yet: it did not answer in time, or with no numbers of Kong 3";
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// The paths above.
#[derive(Debug)]
pub struct Routes<U> {
    scraper: Scraper<U>,
    metrics: Arc<Metrics>,
    pod_uid: Option<HeaderValue>,
}

impl<U: Upstream> Routes<U> {
    /// Serves what `scraper` scrapes. A pod UID that no header could hold is left out.
    pub fn new(scraper: Scraper<U>, metrics: Arc<Metrics>, pod_uid: Option<&str>) -> Self {
        Self {
            scraper,
            metrics,
            pod_uid: pod_uid.and_then(|uid| HeaderValue::from_str(uid).ok()),
        }
    }

    /// Answers one request.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Body> {
        let connection = request.extensions().get::<ConnectionHandle>().cloned();
        let connection = connection.unwrap_or_default();
        let mut response = self.answer(&request, connection).await;
        if let Some(uid) = &self.pod_uid {
            response.headers_mut().insert(POD_UID, uid.clone());
        }
        response
    }

    async fn answer<B>(
        &self,
        request: &Request<B>,
        connection: ConnectionHandle,
    ) -> Response<Body> {
        let path = request.uri().path();
        let known = matches!(
            path.strip_suffix('/').unwrap_or(path),
            "/metrics" | "/healthz" | SUMMARY_PATH
        );
        if !known {
            return message(StatusCode::NOT_FOUND, "Not found");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = message(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
            refused
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        if path.starts_with("/healthz") {
            return Response::new(Body::full(Bytes::from_static(b"ok\n")));
        }
        if request.version() < Version::HTTP_11 {
            // Without chunks a body that breaks off could not be told from one that ends.
            return message(
                StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                "Metrics need HTTP/1.1; behind nginx: proxy_http_version 1.1",
            );
        }
        if path.starts_with(SUMMARY_PATH) {
            return self.summary(request).await;
        }
        match keep(request.uri().query()) {
            Ok(keep) => self.scrape(request, keep, connection).await,
            Err(why) => message(StatusCode::BAD_REQUEST, &why),
        }
    }

    async fn scrape<B>(
        &self,
        request: &Request<B>,
        keep: Keep,
        connection: ConnectionHandle,
    ) -> Response<Body> {
        let waiting = Waiting(Some(&self.metrics));
        let deadline = Instant::now() + time_allowed(request.headers());
        let gzip = accepts_gzip(request.headers());
        let scrape = self.scraper.scrape(Want { keep, gzip }, connection.clone());
        let scraped = tokio::time::timeout_at(deadline, scrape).await;
        waiting.over();
        let answer = match scraped {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return self.failed(&error),
            Err(_) => {
                self.metrics.ended(ScrapeOutcome::KongTimeout);
                return message(
                    StatusCode::GATEWAY_TIMEOUT,
                    "Kong did not answer within the scrape's timeout",
                );
            }
        };
        if request.method() == Method::HEAD {
            self.metrics.ended(ScrapeOutcome::Ok);
            return body(answer.content_type, gzip, Body::empty());
        }
        let ScrapeAnswer {
            content_type,
            body: reader,
        } = answer;
        body(
            content_type,
            gzip,
            Body::scrape(reader, Arc::clone(&self.metrics), connection, deadline),
        )
    }

    /// Where there was a look before, what it found is said with its age, whatever becomes of the next one.
    async fn summary<B>(&self, request: &Request<B>) -> Response<Body> {
        let headers = request.headers();
        let look = self.scraper.look(max_age(headers));
        let looked = tokio::time::timeout(time_allowed(headers), look).await;
        let has = headers.get(IF_NONE_MATCH).and_then(|tag| tag.to_str().ok());
        let Some((tag, answer)) = self.scraper.summaries().answer(has) else {
            return match looked {
                Ok(Err(error)) => {
                    let (_, status) = told(&error);
                    message(status, &error.to_string())
                }
                _ => message(StatusCode::SERVICE_UNAVAILABLE, NO_LOOK),
            };
        };
        let mut response = match answer {
            SummaryAnswer::Unchanged(look) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                if let Ok(look) = HeaderValue::from_bytes(&look) {
                    response.headers_mut().insert(LOOK, look);
                }
                response
            }
            SummaryAnswer::Whole(_) if request.method() == Method::HEAD => {
                Response::new(Body::empty())
            }
            SummaryAnswer::Whole(listing) => Response::new(Body::summary(listing)),
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            headers.insert(ETAG, tag);
        }
        response
    }

    fn failed(&self, error: &ScrapeError) -> Response<Body> {
        let (outcome, status) = told(error);
        self.metrics.ended(outcome);
        message(status, &error.to_string())
    }
}

fn told(error: &ScrapeError) -> (ScrapeOutcome, StatusCode) {
    match error {
        ScrapeError::Kong(KongError::Connect(..) | KongError::Tls(..)) => {
            (ScrapeOutcome::KongUnreachable, StatusCode::BAD_GATEWAY)
        }
        ScrapeError::Kong(_) => (ScrapeOutcome::KongBadAnswer, StatusCode::BAD_GATEWAY),
        ScrapeError::Panic => (ScrapeOutcome::Panic, StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Counts a reader that goes away before it has an answer: its request is then dropped where it waits.
struct Waiting<'a>(Option<&'a Metrics>);

impl Waiting<'_> {
    fn over(mut self) {
        self.0 = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(metrics) = self.0 {
            metrics.ended(ScrapeOutcome::ReaderGone);
        }
    }
}

fn body(content_type: HeaderValue, gzip: bool, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// A JSON answer in Kong's form.
fn message(status: StatusCode, text: &str) -> Response<Body> {
    let json = serde_json::json!({ "message": text }).to_string();
    let mut response = Response::new(Body::full(Bytes::from(json)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}
