//! `/metrics`: the operator's own, and, of the replica that holds the lease, those of all sidecars.

use crate::collect::{self, Collector};
use crate::metrics::Metrics;
use body::{Answer, Pieces};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, VARY,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use std::time::Duration;
use tagalong_exposition::merge::Format;
use tagalong_runtime::admin::{OPENMETRICS, text};
use tagalong_runtime::lease::Writes;

mod body;

const OPEN: HeaderValue = HeaderValue::from_static(OPENMETRICS);
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
/// What Prometheus says of its own patience, in seconds.
const TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";

/// Answers scrapes.
#[derive(Clone)]
pub struct Scrape {
    /// The operator's own metrics.
    pub metrics: Metrics,
    /// Those of all sidecars; and the lease, of whose holder alone they are to be had: two replicas
    /// that both gave them would double every sum.
    pub collector: Option<(Collector, Writes)>,
}

impl Scrape {
    /// The answer to one request.
    pub async fn answer<B>(self, request: Request<B>) -> Response<Answer> {
        if request.uri().path() != "/metrics" {
            return text(StatusCode::NOT_FOUND, "metrics are at /metrics\n").map(Answer::Whole);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            return answer.map(Answer::Whole);
        }
        let open = accepts(request.headers(), &ACCEPT, "application/openmetrics-text");
        let gzip = accepts(request.headers(), &ACCEPT_ENCODING, "gzip");
        let format = if open {
            Format::OpenMetrics
        } else {
            Format::Text
        };
        let merger = match &self.collector {
            Some((collector, lease)) if lease.allowed() => {
                let own = self.metrics.plain();
                let collected = collector.collect(own, timeout(request.headers()));
                let Some(merger) = collected.await else {
                    let why = "the collection that is under way takes longer than you wait\n";
                    return text(StatusCode::SERVICE_UNAVAILABLE, why).map(Answer::Whole);
                };
                merger
            }
            _ => collect::alone(&self.metrics.plain()),
        };
        let mut response = Response::new(Answer::Pieces(Box::new(Pieces::new(
            merger.finish(format),
            gzip,
        ))));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, if open { OPEN } else { TEXT });
        headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
        if gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// Whether a list of choices has this one, and not with a quality of nothing.
fn accepts(headers: &HeaderMap, header: &HeaderName, wanted: &str) -> bool {
    let listed = headers.get(header).and_then(|value| value.to_str().ok());
    listed
        .into_iter()
        .flat_map(|value| value.split(','))
        .any(|choice| {
            let mut parts = choice.split(';').map(str::trim);
            let named = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case(wanted));
            let refused =
                parts.any(|quality| matches!(quality, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            named && !refused
        })
}

/// More than a minute nobody waits, and less than none is no time.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(TIMEOUT)?.to_str().ok()?.parse::<f64>().ok()?;
    (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds.min(60.0)).ok())?
}

#[cfg(test)]
mod tests;
