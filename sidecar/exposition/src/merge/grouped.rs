//! The samples of a histogram or summary, grouped by series: its labels once, then a record for each sample.
//!
//! Kong writes the buckets of all series, then all counts, then all sums; OpenMetrics wants what belongs to a series
//! together, and so does whoever makes native histograms of them. A record holds what its sample adds to the labels of its
//! series and refers to no other record, so grouping is copying: records are kept in the order in which they come, segments
//! note whose they are, and in the end each series' segments are put behind each other.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::delta::{encode, number, read_number};
use super::record;
use super::types::{FamilyType, Member};
use super::whole;
use crate::sample::common_prefix;

/// The samples of one family of one source, while they come.
#[derive(Debug, Default)]
pub(super) struct Grouped {
    /// The labels of each series, in the order in which they first came: how many bytes are those of the series before,
    /// how many are new, and these.
    labels: Vec<u8>,
    /// Those of the last new series, and a buffer for the next one's.
    last: Vec<u8>,
    next: Vec<u8>,
    /// Which series has this key.
    index: HashTable<(u64, usize)>,
    records: Vec<u8>,
    segments: Vec<Segment>,
}

/// Records of one series, one behind the other.
#[derive(Clone, Copy, Debug)]
struct Segment {
    series: usize,
    start: usize,
    end: usize,
}

/// What became of them.
#[derive(Debug)]
pub(super) struct Encoded {
    /// For each series its labels, the length of its records, and these.
    pub bytes: Vec<u8>,
    /// Records left out because the series had that sample already.
    pub duplicates: u64,
    /// Whether OpenMetrics' strictest readers take every series.
    pub whole: bool,
    /// Which members there are, in the order of [`Member::COMPOSED`].
    pub members: [bool; 3],
}

impl Grouped {
    /// The records that follow are of the series with this key. `labels` writes its labels, if it is new.
    pub(super) fn select(&mut self, key: u64, labels: impl FnOnce(&mut Vec<u8>)) {
        let count = self.index.len();
        let series = match self
            .index
            .entry(key, |(other, _)| *other == key, |(key, _)| *key)
        {
            Entry::Occupied(known) => known.get().1,
            Entry::Vacant(vacant) => {
                vacant.insert((key, count));
                self.next.clear();
                labels(&mut self.next);
                let shared = common_prefix(&self.last, &self.next);
                encode(&mut self.labels, shared, &self.next);
                std::mem::swap(&mut self.last, &mut self.next);
                count
            }
        };
        if self
            .segments
            .last()
            .is_none_or(|last| last.series != series)
        {
            let start = self.records.len();
            self.segments.push(Segment {
                series,
                start,
                end: start,
            });
        }
    }

    /// A sample of the selected series: what stands behind its labels, from the bound's value on if it has one, with the
    /// line feed.
    #[inline]
    pub(super) fn push(&mut self, member: Member, rest: &[u8]) {
        record::write(&mut self.records, member, rest);
        if let Some(segment) = self.segments.last_mut() {
            segment.end = self.records.len();
        }
    }

    /// How many bytes are held.
    pub(super) fn held(&self) -> usize {
        self.labels.capacity() + self.records.capacity()
    }

    /// No sample is still to come.
    pub(super) fn finish(mut self, family: FamilyType) -> Encoded {
        self.segments.sort_by_key(|segment| segment.series);
        let mut encoded = Encoded {
            bytes: Vec::with_capacity(self.labels.len() + self.records.len()),
            duplicates: 0,
            whole: true,
            members: [false; 3],
        };
        let (mut labels, mut records) = (0, Vec::new());
        for series in self
            .segments
            .chunk_by(|one, other| one.series == other.series)
        {
            records.clear();
            for segment in series {
                let of = self.records.get(segment.start..segment.end);
                records.extend_from_slice(of.unwrap_or_default());
            }
            let mut seen = whole::look(family, &records);
            if !seen.unique {
                encoded.duplicates += whole::deduplicate(&mut records);
                seen = whole::look(family, &records);
            }
            encoded.whole &= seen.whole;
            for (there, here) in encoded.members.iter_mut().zip(seen.members) {
                *there |= here;
            }
            let Some(next) = entry_end(&self.labels, labels) else {
                break;
            };
            let entry = self.labels.get(labels..next).unwrap_or_default();
            encoded.bytes.extend_from_slice(entry);
            number(&mut encoded.bytes, records.len());
            encoded.bytes.extend_from_slice(&records);
            labels = next;
        }
        encoded.bytes.shrink_to_fit();
        encoded
    }
}

/// Where the entry that begins at `start` ends.
fn entry_end(entries: &[u8], start: usize) -> Option<usize> {
    let mut place = start;
    let _shared = read_number(entries, &mut place)?;
    let new = read_number(entries, &mut place)?;
    Some(place + new)
}

/// Writes a family's samples, series by series, with the source's labels in front of each one's own.
#[derive(Debug)]
pub(super) struct GroupedWriter {
    encoded: std::sync::Arc<Vec<u8>>,
    place: usize,
    /// Where the records of this series end.
    end: usize,
    /// Only these are written.
    only: Option<Member>,
    family: FamilyType,
    name: Box<[u8]>,
    /// A bound's line up to the bound. Those of a series' other members are made of it.
    head: Vec<u8>,
    /// Where the labels begin in it, and the series' own.
    brace: usize,
    own: usize,
    /// Where the series' own labels end, and those of the last one ended.
    labels_end: usize,
}

impl GroupedWriter {
    pub(super) fn new(
        encoded: std::sync::Arc<Vec<u8>>,
        (family, name): (FamilyType, &[u8]),
        front: &[u8],
        only: Option<Member>,
    ) -> Self {
        let mut head = name.to_vec();
        head.extend_from_slice(Member::Bound.suffix(family));
        let brace = head.len();
        head.push(b'{');
        head.extend_from_slice(front);
        let own = head.len();
        Self {
            encoded,
            place: 0,
            end: 0,
            only,
            family,
            name: name.into(),
            head,
            brace,
            own,
            labels_end: own,
        }
    }

    /// Appends the next line, with its line feed. Returns whether there was one.
    #[inline]
    pub(super) fn next(&mut self, out: &mut Vec<u8>) -> bool {
        loop {
            while self.place >= self.end {
                if self.next_series().is_none() {
                    return false;
                }
            }
            let Some((member, rest)) = record::read(&self.encoded, &mut self.place) else {
                return false;
            };
            if self.only.is_some_and(|only| only != member) {
                continue;
            }
            if member == Member::Bound {
                out.extend_from_slice(&self.head);
            } else {
                out.extend_from_slice(&self.name);
                out.extend_from_slice(member.suffix(self.family));
                let labels = self.head.get(self.brace..self.labels_end);
                out.extend_from_slice(labels.unwrap_or_default());
                out.extend_from_slice(b"} ");
            }
            out.extend_from_slice(rest);
            return true;
        }
    }

    /// Goes on to the next series, if there is one.
    fn next_series(&mut self) -> Option<()> {
        let encoded = &self.encoded;
        let shared = read_number(encoded, &mut self.place)?;
        let new = read_number(encoded, &mut self.place)?;
        // A comma stands behind the source's labels, where it and the series have any.
        self.head.truncate(self.labels_end);
        let comma = self.own - self.brace > 1;
        let begin = self.own + usize::from(comma);
        if shared > 0 {
            self.head.truncate(begin + shared);
        } else {
            self.head.truncate(self.own);
            if comma && new > 0 {
                self.head.push(b',');
            }
        }
        let labels = encoded.get(self.place..self.place + new)?;
        self.head.extend_from_slice(labels);
        self.labels_end = self.head.len();
        self.place += new;
        if self.labels_end > self.brace + 1 {
            self.head.push(b',');
        }
        self.head.extend_from_slice(self.family.bound_label());
        self.head.extend_from_slice(b"=\"");
        let records = read_number(encoded, &mut self.place)?;
        self.end = self.place + records;
        Some(())
    }
}
