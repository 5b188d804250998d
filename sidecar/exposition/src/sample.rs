//! One sample line: where it ends, and what is to be inserted where.
//!
//! Kong prints its samples sorted, so most lines begin as the line before did, and nearly all have the same labels in the same
//! order. [`SampleReader`] therefore remembers where the labels of the previous sample began, and reads the next one only from
//! the last label that begins within the bytes that both share. A label whose name stood at the same place before is not
//! read letter by letter.

use crate::added::{SERVICE, UPSTREAM, UPSTREAM_FAMILY, is_added};
use crate::grammar::{at, blanks, decimal, label_name, metric_name, quoted, value, value_end};
use crate::observe::ObservedSample;
use crate::opening::Opening;
use crate::table::{Known, LabelTable};
use crate::wide::{WIDE, first_difference};

/// How many labels of a line are remembered; the later ones of a longer line are read again.
const REMEMBERED: usize = 12;

/// What a line that is a sample is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SampleVerdict<'t> {
    /// It names no Kong service.
    Other,
    /// It names a Kong service that is not in the table.
    Unknown,
    /// It names this Kong service, which could stand for two Services.
    Ambiguous(&'t [u8]),
    /// It already has one of the added labels.
    Labelled,
    /// `labels` go in at index `at`.
    Enrich { at: usize, labels: &'t [u8] },
}

/// A line that is a sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'t> {
    /// Index after the line feed.
    pub end: usize,
    /// What becomes of the line.
    pub verdict: SampleVerdict<'t>,
}

/// The label by which a sample is looked up. Offsets count from the line's start.
#[derive(Clone, Copy, Debug)]
struct Key<'t> {
    at: usize,
    value: usize,
    end: usize,
    known: Known<'t>,
    /// Without a name there is nothing to know: `service=""` is a route without a service.
    empty: bool,
}

/// A label of the previous sample.
#[derive(Clone, Copy, Debug, Default)]
struct Label {
    /// Where it starts, counted from the line's start.
    at: usize,
    role: Role,
    opening: Opening,
}

/// Reads the samples of one block.
#[derive(Debug)]
pub(crate) struct SampleReader<'b, 't> {
    block: &'b [u8],
    table: &'t LabelTable,
    /// Where the previous sample starts in the block, and its length.
    start: usize,
    len: usize,
    /// Whether that sample is one of [`UPSTREAM_FAMILY`].
    upstream: bool,
    key: Option<Key<'t>>,
    /// The index behind its closing brace, counted from its start.
    after: usize,
    /// Its first labels: `labels[..count]`.
    labels: [Label; REMEMBERED],
    count: usize,
}

impl<'b, 't> SampleReader<'b, 't> {
    /// A reader for a block that ends with a line feed.
    pub(crate) fn new(block: &'b [u8], table: &'t LabelTable) -> Self {
        Self {
            block,
            table,
            start: 0,
            len: 0,
            upstream: false,
            key: None,
            after: 0,
            labels: [Label::default(); REMEMBERED],
            count: 0,
        }
    }

    /// Reads the line that starts at `start`, if it is a sample.
    #[inline]
    pub(crate) fn sample(&mut self, start: usize) -> Option<Sample<'t>> {
        let (index, from) = match self.resume(start) {
            Some(resumed) => resumed,
            None => match self.name(start)? {
                Head::Labels(from) => (0, from),
                Head::Value(from) => {
                    return Some(Sample {
                        end: tail(self.block, from)?,
                        verdict: SampleVerdict::Other,
                    });
                }
            },
        };
        let mut clash = false;
        let after = self.labels(start, index, from, &mut clash);
        self.after = after.map_or(0, |after| after - start);
        // A line that failed, or that repeats a label, must not be what the next one resumes from.
        let end = after.and_then(|i| tail(self.block, i));
        let (Some(end), false) = (end, clash) else {
            self.len = 0;
            return end.map(|end| Sample {
                end,
                verdict: self.clashing(),
            });
        };
        self.start = start;
        self.len = end - start;
        let verdict = match self.key {
            None => SampleVerdict::Other,
            Some(Key {
                at,
                known: Known::Labels(labels),
                ..
            }) => SampleVerdict::Enrich {
                at: start + at,
                labels,
            },
            Some(Key { empty: true, .. }) => SampleVerdict::Other,
            Some(Key {
                known: Known::Ambiguous(name),
                ..
            }) => SampleVerdict::Ambiguous(name),
            Some(_) => SampleVerdict::Unknown,
        };
        Some(Sample { end, verdict })
    }

    /// The previous sample up to its last label, and that label's opening, if what was to be known of it stands there.
    #[inline]
    pub(crate) fn head(&self) -> Option<(&'b [u8], Opening)> {
        let last = self.labels.get(self.count.checked_sub(1)?)?;
        let line = self.block.get(self.start..self.start + self.len)?;
        if self.key?.end < last.at {
            Some((line.get(..last.at)?, last.opening))
        } else {
            None
        }
    }

    /// The sample that was just read, with the labels that it earns, if it has labels of its own and none twice.
    #[inline]
    pub(crate) fn observed<'a>(&self, added: Option<&'a [u8]>) -> Option<ObservedSample<'a>>
    where
        'b: 'a,
    {
        let line = self
            .block
            .get(self.start..(self.start + self.len).checked_sub(1)?)?;
        let last = self.labels.get(self.count.checked_sub(1)?)?.at;
        let service = match self.key.filter(|_| !self.upstream) {
            Some(key) => line.get(key.value..key.end - 1)?,
            None => b"",
        };
        Some(ObservedSample {
            line,
            labels: self.labels.first()?.at,
            last,
            after: self.after,
            service,
            added,
        })
    }

    /// A sample that names a Kong service and has one of the added labels passes as it is.
    fn clashing(&self) -> SampleVerdict<'t> {
        if self.key.is_some() {
            SampleVerdict::Labelled
        } else {
            SampleVerdict::Other
        }
    }

    /// Which label to go on with, and where, if the line at `start` begins as the previous sample did.
    #[inline]
    fn resume(&mut self, start: usize) -> Option<(usize, usize)> {
        let previous = self.block.get(self.start..self.start + self.len)?;
        let common = common_prefix(previous, self.block.get(start..)?);
        let labels = self.labels.get(..self.count)?;
        let (index, label) = labels
            .iter()
            .enumerate()
            .rfind(|(_, label)| label.at <= common)?;
        if self.key.is_some_and(|key| key.end > label.at) {
            self.key = None;
        }
        Some((index, start + label.at))
    }

    /// Reads the metric's name.
    fn name(&mut self, start: usize) -> Option<Head> {
        self.len = 0;
        self.key = None;
        let name = blanks(self.block, start);
        let end = metric_name(self.block, name)?;
        let upstream = self.block.get(name..end)? == UPSTREAM_FAMILY.as_bytes();
        if std::mem::replace(&mut self.upstream, upstream) != upstream {
            // The same labels now have other roles.
            self.count = 0;
        }
        let next = blanks(self.block, end);
        if at(self.block, next) == b'{' {
            Some(Head::Labels(next + 1))
        } else {
            (next > end).then_some(Head::Value(next))
        }
    }

    /// Reads labels, of which the first has this index, up to the closing brace. Returns the index after it.
    #[inline]
    fn labels(
        &mut self,
        start: usize,
        index: usize,
        from: usize,
        clash: &mut bool,
    ) -> Option<usize> {
        let block = self.block;
        let (mut index, mut i) = (index, blanks(block, from));
        loop {
            if at(block, i) == b'}' {
                self.count = index.min(REMEMBERED);
                return Some(i + 1);
            }
            let remembered = self.labels.get(index).filter(|_| index < self.count);
            let (role, value) =
                match remembered.and_then(|label| Some((label, label.opening.again(block, i)?))) {
                    Some((label, value)) => (label.role, value),
                    None => self.opening(index, i)?,
                };
            if let Some(label) = self.labels.get_mut(index) {
                label.at = i - start;
            }
            let closing = value_end(block, value)?;
            match role {
                Role::Other => {}
                Role::Key if self.key.is_none() => {
                    let name = block.get(value..closing - 1)?;
                    self.key = Some(Key {
                        at: i - start,
                        value: value - start,
                        end: closing - start,
                        known: self.look_up(name),
                        empty: name.is_empty(),
                    });
                }
                Role::Key | Role::Added => *clash = true,
            }
            index += 1;
            i = blanks(block, closing);
            match at(block, i) {
                b',' => i = blanks(block, i + 1),
                b'}' => {}
                _ => return None,
            }
        }
    }

    /// Reads a label up to its opening quote, and remembers it.
    fn opening(&mut self, index: usize, i: usize) -> Option<(Role, usize)> {
        let block = self.block;
        let name_end = label_name(block, i)?;
        let equals = blanks(block, name_end);
        let quote = blanks(block, equals + 1);
        if at(block, equals) != b'=' || at(block, quote) != b'"' {
            return None;
        }
        let role = role(block.get(i..name_end)?, self.upstream);
        if let Some(label) = self.labels.get_mut(index) {
            label.role = role;
            label.opening = Opening::new(block.get(i..=quote)?);
            self.count = self.count.max(index + 1);
        }
        Some((role, quote + 1))
    }

    fn look_up(&self, name: &[u8]) -> Known<'t> {
        if self.upstream {
            self.table.upstream(name)
        } else {
            self.table.service(name)
        }
    }
}

/// What follows a metric's name.
enum Head {
    Labels(usize),
    Value(usize),
}

/// What a label is to us.
#[derive(Clone, Copy, Debug, Default)]
enum Role {
    /// It names the service or upstream.
    Key,
    /// Enrichment would write one of this name.
    Added,
    #[default]
    Other,
}

#[inline]
fn role(name: &[u8], upstream: bool) -> Role {
    let key = if upstream { UPSTREAM } else { SERVICE };
    if name == key.as_bytes() {
        Role::Key
    } else if is_added(name, upstream) {
        Role::Added
    } else {
        Role::Other
    }
}

/// Reads a sample from its value on, and returns the index after the line feed.
#[inline]
fn tail(block: &[u8], i: usize) -> Option<usize> {
    let value_end = value(block, blanks(block, i))?;
    if at(block, value_end) == b'\n' {
        return Some(value_end + 1);
    }
    after_value(block, value_end)
}

/// Reads an optional timestamp and an optional exemplar.
#[cold]
fn after_value(block: &[u8], value_end: usize) -> Option<usize> {
    let mut i = value_end;
    for optional in [decimal, exemplar] {
        let next = blanks(block, i);
        match at(block, next) {
            b'\n' => return Some(next + 1),
            _ if next == i => return None,
            _ => i = optional(block, next).unwrap_or(i),
        }
    }
    let next = blanks(block, i);
    (at(block, next) == b'\n').then_some(next + 1)
}

/// Reads an exemplar of OpenMetrics: `# {…} value`, and an optional timestamp.
fn exemplar(block: &[u8], i: usize) -> Option<usize> {
    if at(block, i) != b'#' {
        return None;
    }
    let brace = blanks(block, i + 1);
    if at(block, brace) != b'{' {
        return None;
    }
    let end = exemplar_labels(block, brace + 1)?;
    let value_end = value(block, blanks(block, end))?;
    let timestamp = blanks(block, value_end);
    if timestamp == value_end {
        return Some(value_end);
    }
    Some(decimal(block, timestamp).unwrap_or(value_end))
}

fn exemplar_labels(block: &[u8], mut i: usize) -> Option<usize> {
    loop {
        i = blanks(block, i);
        if at(block, i) == b'}' {
            return Some(i + 1);
        }
        let equals = blanks(block, label_name(block, i)?);
        if at(block, equals) != b'=' {
            return None;
        }
        i = blanks(block, quoted(block, blanks(block, equals + 1))?);
        match at(block, i) {
            b',' => i += 1,
            b'}' => return Some(i + 1),
            _ => return None,
        }
    }
}

/// How many bytes `a` and `b` have in common from their start.
#[inline]
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let mut same = 0;
    for (a, b) in a.as_chunks().0.iter().zip(b.as_chunks().0) {
        match first_difference(a, b) {
            Some(differ) => return same + differ,
            None => same += WIDE,
        }
    }
    let (a, b) = (
        a.get(same..).unwrap_or_default(),
        b.get(same..).unwrap_or_default(),
    );
    for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        let differ = u128::from_le_bytes(*a) ^ u128::from_le_bytes(*b);
        if differ != 0 {
            return same + differ.trailing_zeros() as usize / 8;
        }
        same += 16;
    }
    let (a, b) = (
        a.get(same..).unwrap_or_default(),
        b.get(same..).unwrap_or_default(),
    );
    same + a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
