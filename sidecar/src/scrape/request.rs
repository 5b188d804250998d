//! What is asked for, and what comes back.

use http::HeaderValue;
use tagalong_exposition::Keep;
use tagalong_runtime::serve::ConnectionHandle;
use thiserror::Error;
use tokio::sync::oneshot;

use super::pipe::PipeReader;
use crate::kong::KongError;

/// What a request wants of the scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Which samples.
    pub keep: Keep,
    /// Whether compressed.
    pub gzip: bool,
}

/// A body that has begun.
#[derive(Debug)]
pub struct ScrapeAnswer {
    /// Kong's own content type.
    pub content_type: HeaderValue,
    /// What was asked for, as it comes.
    pub body: PipeReader,
}

/// Why there is no body.
#[derive(Clone, Debug, Error)]
pub enum ScrapeError {
    /// Kong has none.
    #[error(transparent)]
    Kong(#[from] KongError),
    /// A bug of ours; the log has more.
    #[error("the sidecar failed at this scrape; its log says where")]
    Panic,
}

/// A request that waits for its flight.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) want: Want,
    pub(super) connection: ConnectionHandle,
    pub(super) answer: oneshot::Sender<Result<ScrapeAnswer, ScrapeError>>,
}
