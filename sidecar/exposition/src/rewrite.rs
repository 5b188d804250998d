//! The rewriter: gives samples the added labels, chunks in, chunks out.

use memchr::memchr;

use crate::ambiguous::AmbiguousNames;
use crate::carry::{Carry, Stretch};
use crate::family::{is_eof, metadata};
use crate::grammar::{at, blanks};
use crate::observe::{Observer, Unobserved};
use crate::opening::Opening;
use crate::options::{Keep, Options, Stats};
use crate::pending::PendingMetadata;
use crate::prefetch::ahead;
use crate::quotes::Quotes;
use crate::run::{REST, follows};
use crate::sample::{Sample, SampleReader, SampleVerdict};
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
    carry: Carry,
    /// Open where a line ended inside a quoted value.
    quotes: Quotes,
    pending: PendingMetadata,
    ambiguous: AmbiguousNames,
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
            carry: Carry::new(options.max_line),
            quotes: Quotes::default(),
            pending: PendingMetadata::default(),
            ambiguous: AmbiguousNames::default(),
        }
    }

    /// Takes the next bytes of the exposition, cut anywhere, and appends to `out` what is ready.
    ///
    /// Where the input is cut makes no difference to the output as a whole. The table may be another one at each call;
    /// each line is looked up in the table of the call that completes it.
    ///
    /// ```
    /// use tagalong_exposition::{LabelTable, Options, Rewriter};
    ///
    /// let mut out = Vec::new();
    /// Rewriter::new(Options::default()).push(&LabelTable::default(), b"up 1\nunfini", &mut out);
    /// assert_eq!(out, b"up 1\n");
    /// ```
    pub fn push(&mut self, table: &LabelTable, chunk: &[u8], out: &mut Vec<u8>) {
        self.push_observed(table, chunk, out, &mut Unobserved);
    }

    /// As [`push`](Self::push), and shows the observer what passes.
    ///
    /// ```
    /// use tagalong_exposition::{LabelTable, ObservedSample, Observer, Options, Rewriter};
    ///
    /// #[derive(Default)]
    /// struct Requests(usize);
    ///
    /// impl Observer for Requests {
    ///     fn sample(&mut self, sample: &ObservedSample<'_>) -> bool {
    ///         self.0 += usize::from(sample.service == b"echo");
    ///         false
    ///     }
    ///     fn follower(&mut self, _label: &[u8], _value: &[u8]) {}
    ///     fn unread(&mut self, _line: &[u8]) {}
    /// }
    ///
    /// let mut seen = Requests::default();
    /// let text = b"a{service=\"echo\"} 1\nb{service=\"shop\"} 2\n";
    /// Rewriter::new(Options::default()).push_observed(&LabelTable::default(), text, &mut Vec::new(), &mut seen);
    /// assert_eq!(seen.0, 1);
    /// ```
    pub fn push_observed(
        &mut self,
        table: &LabelTable,
        chunk: &[u8],
        out: &mut Vec<u8>,
        observer: &mut impl Observer,
    ) {
        let before = out.len();
        self.stats.bytes_in += chunk.len() as u64;
        self.carried(|this, carry| {
            carry.push(chunk, |stretch| this.take(table, stretch, out, observer));
        });
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
        self.finish_observed(table, out, &mut Unobserved);
    }

    /// As [`finish`](Self::finish), and shows the observer what passes.
    ///
    /// ```
    /// # use tagalong_exposition::{LabelTable, Options, Rewriter, Unobserved};
    /// let mut out = Vec::new();
    /// let mut rewriter = Rewriter::new(Options::default());
    /// rewriter.push(&LabelTable::default(), b"up 1", &mut out);
    /// rewriter.finish_observed(&LabelTable::default(), &mut out, &mut Unobserved);
    /// assert_eq!(out, b"up 1");
    /// ```
    pub fn finish_observed(
        &mut self,
        table: &LabelTable,
        out: &mut Vec<u8>,
        observer: &mut impl Observer,
    ) {
        let before = out.len();
        let added = self.carried(|this, carry| {
            carry.finish(|stretch| this.take(table, stretch, out, observer))
        });
        // The line feed is ours, and where the line was left out, there is none to take back.
        if added && out.len() > before {
            out.pop();
        }
        self.stats.bytes_out += (out.len() - before) as u64;
        self.quotes = Quotes::default();
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

    /// The first of the ambiguous names that samples have named so far, with how many samples each: no more than
    /// [`AmbiguousNames::KEPT`], as they are escaped on a line.
    ///
    /// ```
    /// use tagalong_exposition::{LabelTable, Options, Rewriter};
    ///
    /// let mut table = LabelTable::builder();
    /// table.set_ambiguous_service("b");
    /// let mut rewriter = Rewriter::new(Options::default());
    /// rewriter.push(&table.build(), b"a{service=\"b\"} 1\na{service=\"c\"} 1\n", &mut Vec::new());
    /// assert_eq!(rewriter.ambiguous().iter().collect::<Vec<_>>(), [(&b"b"[..], 1)]);
    /// assert_eq!((rewriter.stats().ambiguous, rewriter.stats().unknown), (1, 1));
    /// ```
    #[must_use]
    pub fn ambiguous(&self) -> &AmbiguousNames {
        &self.ambiguous
    }

    /// Takes what the carry hands on.
    fn take(
        &mut self,
        table: &LabelTable,
        stretch: Stretch<'_>,
        out: &mut Vec<u8>,
        observer: &mut impl Observer,
    ) {
        match stretch {
            Stretch::Lines(block) => self.lines(table, block, out, observer),
            Stretch::OverLong { piece, last } => {
                if self.quotes.begins() {
                    observer.unread(piece);
                }
                if last {
                    self.stats.lines += 1;
                    self.stats.over_long += 1;
                    self.quotes.end_line(piece);
                } else {
                    self.quotes.feed(piece);
                }
                if self.options.keep == Keep::All {
                    out.extend_from_slice(piece);
                }
            }
        }
    }

    /// Hands the carry to `work`, which needs the rest of the rewriter, too.
    fn carried<T>(&mut self, work: impl FnOnce(&mut Self, &mut Carry) -> T) -> T {
        let mut carry = std::mem::replace(&mut self.carry, Carry::new(0));
        let done = work(self, &mut carry);
        self.carry = carry;
        done
    }

    /// Rewrites whole lines.
    fn lines<O: Observer>(
        &mut self,
        table: &LabelTable,
        block: &[u8],
        out: &mut Vec<u8>,
        observer: &mut O,
    ) {
        let mut splice = Splice {
            block,
            copied: 0,
            out,
        };
        let mut reader = SampleReader::new(block, table);
        let mut start = 0;
        while start < block.len() {
            ahead(block, start);
            let sample = if self.quotes.open() {
                None
            } else {
                reader.sample(start)
            };
            match sample {
                Some(sample) if sample.end - start - 1 <= self.options.max_line => {
                    let added = match sample.verdict {
                        SampleVerdict::Enrich { labels, .. } => Some(labels),
                        _ => None,
                    };
                    let go_on = O::SEES
                        && reader
                            .observed(added)
                            .is_some_and(|seen| observer.sample(&seen));
                    self.sample(start, sample, &mut splice);
                    let lines = (start, sample.end);
                    start = match (added.map(<[u8]>::len), reader.head()) {
                        (Some(added), Some(head)) if go_on => {
                            self.run(lines, head, added, &mut splice, observer)
                        }
                        (Some(added), Some(head)) => {
                            self.run(lines, head, added, &mut splice, &mut Unobserved)
                        }
                        _ => sample.end,
                    };
                }
                _ => start = self.other(start, &mut splice, observer),
            }
        }
        splice.copy_to(block.len());
    }

    #[inline]
    fn sample(&mut self, start: usize, sample: Sample<'_>, splice: &mut Splice<'_, '_>) {
        self.stats.lines += 1;
        self.stats.samples += 1;
        match sample.verdict {
            SampleVerdict::Enrich { at, labels } => {
                self.stats.enriched += 1;
                if self.options.keep == Keep::Enriched {
                    splice.copy_to(start);
                    self.pending.release(splice.block, start, splice.out);
                }
                return splice.insert(at, labels);
            }
            SampleVerdict::Labelled => self.stats.already_labelled += 1,
            SampleVerdict::Unknown => self.stats.unknown += 1,
            SampleVerdict::Ambiguous(name) => {
                self.stats.ambiguous += 1;
                self.ambiguous.add(name);
            }
            SampleVerdict::Other => {}
        }
        if self.options.keep == Keep::Enriched {
            splice.leave_out(start, sample.end);
        }
    }

    /// The sample from `first` to `start` was enriched: does the same to the lines that follow, as far as they only
    /// differ at their end, and returns where the next one starts.
    #[inline]
    fn run<O: Observer>(
        &mut self,
        (first, start): (usize, usize),
        (head, opening): (&[u8], Opening),
        added: usize,
        splice: &mut Splice<'_, '_>,
        observer: &mut O,
    ) -> usize {
        if head.len() + REST > self.options.max_line {
            return start;
        }
        let Some(mut follower) = follows(splice.block, start, head, opening) else {
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
            splice.out.extend_from_slice(follower.rest);
            let len = follower.len();
            splice.out.truncate(splice.out.len() - (REST - len));
            if O::SEES
                && let Some((label, value)) = follower.values()
            {
                observer.follower(label, value);
            }
            start += head.len() + len;
            lines += 1;
            match follows(splice.block, start, head, opening) {
                Some(next) => follower = next,
                None => break,
            }
        }
        splice.copied = start;
        self.stats.lines += lines;
        self.stats.samples += lines;
        self.stats.enriched += lines;
        start
    }

    /// Passes or leaves out a line that is not a sample, and returns where the next one starts.
    #[cold]
    fn other(
        &mut self,
        start: usize,
        splice: &mut Splice<'_, '_>,
        observer: &mut impl Observer,
    ) -> usize {
        let rest = splice.block.get(start..).unwrap_or_default();
        let len = memchr(b'\n', rest).map_or(rest.len(), |feed| feed + 1);
        let line = rest.get(..len).unwrap_or_default();
        let continues = self.quotes.open();
        self.quotes.end_line(line);
        self.stats.lines += 1;
        let mut keep = self.options.keep == Keep::All;
        if len > self.options.max_line.saturating_add(1) {
            self.stats.over_long += 1;
            if !continues {
                observer.unread(line);
            }
        } else if continues {
            self.stats.unparsed += 1;
        } else {
            match at(line, blanks(line, 0)) {
                b'\n' => {}
                b'#' => keep |= self.comment(line),
                _ => {
                    self.stats.unparsed += 1;
                    observer.unread(line);
                }
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
            self.pending.hold(kind, family, line);
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
