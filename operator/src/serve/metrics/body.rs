//! The body of an answer, written as it is sent: never all of it is in memory.

use crate::collect::CollectionReader;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Body, Frame};
use http_body_util::Full;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use tagalong_exposition::merge::Merged;
use tagalong_runtime::serve::Lifeline;

/// Room for a piece, which may exceed its 64 KiB by a line.
const PIECE: usize = 72 * 1024;
/// So much is compressed at once, if not enough comes of it to be sent.
const PIECES: usize = 8;
/// Enough to be sent.
const ENOUGH: usize = 16 * 1024;

/// The body of an answer.
#[derive(Debug)]
pub enum MetricsBody {
    /// A few words.
    Whole(Full<Bytes>),
    /// An exposition.
    Pieces(Box<Pieces>),
}

/// An exposition, and how it is sent.
#[derive(Debug)]
pub struct Pieces {
    merged: Merged,
    /// The compressor, until it has ended; and what is to be compressed.
    gzip: Option<(GzEncoder<Vec<u8>>, Vec<u8>)>,
    ended: bool,
    /// Held until it has been sent.
    reader: Option<CollectionReader>,
    lifeline: Option<Lifeline>,
}

impl Pieces {
    /// `merged`, compressed or not.
    #[must_use]
    pub fn new(merged: Merged, gzip: bool) -> Self {
        let encoder = || {
            let encoder = GzEncoder::new(Vec::new(), Compression::fast());
            (encoder, Vec::with_capacity(PIECE))
        };
        Self {
            merged,
            gzip: gzip.then(encoder),
            ended: false,
            reader: None,
            lifeline: None,
        }
    }

    /// The same, which takes up a collection for as long as it lives, and that is what `lifeline` allows.
    pub(super) fn bounded(mut self, reader: Option<CollectionReader>, lifeline: Lifeline) -> Self {
        (self.reader, self.lifeline) = (reader, Some(lifeline));
        self
    }

    /// What is to be sent next; nothing at the end.
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        if let Some(lifeline) = &self.lifeline {
            lifeline.taken();
        }
        if self.ended {
            return Ok(None);
        }
        let Some((encoder, piece)) = &mut self.gzip else {
            let mut piece = Vec::with_capacity(PIECE);
            self.ended = !self.merged.next(&mut piece);
            return Ok((!piece.is_empty()).then(|| piece.into()));
        };
        for _ in 0..PIECES {
            piece.clear();
            if !self.merged.next(piece) {
                self.ended = true;
                encoder.try_finish()?;
                break;
            }
            encoder.write_all(piece)?;
            if encoder.get_ref().len() >= ENOUGH {
                break;
            }
        }
        let compressed = std::mem::take(encoder.get_mut());
        if compressed.is_empty() && !self.ended {
            return self.next();
        }
        Ok((!compressed.is_empty()).then(|| compressed.into()))
    }
}

impl Body for MetricsBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(body) => {
                let frame = Pin::new(body).poll_frame(context);
                frame.map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
            }
            Self::Pieces(pieces) => {
                let next = pieces.next();
                if let (Some(reader), Ok(Some(data))) = (&pieces.reader, &next) {
                    reader.read(data.len());
                }
                Poll::Ready(next.transpose().map(|data| data.map(Frame::data)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
