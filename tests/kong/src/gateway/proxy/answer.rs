//! Kong's own error responses, in its wording and layout (`kong/error_handlers.lua`, `kong/pdk/response.lua`).

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, SERVER};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};

use super::headers;
use crate::http::{Body, SERVER_NAME, full};

const JSON: &str = "application/json; charset=utf-8";

/// An answer that no upstream gave.
#[derive(Debug)]
pub(super) struct Own {
    status: StatusCode,
    message: String,
    headers: HeaderMap,
    body: Option<(String, String)>,
    /// Made by Nginx, whose error page is plain text for a client that accepts nothing in particular.
    pub(super) by_nginx: bool,
}

impl Own {
    pub(super) fn new(status: StatusCode, message: &str) -> Self {
        Self {
            status,
            message: message.to_owned(),
            headers: HeaderMap::new(),
            body: None,
            by_nginx: false,
        }
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// This text instead of a message.
    pub(super) fn body(mut self, text: &str, content_type: &str) -> Self {
        self.body = Some((text.to_owned(), content_type.to_owned()));
        self
    }

    pub(super) fn response(self, head: &Parts, request_id: &str, latency: u128) -> Response<Body> {
        let (text, content_type) = match self.body {
            Some(own) => own,
            None if self.by_nginx && wants_text(&head.headers) => (
                format!("{}\nrequest_id: {request_id}\n", self.message),
                "text/plain; charset=utf-8".to_owned(),
            ),
            None => {
                let message = serde_json::Value::String(self.message);
                (
                    format!("{{\n  \"message\":{message},\n  \"request_id\":\"{request_id}\"\n}}"),
                    JSON.to_owned(),
                )
            }
        };
        let length = text.len();
        let mut response = Response::new(full(Bytes::from(text)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.extend(self.headers);
        if let Ok(content_type) = HeaderValue::from_str(&content_type) {
            headers.insert(CONTENT_TYPE, content_type);
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(headers::RESPONSE_LATENCY, headers::number(latency));
        headers.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
        response
    }
}

fn wants_text(headers: &HeaderMap) -> bool {
    match headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()) {
        None => true,
        Some(accept) => accept.starts_with("text/plain"),
    }
}
