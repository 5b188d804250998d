//! `/metrics`: the operator's own, and, of the replica that holds the lease, those of all sidecars.

use crate::collect::{self, Collection, Collector, SHORTEST};
use crate::lease::Writes;
use crate::metrics::Metrics;
use body::{MetricsBody, Pieces};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, VARY,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use std::time::Duration;
use tagalong_exposition::merge::Format;
use tagalong_exposition::negotiate::{self, TIMEOUT_HEADER};
use tagalong_runtime::admin::{OPENMETRICS, only, text};
use tagalong_runtime::serve::{ConnectionHandle, Lifeline, Limits};
use tokio::time::Instant;

mod body;

const OPEN: HeaderValue = HeaderValue::from_static(OPENMETRICS);
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
/// How long a scraper may read that does not say how long it waits: a person's, or one that waits for each byte only.
const READ_WITHIN: Duration = Duration::from_secs(60);
/// What a scraper has beyond what it says, to be the first to give up.
const LEEWAY: Duration = Duration::from_secs(1);
/// A scraper that takes nothing for so long is not reading.
const STALLED: Duration = Duration::from_secs(10);

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
    /// What the metrics port bears: a handful of scrapers, each on a connection or two, and a few people who look. An answer
    /// under way keeps up to some 600 KiB in its connection (what is written but not yet sent, the compressor, and 224 KiB in
    /// the kernel), so that all of them hold less than half of what one large collection does.
    #[must_use]
    pub fn limits() -> Limits {
        Limits {
            connections: 64,
            streams: 1,
            idle: Duration::from_secs(30),
            ..Limits::default()
        }
    }

    /// The answer to one request.
    pub async fn answer<B>(self, request: Request<B>) -> Response<MetricsBody> {
        if request.uri().path() != "/metrics" {
            return text(StatusCode::NOT_FOUND, "metrics are at /metrics\n")
                .map(MetricsBody::Whole);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return only("GET, HEAD").map(MetricsBody::Whole);
        }
        let (arrived, waits) = (Instant::now(), timeout(request.headers()));
        let accepted = negotiate::accepted(lines(request.headers(), &ACCEPT));
        let gzip = negotiate::accepts_gzip(lines(request.headers(), &ACCEPT_ENCODING));
        let collected = match &self.collector {
            Some((collector, lease)) if lease.allowed() => {
                collector.collect(self.metrics.plain(), waits).await
            }
            _ => Ok(Collection {
                merger: collect::alone(&self.metrics.plain()),
                permit: None,
            }),
        };
        let Collection { merger, permit } = match collected {
            Ok(collection) => collection,
            Err(why) => {
                let answer = text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"));
                return answer.map(MetricsBody::Whole);
            }
        };
        let format = accepted.format(merger.is_whole());
        let within = waits.map_or(READ_WITHIN, |waits| waits.max(SHORTEST) + LEEWAY);
        let connection = request.extensions().get::<ConnectionHandle>().cloned();
        let connection = connection.unwrap_or_default();
        let reader = permit.map(|permit| permit.by(connection.clone()));
        let lifeline = Lifeline::until(arrived + within, connection).without_pause_of(STALLED);
        let pieces = Pieces::new(merger.finish(format), gzip).bounded(reader, lifeline);
        let mut response = Response::new(MetricsBody::Pieces(Box::new(pieces)));
        let open = format == Format::OpenMetrics;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, if open { OPEN } else { TEXT });
        headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
        if gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// How long the scraper says it waits.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    lines(headers, &HeaderName::from_static(TIMEOUT_HEADER))
        .next()
        .and_then(negotiate::timeout)
}

fn lines<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).into_iter();
    lines.filter_map(|line| line.to_str().ok())
}

#[cfg(test)]
mod tests;
