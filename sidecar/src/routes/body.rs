//! Responses' bodies.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tagalong_runtime::serve::{ConnectionHandle, Lifeline};
use tokio::time::Instant;

use crate::metrics::{Metrics, ScrapeOutcome};
use crate::scrape::{Broken, PipeReader};
use crate::summary::Listing;

/// A few bytes at once, or a scrape as it comes.
#[derive(Debug)]
pub struct Body(Kind);

#[derive(Debug)]
enum Kind {
    Full(Option<Bytes>),
    Scrape(Passing),
    Summary(Listing),
}

impl Body {
    pub(super) fn empty() -> Self {
        Self(Kind::Full(None))
    }

    pub(super) fn full(bytes: Bytes) -> Self {
        Self(Kind::Full(Some(bytes)))
    }

    /// A summary as it is read.
    pub(super) fn summary(listing: Listing) -> Self {
        Self(Kind::Summary(listing))
    }

    /// The rest of a scrape, which must be through by `deadline`.
    pub(super) fn scrape(
        reader: PipeReader,
        metrics: Arc<Metrics>,
        connection: ConnectionHandle,
        deadline: Instant,
    ) -> Self {
        Self(Kind::Scrape(Passing {
            reader,
            metrics,
            deadline,
            _lifeline: Lifeline::until(deadline, connection),
        }))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut self.get_mut().0 {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Scrape(passing) => passing
                .reader
                .poll_next(cx)
                .map(|next| next.map(|bytes| bytes.map(Frame::data))),
            Kind::Summary(listing) => {
                Poll::Ready(listing.next_piece().map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Full(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Scrape(_) | Kind::Summary(_) => SizeHint::default(),
        }
    }
}

/// Tells at its end how it ended.
#[derive(Debug)]
struct Passing {
    reader: PipeReader,
    metrics: Arc<Metrics>,
    deadline: Instant,
    _lifeline: Lifeline,
}

impl Drop for Passing {
    fn drop(&mut self) {
        let outcome = match self.reader.end() {
            Some(Ok(())) if self.reader.is_taken() => ScrapeOutcome::Ok,
            Some(Err(Broken::Kong)) => ScrapeOutcome::KongCutOff,
            Some(Err(Broken::TooSlow)) => ScrapeOutcome::TooSlow,
            Some(Err(Broken::Panic)) => ScrapeOutcome::Panic,
            _ if Instant::now() >= self.deadline => ScrapeOutcome::TimedOut,
            _ => ScrapeOutcome::ReaderGone,
        };
        self.metrics.ended(outcome);
    }
}
