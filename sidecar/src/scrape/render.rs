//! Kong's bytes in the forms that a flight's readers asked for.

use std::io::{self, Write as _};
use std::mem;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tagalong_exposition::{Keep, LabelTable, Options, Rewriter, Stats};

/// One selection of samples as it streams by, plain and, if wanted, compressed. Both are made once, however many read.
pub(super) struct Rendering {
    rewriter: Rewriter,
    plain: Vec<u8>,
    /// The size of the last piece, which the next one will be like.
    usual: usize,
    ends_line: bool,
    gzip: Option<GzEncoder<Vec<u8>>>,
}

/// What became of a chunk.
pub(super) struct Piece {
    pub(super) plain: Bytes,
    /// Empty as long as the compressor keeps what it got.
    pub(super) gzip: Bytes,
}

impl Rendering {
    pub(super) fn new(keep: Keep, gzip: bool) -> Self {
        Self {
            rewriter: Rewriter::new(Options {
                keep,
                ..Options::default()
            }),
            plain: Vec::new(),
            usual: 0,
            ends_line: true,
            // The fastest level: the body shrinks twentyfold already, and Kong's pod has better use for its CPU.
            gzip: gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast())),
        }
    }

    pub(super) fn push(&mut self, table: &LabelTable, chunk: &[u8]) -> io::Result<Piece> {
        self.plain
            .reserve_exact((self.usual + self.usual / 8).max(chunk.len()));
        self.rewriter.push(table, chunk, &mut self.plain);
        self.piece(false)
    }

    /// Kong's body has ended well. What `write` appends follows it, from a new line.
    pub(super) fn finish(
        &mut self,
        table: &LabelTable,
        write: impl FnOnce(Stats, &mut Vec<u8>),
    ) -> io::Result<Piece> {
        self.rewriter.finish(table, &mut self.plain);
        let stats = self.rewriter.stats();
        let mut own = Vec::new();
        write(stats, &mut own);
        if !own.is_empty() {
            if !self
                .plain
                .last()
                .map_or(self.ends_line, |last| *last == b'\n')
            {
                self.plain.push(b'\n');
            }
            self.plain.append(&mut own);
        }
        self.piece(true)
    }

    pub(super) fn stats(&self) -> Stats {
        self.rewriter.stats()
    }

    fn piece(&mut self, last: bool) -> io::Result<Piece> {
        let plain = mem::take(&mut self.plain);
        self.usual = plain.len();
        if let Some(byte) = plain.last() {
            self.ends_line = *byte == b'\n';
        }
        let mut zipped = Vec::new();
        if let Some(gzip) = &mut self.gzip {
            gzip.write_all(&plain)?;
            if last {
                gzip.try_finish()?;
            }
            zipped = mem::take(gzip.get_mut());
        }
        Ok(Piece {
            plain: Bytes::from(plain),
            gzip: Bytes::from(zipped),
        })
    }
}
