//! Why there is no stream.

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
    #[error("cannot connect to the operator: {0}")]
    Connect(String),
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

impl StreamError {
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

impl From<LoadError> for StreamError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Parse(error) => Self::Message(error),
            LoadError::TooLarge(error) => Self::TooLarge(error),
        }
    }
}
