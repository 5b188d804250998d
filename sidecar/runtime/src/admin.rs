//! `/healthz`, `/readyz` and, where the process has no other port for them, `/metrics`.

use crate::readiness::Readiness;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use std::sync::Arc;

/// Writes the process's own metrics in the OpenMetrics text format.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// What `prometheus-client` writes.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers the admin port.
#[derive(Clone)]
pub struct Admin {
    readiness: Readiness,
    metrics: Option<MetricsText>,
}

impl Admin {
    /// Answers from `readiness`.
    #[must_use]
    pub fn new(readiness: Readiness) -> Self {
        Self {
            readiness,
            metrics: None,
        }
    }

    /// Answers `/metrics` too.
    #[must_use]
    pub fn with_metrics(mut self, metrics: MetricsText) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// The answer to one request.
    pub fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return only("GET, HEAD");
        }
        match request.uri().path() {
            "/healthz" | "/livez" => text(StatusCode::OK, "ok\n"),
            "/readyz" => match self.readiness.missing() {
                missing if missing.is_empty() => text(StatusCode::OK, "ready\n"),
                missing => text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    format!("waiting for {}\n", missing.join(", ")),
                ),
            },
            "/metrics" => match &self.metrics {
                Some(metrics) => {
                    let mut response = text(StatusCode::OK, metrics());
                    response.headers_mut().insert(
                        header::CONTENT_TYPE,
                        header::HeaderValue::from_static(OPENMETRICS),
                    );
                    response
                }
                None => text(StatusCode::NOT_FOUND, "no metrics on this port\n"),
            },
            _ => text(StatusCode::NOT_FOUND, "try /healthz or /readyz\n"),
        }
    }
}

/// The answer to a request of any other method than these, as they stand in `Allow` (RFC 9110 §15.5.6).
#[must_use]
pub fn only(methods: &'static str) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format!("only {methods}\n"));
    let allow = header::HeaderValue::from_static(methods);
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

/// A plain text answer.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

#[cfg(test)]
mod tests;
