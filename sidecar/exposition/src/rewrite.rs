//! The rewriter: chunks in, chunks out.

use memchr::{memchr, memrchr};

use crate::family::{is_eof, metadata};
use crate::grammar::{at, blanks};
use crate::held::Held;
use crate::opening::Opening;
use crate::options::{Keep, Options, Stats};
use crate::prefetch::ahead;
use crate::quotes::Quotes;
use crate::run::{REST, follows};
use crate::sample::{Reader, Sample, Verdict};
use crate::table::LabelTable;

/// Rewrites one exposition as it streams by. See the [crate's documentation](crate) for what becomes of a line.
///
/// It holds at most one unfinished line between two calls, and allocates only until its buffers have grown to what the
/// lines need.
///
/// ```
/// use tagalong_exposition::{LabelTable, Options, Rewriter};
///
/// let table = LabelTable::builder().service("httproute.default.echo.0", "default", "echo").build();
/// let mut rewriter = Rewriter::new(Options::default());
/// let mut out = Vec::new();
/// for chunk in [&b"kong_http_requests_total{service=\"httproute.def"[..], b"ault.echo.0\",code=\"200\"} 3\n"] {
///     rewriter.push(&table, chunk, &mut out);
/// }
/// rewriter.finish(&table, &mut out);
/// assert_eq!(
///     String::from_utf8_lossy(&out),
///     "kong_http_requests_total{namespace=\"default\",service=\"echo\",kubernetes_apiversion=\"v1\",\
///      kubernetes_kind=\"service\",kubernetes_name=\"echo\",kubernetes_namespace=\"default\",\
///      kong_service=\"httproute.default.echo.0\",code=\"200\"} 3\n",
/// );
/// assert_eq!(rewriter.stats().enriched, 1);
/// ```
#[derive(Debug)]
pub struct Rewriter {
    options: Options,
    stats: Stats,
    /// The unfinished line at the end of the last chunk, if it is not yet over-long.
    carry: Vec<u8>,
    /// The line that is just passing is over-long; its quotes so far.
    passing: Option<Quotes>,
    /// The last line ended inside a quoted value.
    open: Option<Quotes>,
    held: Held,
}

impl Rewriter {
    /// A rewriter for one exposition.
    ///
    /// ```
    /// use tagalong_exposition::{Options, Rewriter};
    ///
    /// let rewriter = Rewriter::new(Options { max_line: 4096, ..Options::default() });
    /// assert_eq!(rewriter.stats().lines, 0);
    /// ```
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            stats: Stats::default(),
            carry: Vec::new(),
            passing: None,
            open: None,
            held: Held::default(),
        }
    }

    /// Takes the next bytes of the exposition, cut anywhere, and appends to `out` what is ready.
    ///
    /// Where the input is cut makes no difference to the output as a whole. The table may be another one at each call;
    /// a line is looked up in the table of the call that brings its end.
    ///
    /// ```
    /// use tagalong_exposition::{LabelTable, Options, Rewriter};
    ///
    /// let mut out = Vec::new();
    /// Rewriter::new(Options::default()).push(&LabelTable::default(), b"up 1\nunfini", &mut out);
    /// assert_eq!(out, b"up 1\n");
    /// ```
    pub fn push(&mut self, table: &LabelTable, chunk: &[u8], out: &mut Vec<u8>) {
        let before = out.len();
        self.stats.bytes_in += chunk.len() as u64;
        self.cut(table, chunk, out);
        self.stats.bytes_out += (out.len() - before) as u64;
    }

    /// The exposition has ended: appends what is left of it, a last line without a line feed.
    ///
    /// Do not call it for a body that was cut off, whose last line may be half a number.
    ///
    /// ```
    /// use tagalong_exposition::{LabelTable, Options, Rewriter};
    ///
    /// let table = LabelTable::default();
    /// let mut rewriter = Rewriter::new(Options::default());
    /// let mut out = Vec::new();
    /// rewriter.push(&table, b"up 1", &mut out);
    /// assert!(out.is_empty());
    /// rewriter.finish(&table, &mut out);
    /// assert_eq!(out, b"up 1");
    /// ```
    pub fn finish(&mut self, table: &LabelTable, out: &mut Vec<u8>) {
        if self.passing.take().is_some() {
            self.stats.lines += 1;
            self.stats.over_long += 1;
        }
        if !self.carry.is_empty() {
            let before = out.len();
            let mut line = std::mem::take(&mut self.carry);
            line.push(b'\n');
            self.lines(table, &line, out);
            // A line that was left out left no line feed to take back.
            if out.len() > before {
                out.pop();
            }
            self.stats.bytes_out += (out.len() - before) as u64;
            line.clear();
            self.carry = line;
        }
        self.open = None;
    }

    /// What has been seen so far.
    ///
    /// ```
    /// use tagalong_exposition::{LabelTable, Options, Rewriter};
    ///
    /// let mut rewriter = Rewriter::new(Options::default());
    /// rewriter.push(&LabelTable::default(), b"a{service=\"b\"} 1\n# comment\nnonsense\n", &mut Vec::new());
    /// let stats = rewriter.stats();
    /// assert_eq!((stats.lines, stats.samples, stats.unknown, stats.unparsed), (3, 1, 1, 1));
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Cuts the chunk into the end of the carried line, whole lines, and a new beginning to carry.
    fn cut(&mut self, table: &LabelTable, chunk: &[u8], out: &mut Vec<u8>) {
        let mut rest = chunk;
        if self.passing.is_some() || !self.carry.is_empty() {
            let Some(end) = memchr(b'\n', chunk) else {
                return self.carry_on(chunk, out);
            };
            let (line_end, after) = chunk.split_at(end + 1);
            rest = after;
            self.carry_on(&line_end[..end], out);
            if let Some(quotes) = self.passing.take() {
                self.pass_end(quotes, out);
            } else {
                let mut line = std::mem::take(&mut self.carry);
                line.push(b'\n');
                self.lines(table, &line, out);
                line.clear();
                self.carry = line;
            }
        }
        let whole = memrchr(b'\n', rest).map_or(0, |end| end + 1);
        let (block, beginning) = rest.split_at(whole);
        self.lines(table, block, out);
        self.carry_on(beginning, out);
    }

    /// Takes a piece of a line that holds no line feed.
    fn carry_on(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if self.passing.is_none() && self.carry.len() + piece.len() > self.options.max_line {
            let carry = std::mem::take(&mut self.carry);
            self.passing = Some(self.open.take().unwrap_or_default());
            self.pass(&carry, out);
            self.carry = carry;
            self.carry.clear();
        }
        if self.passing.is_some() {
            self.pass(piece, out);
        } else {
            self.carry.extend_from_slice(piece);
        }
    }

    /// Passes a piece of an over-long line.
    fn pass(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if let Some(quotes) = &mut self.passing {
            quotes.feed(piece);
        }
        if self.options.keep == Keep::All {
            out.extend_from_slice(piece);
        }
    }

    /// Passes the line feed of an over-long line.
    fn pass_end(&mut self, mut quotes: Quotes, out: &mut Vec<u8>) {
        self.stats.lines += 1;
        self.stats.over_long += 1;
        quotes.feed(b"\n");
        self.open = quotes.open().then_some(quotes);
        if self.options.keep == Keep::All {
            out.push(b'\n');
        }
    }

    /// Rewrites whole lines.
    fn lines(&mut self, table: &LabelTable, block: &[u8], out: &mut Vec<u8>) {
        let mut splice = Splice {
            block,
            copied: 0,
            out,
        };
        let mut reader = Reader::new(block, table);
        let mut start = 0;
        while start < block.len() {
            ahead(block, start);
            let sample = if self.open.is_some() {
                None
            } else {
                reader.sample(start)
            };
            match sample {
                Some(sample) if sample.end - start - 1 <= self.options.max_line => {
                    self.sample(start, sample, &mut splice);
                    start = match (sample.verdict, reader.head()) {
                        (Verdict::Enrich { labels, .. }, Some(like)) => {
                            self.run(start, sample.end, like, labels.len(), &mut splice)
                        }
                        _ => sample.end,
                    };
                }
                _ => start = self.other(start, &mut splice),
            }
        }
        splice.copy_to(block.len());
    }

    #[inline]
    fn sample(&mut self, start: usize, sample: Sample<'_>, splice: &mut Splice<'_, '_>) {
        self.stats.lines += 1;
        self.stats.samples += 1;
        match sample.verdict {
            Verdict::Enrich { at, labels } => {
                self.stats.enriched += 1;
                if self.options.keep == Keep::Enriched {
                    splice.copy_to(start);
                    self.held.release(splice.block, start, splice.out);
                }
                return splice.insert(at, labels);
            }
            Verdict::Labelled => self.stats.already_labelled += 1,
            Verdict::Unknown => self.stats.unknown += 1,
            Verdict::Other => {}
        }
        if self.options.keep == Keep::Enriched {
            splice.leave_out(start, sample.end);
        }
    }

    /// The sample from `first` to `start` was enriched: does the same to the lines that follow, as far as they only
    /// differ at their end, and returns where the next one starts.
    #[inline]
    fn run(
        &mut self,
        first: usize,
        start: usize,
        (head, opening): (&[u8], Opening),
        added: usize,
        splice: &mut Splice<'_, '_>,
    ) -> usize {
        if head.len() + REST > self.options.max_line {
            return start;
        }
        let Some((mut len, mut rest)) = follows(splice.block, start, head, opening) else {
            return start;
        };
        splice.copy_to(start);
        let rewritten = splice.out.len() - (start - first) - added;
        let rewritten = rewritten..rewritten + head.len() + added;
        let mut start = start;
        let mut lines = 0;
        loop {
            ahead(splice.block, start);
            splice.out.extend_from_within(rewritten.clone());
            // A copy of fixed length is a few instructions; one of the exact length is a call.
            splice.out.extend_from_slice(rest);
            splice.out.truncate(splice.out.len() - (REST - len));
            start += head.len() + len;
            lines += 1;
            match follows(splice.block, start, head, opening) {
                Some(next) => (len, rest) = next,
                None => break,
            }
        }
        splice.copied = start;
        self.stats.lines += lines;
        self.stats.samples += lines;
        self.stats.enriched += lines;
        start
    }

    /// Deals with a line that is not a sample, and returns where the next one starts.
    #[cold]
    fn other(&mut self, start: usize, splice: &mut Splice<'_, '_>) -> usize {
        let rest = splice.block.get(start..).unwrap_or_default();
        let len = memchr(b'\n', rest).map_or(rest.len(), |feed| feed + 1);
        let line = rest.get(..len).unwrap_or_default();
        let continues = self.open.is_some();
        let mut quotes = self.open.take().unwrap_or_default();
        quotes.feed(line);
        self.open = quotes.open().then_some(quotes);
        self.stats.lines += 1;
        let mut keep = self.options.keep == Keep::All;
        if len > self.options.max_line.saturating_add(1) {
            self.stats.over_long += 1;
        } else if continues {
            self.stats.unparsed += 1;
        } else {
            match at(line, blanks(line, 0)) {
                b'\n' => {}
                b'#' => keep |= self.comment(line),
                _ => self.stats.unparsed += 1,
            }
        }
        if !keep {
            splice.leave_out(start, start + len);
        }
        start + len
    }

    /// Whether a comment stays even where only enriched samples do. Metadata may come later.
    fn comment(&mut self, line: &[u8]) -> bool {
        if self.options.keep == Keep::Enriched
            && let Some((kind, family)) = metadata(line)
        {
            self.held.hold(kind, family, line);
        }
        is_eof(line)
    }
}

/// Copies a block to the output with insertions and omissions, in as few pieces as possible.
struct Splice<'b, 'o> {
    block: &'b [u8],
    /// What stands before this index is copied.
    copied: usize,
    out: &'o mut Vec<u8>,
}

impl Splice<'_, '_> {
    #[inline]
    fn copy_to(&mut self, to: usize) {
        self.out
            .extend_from_slice(self.block.get(self.copied..to).unwrap_or_default());
        self.copied = to;
    }

    #[inline]
    fn insert(&mut self, at: usize, labels: &[u8]) {
        self.copy_to(at);
        self.out.extend_from_slice(labels);
    }

    fn leave_out(&mut self, start: usize, end: usize) {
        self.copy_to(start);
        self.copied = end;
    }
}
