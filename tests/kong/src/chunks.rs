//! An exposition in the chunks in which Kong prints it.

use std::convert::Infallible;

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};

use crate::http::Body;

/// Kong prints its exposition in pieces of so many entries; every entry is a line.
const LINES_PER_CHUNK: usize = 100;

/// A body and where Kong would cut it.
pub(crate) struct Exposition {
    bytes: Bytes,
    ends: Vec<usize>,
}

impl Exposition {
    pub(crate) fn new(bytes: Bytes) -> Self {
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

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The chunk of this index, from 0; `None` after the last.
    pub(crate) fn chunk(&self, index: usize) -> Option<Bytes> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(self.bytes.slice(start..end))
    }

    /// All of it, chunk by chunk.
    pub(crate) fn body(self) -> Body {
        let mut index = 0;
        let chunks = std::iter::from_fn(move || {
            index += 1;
            self.chunk(index - 1)
        });
        let frames = stream::iter(chunks.map(|chunk| Ok::<_, Infallible>(Frame::data(chunk))));
        StreamBody::new(frames)
            .map_err(|never| match never {})
            .boxed_unsync()
    }
}
