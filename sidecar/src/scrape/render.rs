//! Kong's bytes as a flight's readers asked for them.

use std::mem;

use bytes::Bytes;
use tagalong_exposition::{AmbiguousNames, Keep, LabelTable, Observer, Options, Rewriter, Stats};

/// One selection of samples as it streams by. Made once, however many read.
pub(super) struct Rendering {
    rewriter: Rewriter,
    out: Vec<u8>,
    /// The size of the last piece, which the next one will be like.
    usual: usize,
    ends_line: bool,
}

impl Rendering {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            rewriter: Rewriter::new(Options {
                keep,
                ..Options::default()
            }),
            out: Vec::new(),
            usual: 0,
            ends_line: true,
        }
    }

    /// Takes the next bytes of Kong's, and adds to the piece.
    pub(super) fn push(&mut self, table: &LabelTable, chunk: &[u8], observer: &mut impl Observer) {
        if self.out.is_empty() {
            self.out
                .reserve_exact((self.usual + self.usual / 8).max(chunk.len()));
        }
        self.rewriter
            .push_observed(table, chunk, &mut self.out, observer);
    }

    /// How many bytes the piece has.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// The piece, and begins the next.
    pub(super) fn take(&mut self) -> Bytes {
        let piece = mem::take(&mut self.out);
        self.usual = piece.len();
        if let Some(last) = piece.last() {
            self.ends_line = *last == b'\n';
        }
        Bytes::from(piece)
    }

    /// Kong's body has ended well. What `write` appends follows it, from a new line.
    pub(super) fn finish(
        &mut self,
        table: &LabelTable,
        observer: &mut impl Observer,
        write: impl FnOnce(Stats, &AmbiguousNames, &mut Vec<u8>),
    ) {
        self.rewriter
            .finish_observed(table, &mut self.out, observer);
        let mut own = Vec::new();
        write(self.rewriter.stats(), self.rewriter.ambiguous(), &mut own);
        if !own.is_empty() {
            let last = self.out.last().copied();
            if !last.map_or(self.ends_line, |last| last == b'\n') {
                self.out.push(b'\n');
            }
            self.out.append(&mut own);
        }
    }

    pub(super) fn stats(&self) -> Stats {
        self.rewriter.stats()
    }
}
