//! A body in Kong's chunks.

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::time::{Duration, sleep};

use super::Behaviour;
use super::count::Scrape;
use crate::http::{Body, BodyError};

/// Kong prints its exposition in pieces of so many entries; every entry is a line.
const LINES_PER_CHUNK: usize = 100;

/// A body and where Kong would cut it.
pub(super) struct Exposition {
    bytes: Bytes,
    ends: Vec<usize>,
}

impl Exposition {
    pub(super) fn new(bytes: Bytes) -> Self {
        let lines = memchr::memchr_iter(b'\n', &bytes).map(|newline| newline + 1);
        let mut ends: Vec<usize> = lines
            .skip(LINES_PER_CHUNK - 1)
            .step_by(LINES_PER_CHUNK)
            .collect();
        if ends.last() != Some(&bytes.len()) && !bytes.is_empty() {
            ends.push(bytes.len());
        }
        Self { bytes, ends }
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn chunk(&self, index: usize) -> Option<Bytes> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(self.bytes.slice(start..end))
    }
}

/// The exposition, chunk by chunk, as `behaviour` wants it. `scrape` ends with it.
pub(super) fn replay(
    exposition: std::sync::Arc<Exposition>,
    behaviour: &Behaviour,
    scrape: Scrape,
) -> Body {
    let Behaviour {
        chunk_delay,
        cut_after,
        hang_after,
        ..
    } = *behaviour;
    let limit = cut_after.or(hang_after).unwrap_or(usize::MAX);
    let chunks = stream::unfold((0, 0, scrape), move |(index, sent, scrape)| {
        let exposition = exposition.clone();
        async move {
            if index > 0 && chunk_delay > Duration::ZERO {
                sleep(chunk_delay).await;
            }
            if sent < limit
                && let Some(chunk) = exposition.chunk(index)
            {
                let chunk = chunk.slice(..chunk.len().min(limit - sent));
                let sent = sent + chunk.len();
                return Some((Ok(Frame::data(chunk)), (index + 1, sent, scrape)));
            }
            if cut_after.is_some() {
                // hyper drops what it has not flushed when a body fails; give it a moment to flush.
                sleep(Duration::from_millis(50)).await;
                let error = BodyError::from("told to cut the body off");
                return Some((Err(error), (index, sent, scrape)));
            }
            if hang_after.is_some() {
                std::future::pending::<()>().await;
            }
            None
        }
    });
    StreamBody::new(chunks).boxed_unsync()
}
