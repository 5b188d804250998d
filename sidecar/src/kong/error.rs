//! Why a scrape of Kong gives nothing.

use http::StatusCode;
use thiserror::Error;

/// Why there is no body of metrics. The first field is always the URL that was asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KongError {
    /// Nobody answers there.
    #[error("cannot connect to Kong at {0}: {1}; is its status listener on (KONG_STATUS_LISTEN)?")]
    Connect(String, String),
    /// Somebody answers, but not with a TLS that we can speak.
    #[error(
        "no TLS with Kong at {0}: {1}; known are TLS 1.2 and 1.3, with a key of RSA, ECDSA or Ed25519 (is that port one of KONG_STATUS_LISTEN with `ssl`?)"
    )]
    Tls(String, String),
    /// Somebody answers, but with no HTTP response.
    #[error("Kong at {0} sent no HTTP response: {1}")]
    Http(String, String),
    /// Another status than 200.
    #[error(
        "Kong at {0} answered {1}; see Kong's own log, or whether its prometheus plugin is loaded"
    )]
    Status(String, StatusCode),
    /// What is asked for is elsewhere.
    #[error(
        "Kong at {0} answered {1} and sends to {2}; if Kong's metrics are there, give that URL"
    )]
    Redirect(String, StatusCode, String),
    /// A 400 to plain HTTP.
    #[error("Kong at {0} answered {1}; if that port speaks TLS, the URL must begin with https://")]
    PlainHttp(String, StatusCode),
    /// A 200, but no text exposition.
    #[error(
        "Kong at {0} answered with {1}, which is no text exposition; is this the URL of Kong's metrics?"
    )]
    NotText(String, String),
}
