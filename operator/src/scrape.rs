//! `/metrics`: the operator's own, and, of the replica that holds the lease, those of all sidecars.

use crate::collect::Collector;
use crate::metrics::Metrics;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use std::io::Write as _;
use std::time::Duration;
use tagalong_runtime::admin::text;
use tagalong_runtime::lease::Writes;

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
    pub async fn answer<B>(self, request: Request<B>) -> Response<Full<Bytes>> {
        if request.uri().path() != "/metrics" {
            return text(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        }
        let own = self.metrics.plain();
        let body = match &self.collector {
            Some((collector, lease)) if lease.allowed() => {
                match collector.collect(own, timeout(request.headers())).await {
                    Some(collected) => collected.to_vec(),
                    None => {
                        let why = "the collection that is under way takes longer than you wait\n";
                        return text(StatusCode::SERVICE_UNAVAILABLE, why);
                    }
                }
            }
            _ => own.into_bytes(),
        };
        respond(body, accepts_gzip(request.headers()))
    }
}

fn respond(body: Vec<u8>, gzip: bool) -> Response<Full<Bytes>> {
    let zipped = gzip.then(|| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&body).and_then(|()| gzip.finish())
    });
    let mut response = match zipped {
        Some(Ok(zipped)) => {
            let mut response = text(StatusCode::OK, zipped);
            let encoding = HeaderValue::from_static("gzip");
            response.headers_mut().insert(CONTENT_ENCODING, encoding);
            response
        }
        _ => text(StatusCode::OK, body),
    };
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    let vary = HeaderValue::from_static("accept-encoding");
    response.headers_mut().insert(VARY, vary);
    response
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok());
    accepted
        .into_iter()
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let gzip = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
            let refused =
                parts.any(|quality| matches!(quality, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            gzip && !refused
        })
}

/// More than a minute nobody waits, and less than none is no time.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(TIMEOUT)?.to_str().ok()?.parse::<f64>().ok()?;
    (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds.min(60.0)).ok())?
}

#[cfg(test)]
mod tests;
