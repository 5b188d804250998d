//! `/metrics`: the operator's own, and, of the replica that holds the lease, those of all sidecars.

use crate::collect::Collector;
use crate::metrics::Metrics;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, VARY,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use std::io::Write as _;
use std::time::Duration;
use tagalong_exposition::merge::Format;
use tagalong_runtime::admin::{OPENMETRICS, text};
use tagalong_runtime::lease::Writes;

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
    pub async fn answer<B>(self, request: Request<B>) -> Response<Full<Bytes>> {
        if request.uri().path() != "/metrics" {
            return text(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        }
        let open = accepts(request.headers(), &ACCEPT, "application/openmetrics-text");
        let format = if open {
            Format::OpenMetrics
        } else {
            Format::Text
        };
        let body = match &self.collector {
            Some((collector, lease)) if lease.allowed() => {
                let own = self.metrics.plain();
                match collector
                    .collect(own, format, timeout(request.headers()))
                    .await
                {
                    Some(collected) => collected.to_vec(),
                    None => {
                        let why = "the collection that is under way takes longer than you wait\n";
                        return text(StatusCode::SERVICE_UNAVAILABLE, why);
                    }
                }
            }
            _ if open => self.metrics.encode().into_bytes(),
            _ => self.metrics.plain().into_bytes(),
        };
        let gzip = accepts(request.headers(), &ACCEPT_ENCODING, "gzip");
        respond(body, if open { OPEN } else { TEXT }, gzip)
    }
}

fn respond(body: Vec<u8>, kind: HeaderValue, gzip: bool) -> Response<Full<Bytes>> {
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
    response.headers_mut().insert(CONTENT_TYPE, kind);
    let vary = HeaderValue::from_static("accept, accept-encoding");
    response.headers_mut().insert(VARY, vary);
    response
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
