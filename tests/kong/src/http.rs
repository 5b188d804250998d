//! What all responses of Kong's own listeners have in common.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, SERVER,
};
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};

/// Kong's version, as the captures' `Server` header has it.
pub(crate) const SERVER_NAME: &str = "kong/3.9.1";

/// The version alone.
pub(crate) const VERSION: &str = "3.9.1";

/// Why a body ends before its end: told to, or its source failed. The connection is then closed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BodyError(String);

impl BodyError {
    pub(crate) fn new(reason: impl std::fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// Any answer's body.
pub(crate) type Body = UnsyncBoxBody<Bytes, BodyError>;

/// A body that is there already.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

/// The headers that Kong's Admin and Status API put on each answer, in its order; hyper adds `Date`.
pub(crate) fn api_headers(content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        HeaderName::from_static("x-kong-admin-latency"),
        HeaderValue::from_static("6"),
    );
    headers.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
    headers
}

/// What Nginx says about the connection after this request.
pub(crate) fn persistence<B>(request: &Request<B>) -> HeaderValue {
    let asked = request
        .headers()
        .get(CONNECTION)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let keep = match request.version() {
        Version::HTTP_10 => asked.eq_ignore_ascii_case(b"keep-alive"),
        _ => !asked.eq_ignore_ascii_case(b"close"),
    };
    HeaderValue::from_static(if keep { "keep-alive" } else { "close" })
}

/// An exposition as Kong's Status API sends it.
pub(crate) fn metrics(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.headers_mut() = api_headers("text/plain; charset=UTF-8");
    response
}

/// A JSON answer of Kong's Admin or Status API.
pub(crate) fn json(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    *response.headers_mut() = api_headers("application/json; charset=utf-8");
    response
}

/// The answer `{"message": …}`, in Kong's own words.
pub(crate) fn message(status: StatusCode, text: &str) -> Response<Body> {
    json(status, serde_json::json!({ "message": text }).to_string())
}

/// An unknown path.
pub(crate) fn not_found() -> Response<Body> {
    message(StatusCode::NOT_FOUND, "Not found")
}

/// A known path, asked with a method it does not have.
pub(crate) fn method_not_allowed() -> Response<Body> {
    message(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
}

/// What Kong answers when a handler throws.
pub(crate) fn internal_error() -> Response<Body> {
    message(
        StatusCode::INTERNAL_SERVER_ERROR,
        "An unexpected error occurred",
    )
}
