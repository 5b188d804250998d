//! Answers that are errors: a `Status`, whose message an HPA shows word for word (in its condition, its Event and
//! `kubectl describe`). Never with `Retry-After`: an HPA would ask ten times in as many seconds, and other HPAs wait for it.

use bytes::Bytes;
use http::StatusCode;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http_body_util::Full;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;

/// The type of every answer's body.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denial {
    /// The status of the answer.
    pub status: StatusCode,
    /// Why, and what to do about it.
    pub message: String,
}

impl Denial {
    /// An answer with this status and these words.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// It is not known now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// As `reason` of a `Status` (`apimachinery/pkg/apis/meta/v1/types.go`).
    fn reason(&self) -> &'static str {
        match self.status {
            StatusCode::BAD_REQUEST => "BadRequest",
            StatusCode::UNAUTHORIZED => "Unauthorized",
            StatusCode::FORBIDDEN => "Forbidden",
            StatusCode::NOT_FOUND => "NotFound",
            StatusCode::METHOD_NOT_ALLOWED => "MethodNotAllowed",
            StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
            _ => "InternalError",
        }
    }

    /// The answer.
    #[must_use]
    pub fn answer(&self) -> http::Response<Full<Bytes>> {
        let status = Status {
            code: Some(self.status.as_u16().into()),
            message: Some(self.message.clone()),
            reason: Some(self.reason().to_owned()),
            status: Some("Failure".to_owned()),
            ..Status::default()
        };
        // It has but texts and numbers: that it cannot be written does not happen.
        let body = serde_json::to_vec(&status).unwrap_or_default();
        let mut answer = http::Response::new(Full::new(Bytes::from(body)));
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET"));
        }
        answer
    }
}
