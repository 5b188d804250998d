//! `/metrics`: the operator's own.

use crate::metrics::Metrics;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tagalong_runtime::admin::{OPENMETRICS, text};

/// The answer to one request.
pub async fn answer<B>(metrics: Metrics, request: Request<B>) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        return text(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    }
    let mut response = text(StatusCode::OK, metrics.encode());
    let openmetrics = HeaderValue::from_static(OPENMETRICS);
    response.headers_mut().insert(CONTENT_TYPE, openmetrics);
    response
}
