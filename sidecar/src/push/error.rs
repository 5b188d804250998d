//! Why there is no stream.

use std::io;
use std::time::Duration;

use http::StatusCode;
use tagalong_wire::contract::CA_CONFIG_MAP;
use tagalong_wire::{ParseError, Resync, TooLong};
use thiserror::Error;

use crate::memory::TooLarge;
use crate::table::LoadError;

/// Why a stream could not be opened, or ended.
#[derive(Debug, Error)]
pub enum StreamError {
    /// There is no token to show.
    #[error("cannot read the token {0}")]
    Token(String),
    /// There are no CA certificates to check the operator by.
    #[error(
        "cannot read the operator's CA certificates {0}; the operator writes them into ConfigMap {CA_CONFIG_MAP}"
    )]
    Ca(String),
    /// Nobody answers, or not with a TLS that we trust.
    #[error("cannot connect to the operator: {why}")]
    Connect {
        /// What kind of failure.
        kind: &'static str,
        /// The system's or TLS' own words.
        why: String,
    },
    /// No HTTP/2, or no longer.
    #[error("the operator's stream failed: {0}")]
    Http(String),
    /// Another answer than 200, and what it says.
    #[error("the operator answered {0}: {1}")]
    Status(StatusCode, String),
    /// The operator closed the stream.
    #[error("the operator ended the stream")]
    Ended,
    /// Not even a heartbeat came.
    #[error("the operator said nothing for {0:?}")]
    Silent(Duration),
    /// A message is too long.
    #[error("the operator sent too much: {0}")]
    TooLong(#[from] TooLong),
    /// A message cannot be read.
    #[error("the operator sent a message that cannot be read: {0}")]
    Message(#[from] ParseError),
    /// There is no room for the whole table.
    #[error("the operator sent too many labels: {0}")]
    TooLarge(TooLarge),
    /// There is no room for a change, and perhaps for what it makes.
    #[error("the operator sent too large a change of labels, all are asked for anew: {0}")]
    Change(TooLarge),
    /// A message does not fit the table.
    #[error("out of step with the operator: {0}")]
    Resync(Resync),
}

/// What kind of failure, and the status where it is one. Words may differ each time: an expired certificate's tell the time,
/// a proxy's answer the number of the request.
pub(super) type Cause = (&'static str, u16);

impl StreamError {
    /// What happened on the way to the operator.
    pub(super) fn connect(error: &io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
        let kind = tls.map_or_else(|| of_io(error.kind()), of_tls);
        Self::Connect {
            kind,
            why: error.to_string(),
        }
    }

    /// What kind of failure this is.
    pub(super) fn cause(&self) -> Cause {
        let kind = match self {
            Self::Token(_) => "token",
            Self::Ca(_) => "ca",
            Self::Connect { kind, .. } => kind,
            Self::Http(_) => "http",
            Self::Status(status, _) => return ("status", status.as_u16()),
            Self::Ended => "ended",
            Self::Silent(_) => "silent",
            Self::TooLong(_) => "too long",
            Self::Message(_) => "message",
            Self::TooLarge(_) => "too large",
            Self::Change(_) => "too large a change",
            Self::Resync(_) => "resync",
        };
        (kind, 0)
    }

    /// Whether an update of the table came and was refused.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::TooLong(_) | Self::Message(_) | Self::TooLarge(_) | Self::Change(_)
        )
    }

    /// Whether the next stream will most likely bring the same, which is a burden for the operator.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self, Self::TooLarge(_))
    }
}

fn of_io(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused => "refused",
        io::ErrorKind::ConnectionReset => "reset",
        io::ErrorKind::TimedOut => "timed out",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "unreachable",
        _ => "connection",
    }
}

fn of_tls(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => "expired",
        rustls::Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            "not yet valid"
        }
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer) => "unknown issuer",
        rustls::Error::InvalidCertificate(
            Bad::NotValidForName | Bad::NotValidForNameContext { .. },
        ) => "another name",
        rustls::Error::InvalidCertificate(_) => "certificate",
        _ => "TLS",
    }
}

impl From<LoadError> for StreamError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Parse(error) => Self::Message(error),
            LoadError::TooLarge(error) => Self::TooLarge(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::CertificateError;
    use rustls::pki_types::UnixTime;

    fn tls(error: CertificateError) -> StreamError {
        let error = rustls::Error::InvalidCertificate(error);
        StreamError::connect(&io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn an_expired_certificate_is_one_cause_whatever_the_time() {
        let expired = |seconds| {
            let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            tls(CertificateError::ExpiredContext {
                time: at(seconds),
                not_after: at(0),
            })
        };
        let (one, other) = (expired(1), expired(2));
        assert_ne!(one.to_string(), other.to_string());
        assert_eq!(one.cause(), other.cause());
        assert_ne!(one.cause(), tls(CertificateError::UnknownIssuer).cause());
    }

    #[test]
    fn a_proxys_words_are_no_cause_and_its_status_is() {
        let answered = |status, words: &str| StreamError::Status(status, words.into()).cause();
        let (bad, busy) = (StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answered(busy, "request 1"), answered(busy, "request 2"));
        assert_ne!(answered(busy, "request 1"), answered(bad, "request 1"));
        let refused = StreamError::connect(&io::ErrorKind::ConnectionRefused.into());
        let reset = StreamError::connect(&io::ErrorKind::ConnectionReset.into());
        assert_ne!(refused.cause(), reset.cause());
    }
}
