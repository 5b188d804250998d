//! One line as the text format 0.0.4 wants it, strictly, and what series it is of.
//!
//! What `promtool` and Go's `expfmt` refuse is refused here: an unknown escape, a value that is not UTF-8, a label twice, a
//! label called `__name__`, a timestamp that is not a whole number, an exemplar.

use std::hash::BuildHasher as _;
use std::ops::Range;

use foldhash::fast::RandomState;

use super::number;
use crate::grammar::{at, blanks, label_name, metric_name, strict_value_end, value};
use crate::run::{PlainEnd, plain_end};
use crate::swar::not_ascii;

/// Why a line is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// It is no sample.
    Unparsed,
    /// It has one of the labels that are to be put in front.
    Labelled,
}

/// A label of the line: its name, its value without the quotes, and the hash of the series up to it.
#[derive(Clone, Debug)]
struct Label {
    name: Range<usize>,
    value: Range<usize>,
    before: u64,
}

/// Lines that differ in the value of the last label and in the number only, as the buckets of one histogram do.
#[derive(Debug)]
pub(super) struct Run {
    /// Where the last label's name stands.
    name: Range<usize>,
    /// Where its value begins, up to which the lines are the same.
    pub head: usize,
    before: u64,
    /// Whether that value is a bound.
    bound: bool,
}

impl Run {
    /// Whether what differs is a bound.
    pub(super) fn is_bound(&self) -> bool {
        self.bound
    }
}

/// Reads lines, each from where it begins to differ from the one before.
#[derive(Debug, Default)]
pub(super) struct LineReader {
    labels: Vec<Label>,
    name_end: usize,
    pub canonical: bool,
    number: Range<usize>,
    timestamp: Option<Range<usize>>,
    state: RandomState,
}

impl LineReader {
    /// Forgets the line before.
    pub(super) fn forget(&mut self) {
        self.labels.clear();
    }

    /// Reads a line with its line feed, which has the first `shared` bytes in common with the last one that was read
    /// without an error and was canonical. Returns a hash of its series, in which the order of labels does not count.
    pub(super) fn read(
        &mut self,
        line: &[u8],
        shared: usize,
        front: &[Box<[u8]>],
    ) -> Result<u64, Bad> {
        let result = self.parse(line, shared, front);
        if result.is_err() {
            self.forget();
        }
        result
    }

    fn parse(&mut self, line: &[u8], shared: usize, front: &[Box<[u8]>]) -> Result<u64, Bad> {
        let keep = self
            .labels
            .iter()
            .rposition(|label| label.name.start <= shared);
        let (mut i, mut hash) = match keep.and_then(|keep| Some((keep, self.labels.get(keep)?))) {
            Some((keep, label)) => {
                let from = (label.name.start, label.before);
                self.labels.truncate(keep);
                let i = self.skip(line, from.0);
                // A comma stands in front of every label but the first.
                self.canonical &= keep == 0 || at(line, i) != b'}';
                (i, from.1)
            }
            None => {
                self.labels.clear();
                self.canonical = true;
                let end = metric_name(line, blanks(line, 0)).ok_or(Bad::Unparsed)?;
                self.canonical = blanks(line, 0) == 0;
                self.name_end = end;
                let hash = self
                    .state
                    .hash_one(line.get(..end).unwrap_or_default().trim_ascii_start());
                let next = blanks(line, end);
                if at(line, next) != b'{' {
                    self.canonical = false;
                    return if next > end {
                        self.number(line, next).map(|()| hash)
                    } else {
                        Err(Bad::Unparsed)
                    };
                }
                self.canonical &= next == end;
                (self.skip(line, next + 1), hash)
            }
        };
        // ASCII is UTF-8, and what stands before `i` was looked at with the line before.
        let new = line.get(i..).unwrap_or_default();
        if !new.is_ascii() && std::str::from_utf8(new).is_err() {
            return Err(Bad::Unparsed);
        }
        // Whether the line is a sample at all is not known before its end.
        let mut labelled = false;
        while at(line, i) != b'}' {
            let name = i..label_name(line, i).ok_or(Bad::Unparsed)?;
            let equals = self.skip(line, name.end);
            let quote = self.skip(line, equals + 1);
            if at(line, equals) != b'=' || at(line, quote) != b'"' {
                return Err(Bad::Unparsed);
            }
            let closing = strict_value_end(line, quote + 1).ok_or(Bad::Unparsed)?;
            let value = quote + 1..closing - 1;
            let text = line.get(name.clone()).unwrap_or_default();
            if text == b"__name__"
                || self
                    .labels
                    .iter()
                    .any(|label| line.get(label.name.clone()) == Some(text))
            {
                return Err(Bad::Unparsed);
            }
            if front.iter().any(|label| **label == *text) {
                labelled = true;
            }
            let before = hash;
            // A label without a value is no label.
            if !value.is_empty() {
                let value = line.get(value.clone()).unwrap_or_default();
                hash = hash.wrapping_add(self.state.hash_one((text, value)));
            }
            let end = value.end + 1;
            self.labels.push(Label {
                name,
                value,
                before,
            });
            i = self.skip(line, end);
            match at(line, i) {
                b',' => {
                    i = self.skip(line, i + 1);
                    self.canonical &= at(line, i) != b'}';
                }
                b'}' => {}
                _ => return Err(Bad::Unparsed),
            }
        }
        let next = blanks(line, i + 1);
        self.canonical &= next == i + 2 && at(line, i + 1) == b' ';
        self.number(line, next)?;
        if labelled {
            Err(Bad::Labelled)
        } else {
            Ok(hash)
        }
    }

    /// Skips blanks, which a canonical line does not have here.
    #[inline]
    fn skip(&mut self, line: &[u8], i: usize) -> usize {
        let next = blanks(line, i);
        self.canonical &= next == i;
        next
    }

    /// Reads the number and the timestamp.
    #[inline]
    fn number(&mut self, line: &[u8], i: usize) -> Result<(), Bad> {
        let end = value(line, i).ok_or(Bad::Unparsed)?;
        self.number = i..end;
        if !number::fits(self.value(line)) {
            return Err(Bad::Unparsed);
        }
        self.timestamp = None;
        if at(line, end) == b'\n' {
            return Ok(());
        }
        let next = blanks(line, end);
        let last = match at(line, next) {
            b'\n' => next,
            _ if next == end => return Err(Bad::Unparsed),
            _ => {
                let last = next
                    + line
                        .get(next..)
                        .unwrap_or_default()
                        .iter()
                        .take_while(|b| b" \t\n".iter().all(|x| x != *b))
                        .count();
                let text = line
                    .get(next..last)
                    .and_then(|text| std::str::from_utf8(text).ok());
                // Prometheus' text parser takes no sign.
                if text.and_then(|text| text.parse::<i64>().ok()).is_none()
                    || !at(line, next).is_ascii_digit()
                {
                    return Err(Bad::Unparsed);
                }
                self.timestamp = Some(next..last);
                blanks(line, last)
            }
        };
        self.canonical &= last == end
            || (next == end + 1
                && at(line, end) == b' '
                && self.timestamp.as_ref().is_some_and(|t| t.end == last));
        if at(line, last) == b'\n' {
            Ok(())
        } else {
            Err(Bad::Unparsed)
        }
    }

    /// What a line that differs only in its last label's value and its number may rely on, if the last one was canonical.
    /// With `bound`, that label is the one of this name.
    pub(super) fn run(&self, line: &[u8], bound: Option<&[u8]>) -> Option<Run> {
        let last = self.labels.last()?;
        let fits = bound.is_none_or(|bound| line.get(last.name.clone()) == Some(bound));
        let plain = self.canonical && self.timestamp.is_none();
        (plain && fits).then(|| Run {
            name: last.name.clone(),
            head: last.value.start,
            before: last.before,
            bound: bound.is_some(),
        })
    }

    /// If the block begins with a line of the run, of whose lines `last` is one: where its last value ends, and the line
    /// feed stands. Whatever is out of the ordinary is left to [`read`](Self::read).
    #[inline]
    pub(super) fn follow(&self, run: &Run, last: &[u8], block: &[u8]) -> Option<PlainEnd> {
        if block.get(..run.head)? != last.get(..run.head)? {
            return None;
        }
        let end = plain_end(block, run.head, not_ascii)?;
        let value = block.get(run.head..end.quote)?;
        (!value.is_empty() && (!run.bound || is_bound(value))).then_some(end)
    }

    /// The hash of the series of a line that [follows](Self::follow), whose last value ends at `quote`.
    #[inline]
    pub(super) fn follow_hash(&self, run: &Run, line: &[u8], quote: usize) -> Option<u64> {
        let (name, value) = (line.get(run.name.clone())?, line.get(run.head..quote)?);
        Some(run.before.wrapping_add(self.state.hash_one((name, value))))
    }

    /// The metric's name.
    pub(super) fn name<'l>(&self, line: &'l [u8]) -> &'l [u8] {
        line.get(..self.name_end)
            .unwrap_or_default()
            .trim_ascii_start()
    }

    /// Whether the line has a timestamp.
    pub(super) fn timed(&self) -> bool {
        self.timestamp.is_some()
    }

    /// The number's text.
    pub(super) fn value<'l>(&self, line: &'l [u8]) -> &'l [u8] {
        line.get(self.number.clone()).unwrap_or_default()
    }

    /// Which label has this name, and a bound for its value.
    pub(super) fn bound(&self, line: &[u8], name: &[u8]) -> Option<usize> {
        let is = |label: &Label| line.get(label.name.clone()) == Some(name);
        let at = self.labels.iter().rposition(is)?;
        let value = self.labels.get(at)?.value.clone();
        is_bound(line.get(value)?).then_some(at)
    }

    /// A key of the series that the line's sample has a part in, as a bucket has in its histogram: a hash of its labels
    /// without the bound, in which their order does not count. `hash` is what [`read`](Self::read) returned.
    pub(super) fn group(&self, hash: u64, bound: Option<usize>) -> u64 {
        let before = |at: usize| self.labels.get(at).map_or(hash, |label| label.before);
        let of_bound = bound.map_or(0, |at| before(at + 1).wrapping_sub(before(at)));
        hash.wrapping_sub(before(0)).wrapping_sub(of_bound)
    }

    /// Writes the labels but the bound, joined by commas.
    pub(super) fn labels_into(&self, line: &[u8], bound: Option<usize>, out: &mut Vec<u8>) {
        let labels = self.labels.iter().enumerate();
        let labels = labels.filter(|(at, _)| Some(*at) != bound);
        for (i, (_, label)) in labels.enumerate() {
            if i > 0 {
                out.push(b',');
            }
            label.write(line, out);
        }
    }

    /// Writes what stands behind the other labels: the value of the bound, and the number.
    pub(super) fn rest_into(&self, line: &[u8], bound: Option<usize>, out: &mut Vec<u8>) {
        if let Some(bound) = bound.and_then(|at| self.labels.get(at)) {
            out.extend_from_slice(line.get(bound.value.clone()).unwrap_or_default());
            out.extend_from_slice(b"\"} ");
        }
        self.number_into(line, out);
    }

    /// Writes the line as every writer of the format would: no blank too many, and braces in any case.
    pub(super) fn canonical_into(&self, line: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(self.name(line));
        out.push(b'{');
        self.labels_into(line, None, out);
        out.extend_from_slice(b"} ");
        self.number_into(line, out);
    }

    fn number_into(&self, line: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(self.value(line));
        if let Some(timestamp) = &self.timestamp {
            out.push(b' ');
            out.extend_from_slice(line.get(timestamp.clone()).unwrap_or_default());
        }
        out.push(b'\n');
    }
}

impl Label {
    fn write(&self, line: &[u8], out: &mut Vec<u8>) {
        let text = |range: &Range<usize>| line.get(range.clone()).unwrap_or_default();
        out.extend_from_slice(text(&self.name));
        out.extend_from_slice(b"=\"");
        out.extend_from_slice(text(&self.value));
        out.push(b'"');
    }
}

/// Whether a label's value is a bound: a number that a float can hold, and not NaN.
#[inline]
fn is_bound(text: &[u8]) -> bool {
    let number = value(text, 0) == Some(text.len());
    number && !matches!(text.first(), Some(b'n' | b'N')) && number::fits(text)
}
