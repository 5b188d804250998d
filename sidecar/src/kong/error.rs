//! Why a scrape of Kong gives nothing.

use http::StatusCode;
use thiserror::Error;

/// Why there is no body of metrics. The first field is always the URL that was asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KongError {
    /// Nobody answers there, or not with a TLS that we can speak.
    #[error("cannot connect to Kong at {0}: {1}; is its status listener on (KONG_STATUS_LISTEN)?")]
    Connect(String, String),
    /// Somebody answers, but with no HTTP response.
    #[error("Kong at {0} sent no HTTP response: {1}")]
    Http(String, String),
    /// Another status than 200.
    #[error(
        "Kong at {0} answered {1}; see Kong's own log, or whether its prometheus plugin is loaded"
    )]
    Status(String, StatusCode),
    /// A 200, but no text exposition.
    #[error(
        "Kong at {0} answered with {1}, which is no text exposition; is this the URL of Kong's metrics?"
    )]
    NotText(String, String),
}
