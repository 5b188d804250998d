//! The answer to whoever asks for a summary.
//!
//! It is written piece by piece as the reader takes it, so that no reader makes the sidecar hold a copy of its own. Should
//! Kong be looked at meanwhile, the answer breaks off, never ended cleanly, since its first half would be of another look
//! than its second.

use std::sync::Arc;

use bytes::Bytes;
use tagalong_wire::SUMMARY_END;

use super::summaries::Summaries;
use crate::scrape::Broken;

/// How much is written at once, in bytes.
const PIECE: usize = 16 << 10;

/// What there is to answer.
#[derive(Debug)]
pub enum SummaryAnswer {
    /// What the reader has is what there is: the look as JSON.
    Unchanged(Vec<u8>),
    /// The summary.
    Whole(Listing),
}

/// A summary as it is read.
#[derive(Debug)]
pub struct Listing {
    summaries: Arc<Summaries>,
    /// The look that it tells of.
    epoch: String,
    sequence: u64,
    head: Vec<u8>,
    /// The next Service; none behind the end.
    at: Option<usize>,
}

impl Summaries {
    /// The answer for a reader who has the summary of this tag, and its own tag; none if Kong was never looked at.
    pub fn answer(self: &Arc<Self>, has: Option<&str>) -> Option<(String, SummaryAnswer)> {
        let state = self.state.lock();
        let epoch = state.epoch.as_ref()?;
        let look = epoch.look(state.pace)?;
        let tag = format!("\"{}-{}\"", epoch.name, epoch.ledger.changed);
        let mut head = Vec::new();
        if has == Some(&tag) {
            look.write(&mut head);
            return Some((tag, SummaryAnswer::Unchanged(head)));
        }
        look.begin_summary(&mut head);
        let listing = Listing {
            summaries: Arc::clone(self),
            epoch: look.epoch,
            sequence: look.sequence,
            head,
            at: Some(0),
        };
        Some((tag, SummaryAnswer::Whole(listing)))
    }
}

impl Listing {
    /// The next piece; none at the end.
    ///
    /// # Errors
    /// Kong was looked at meanwhile.
    pub fn next_piece(&mut self) -> Option<Result<Bytes, Broken>> {
        let from = self.at?;
        let state = self.summaries.state.lock();
        let same = state
            .epoch
            .as_ref()
            .filter(|epoch| epoch.name == self.epoch && epoch.ledger.sequence == self.sequence);
        let Some(epoch) = same else {
            self.at = None;
            return Some(Err(Broken::Renewed));
        };
        let mut piece = std::mem::take(&mut self.head);
        for (at, (namespace, name, totals)) in (from..).zip(epoch.ledger.services.from(from)) {
            if piece.len() >= PIECE {
                self.at = Some(at);
                return Some(Ok(piece.into()));
            }
            totals.write(namespace, name, at == 0, &mut piece);
        }
        piece.extend_from_slice(SUMMARY_END);
        self.at = None;
        Some(Ok(piece.into()))
    }
}
