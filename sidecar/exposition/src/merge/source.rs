//! One source's exposition, read as it streams in and kept small.

use foldhash::fast::RandomState;
use hashbrown::hash_table::Entry;
use hashbrown::{HashMap, HashTable};
use memchr::memchr;

use super::delta;
use super::grouped::Grouped;
use super::line::{Bad, LineReader};
use super::number::can_count;
use super::stats::SourceStats;
use super::types::{FamilyType, Member, composed_owner};
use crate::carry::{Carry, Stretch};
use crate::escape::label_into;
use crate::family::{self, Metadata};
use crate::grammar::{at, blanks};
use crate::quotes::Quotes;
use crate::sample::common_prefix;

/// How many families a source may have: Kong has some forty, and each takes some hundreds of bytes while it is read. The
/// names that are remembered beside them are those of samples, and as many.
const FAMILIES: usize = 20_000;

/// One family of a source.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub name: Box<[u8]>,
    pub family: Option<FamilyType>,
    pub help: Option<Box<[u8]>>,
    /// The samples: of a simple family encoded by [`delta`], of a composed one in [`grouped`](super::grouped)'s way.
    pub lines: Vec<u8>,
    /// A composed family's, while they come.
    grouped: Option<Box<Grouped>>,
    pub samples: u64,
    /// Whether any sample has a timestamp.
    pub timed: bool,
    /// Whether any sample has a value that no counter can have.
    pub uncountable: bool,
    /// Whether each series is whole, and which members there are, if the family is composed.
    pub whole: bool,
    pub members: [bool; 3],
}

/// Where a sample of some name goes.
#[derive(Clone, Copy, Debug)]
struct Slot {
    block: usize,
    member: Member,
    /// The label that it must have then, with a number for its value.
    bound: Option<&'static [u8]>,
    /// Whether its value must be one that a counter can have.
    counts: bool,
}

/// What one source sends, on its way into a [`Merger`](super::Merger). Sources are read independently of each other.
///
/// A source that breaks off is dropped, so that it costs its own samples and no others.
///
/// ```
/// use tagalong_exposition::merge::MergeSource;
///
/// let mut source = MergeSource::new(&[("dataplane_pod", "kong-1")], 64 * 1024);
/// source.push(b"# TYPE up gauge\nup 1\nup");
/// source.push(b" 1\n");
/// source.finish();
/// assert_eq!((source.stats().samples, source.stats().duplicates), (1, 1));
/// ```
#[derive(Debug)]
pub struct MergeSource {
    pub(super) labels: Vec<u8>,
    pub(super) blocks: Vec<Block>,
    pub(super) group: Option<Box<str>>,
    front: Vec<Box<[u8]>>,
    /// Which families and samples are not its to have, by name.
    reserved: fn(&[u8]) -> bool,
    max_line: usize,
    stats: SourceStats,
    names: HashMap<Box<[u8]>, Option<Slot>, RandomState>,
    declared: HashMap<Box<[u8]>, usize, RandomState>,
    seen: HashTable<u64>,
    reader: LineReader,
    /// The sample that was kept last, as it is encoded, and where.
    last: Vec<u8>,
    slot: Option<Slot>,
    name_len: usize,
    /// A buffer for what a sample adds to its series.
    rest: Vec<u8>,
    carry: Carry,
    /// Open where a line ended inside a quoted value.
    quotes: Quotes,
}

impl MergeSource {
    /// A source each of whose samples gets `labels` (names, and values that are not escaped yet) in front. Lines that are longer
    /// than `max_line` bytes are left out.
    #[must_use]
    pub fn new(labels: &[(&str, &str)], max_line: usize) -> Self {
        let mut joined = Vec::new();
        for (name, value) in labels {
            if !joined.is_empty() {
                joined.push(b',');
            }
            label_into(&mut joined, name, value);
        }
        Self {
            labels: joined,
            blocks: Vec::new(),
            group: None,
            front: labels
                .iter()
                .map(|(name, _)| name.as_bytes().into())
                .collect(),
            reserved: |_| false,
            max_line,
            stats: SourceStats::default(),
            names: HashMap::default(),
            declared: HashMap::default(),
            seen: HashTable::new(),
            reader: LineReader::default(),
            last: Vec::new(),
            slot: None,
            name_len: 0,
            rest: Vec::new(),
            carry: Carry::new(max_line),
            quotes: Quotes::default(),
        }
    }

    /// Sources of one group have one vote between them, where sources disagree about a family's type. Without one, a source
    /// votes for itself.
    #[must_use]
    pub fn of_group(mut self, group: &str) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Leaves out and counts the samples of families, and those of names, that are `reserved`.
    #[must_use]
    pub fn without(mut self, reserved: fn(&[u8]) -> bool) -> Self {
        self.reserved = reserved;
        self
    }

    /// Takes the next bytes, cut anywhere.
    pub fn push(&mut self, chunk: &[u8]) {
        self.stats.bytes += chunk.len() as u64;
        self.carried(|this, carry| carry.push(chunk, |stretch| this.take(stretch)));
    }

    /// The source has come to its proper end.
    pub fn finish(&mut self) {
        self.carried(|this, carry| carry.finish(|stretch| this.take(stretch)));
        // What is only needed to read on is let go: a merger holds many sources.
        self.names = HashMap::default();
        self.declared = HashMap::default();
        self.seen = HashTable::new();
        self.carry = Carry::new(0);
        self.blocks.retain(|block| block.samples > 0);
        for block in &mut self.blocks {
            if let (Some(family), Some(grouped)) = (block.family, block.grouped.take()) {
                let encoded = grouped.finish(family);
                block.lines = encoded.bytes;
                (block.whole, block.members) = (encoded.whole, encoded.members);
                block.samples -= encoded.duplicates;
                self.stats.samples -= encoded.duplicates;
                self.stats.duplicates += encoded.duplicates;
            }
            block.lines.shrink_to_fit();
        }
    }

    /// What has been read so far.
    #[must_use]
    pub fn stats(&self) -> SourceStats {
        self.stats
    }

    /// How many bytes the source's samples take.
    #[must_use]
    pub fn held(&self) -> usize {
        let grouped = |block: &Block| block.grouped.as_ref().map_or(0, |grouped| grouped.held());
        let held = |block: &Block| block.lines.capacity() + grouped(block);
        self.blocks.iter().map(held).sum()
    }

    /// Takes what the carry hands on.
    fn take(&mut self, stretch: Stretch<'_>) {
        match stretch {
            Stretch::Lines(mut rest) => {
                while let Some(end) = memchr(b'\n', rest) {
                    let (line, after) = rest.split_at(end + 1);
                    rest = after;
                    if self.line(line) {
                        rest = self.run(rest);
                    }
                }
            }
            Stretch::OverLong { piece, last: false } => self.quotes.feed(piece),
            Stretch::OverLong { piece, last: true } => {
                self.quotes.end_line(piece);
                self.stats.over_long += 1;
            }
        }
    }

    /// Hands the carry to `work`, which needs the rest of the source, too.
    fn carried<T>(&mut self, work: impl FnOnce(&mut Self, &mut Carry) -> T) -> T {
        let mut carry = std::mem::replace(&mut self.carry, Carry::new(0));
        let done = work(self, &mut carry);
        self.carry = carry;
        done
    }

    /// Takes a line with its line feed. Returns whether it is the last sample kept.
    fn line(&mut self, line: &[u8]) -> bool {
        if line.len() > self.max_line.saturating_add(1) {
            self.stats.over_long += 1;
            self.quotes.end_line(line);
            return false;
        }
        if self.quotes.open() {
            self.stats.unparsed += 1;
            self.quotes.end_line(line);
            return false;
        }
        match at(line, blanks(line, 0)) {
            b'\n' => false,
            b'#' => {
                self.comment(line);
                false
            }
            _ => {
                let before = self.stats.samples;
                self.sample(line);
                self.stats.samples > before
            }
        }
    }

    /// Takes the lines that only differ at their end from the sample just kept. Returns what follows them.
    fn run<'b>(&mut self, mut rest: &'b [u8]) -> &'b [u8] {
        let Some(slot) = self.slot else { return rest };
        if matches!(slot.member, Member::Sum | Member::Count) {
            return rest;
        }
        let run = self.reader.run(&self.last, slot.bound);
        let (Some(run), Some(block)) = (run, self.blocks.get_mut(slot.block)) else {
            return rest;
        };
        let mut last: &[u8] = b"";
        let mut lines = 0;
        while let Some(end) = self.reader.follow(&run, &self.last, rest) {
            let (line, after) = rest.split_at(end.feed + 1);
            if end.feed > self.max_line {
                break;
            }
            if run.is_bound() {
                let rest = line.get(run.head..).unwrap_or_default();
                block
                    .grouped
                    .get_or_insert_default()
                    .push(slot.member, rest);
            } else {
                let hash = self.reader.follow_hash(&run, line, end.quote);
                if !hash.is_some_and(|hash| insert(&mut self.seen, hash)) {
                    break;
                }
                // The last value may be long, and much of it that of the line before.
                let before = if lines == 0 { &self.last } else { last };
                let tails = (before.get(run.head..), line.get(run.head..));
                let shared =
                    common_prefix(tails.0.unwrap_or_default(), tails.1.unwrap_or_default());
                let shared = run.head + shared;
                delta::encode(&mut block.lines, shared, line);
            }
            lines += 1;
            (last, rest) = (line, after);
        }
        block.samples += lines;
        self.stats.samples += lines;
        if !last.is_empty() {
            self.last.truncate(run.head);
            self.last
                .extend_from_slice(last.get(run.head..).unwrap_or_default());
        }
        rest
    }

    fn sample(&mut self, line: &[u8]) {
        let shared = common_prefix(&self.last, line);
        let hash = match self.reader.read(line, shared, &self.front) {
            Ok(hash) => hash,
            Err(Bad::Labelled) => return self.stats.labelled += 1,
            Err(Bad::Unparsed) => {
                self.stats.unparsed += 1;
                return self.quotes.end_line(line);
            }
        };
        let name = self.reader.name(line);
        let slot = match self.slot {
            // The brace stood in the line before, too.
            Some(slot)
                if self.reader.canonical
                    && shared > self.name_len
                    && name.len() == self.name_len =>
            {
                Some(slot)
            }
            _ => self.slot_of(name),
        };
        if slot.is_none() && self.is_reserved(self.reader.name(line)) {
            self.reader.forget();
            return self.stats.reserved += 1;
        }
        let slot = slot.or_else(|| self.without_suffix(line, self.reader.name(line)));
        let bound = slot.and_then(|slot| self.reader.bound(line, slot.bound?));
        let countable = can_count(self.reader.value(line));
        let fits =
            |slot: &Slot| slot.bound.is_none() == bound.is_none() && (countable || !slot.counts);
        let Some(slot) = slot.filter(fits) else {
            // The next line differs from one that was not kept.
            self.reader.forget();
            return self.stats.misplaced += 1;
        };
        let simple = slot.member == Member::Plain;
        if simple && !insert(&mut self.seen, hash) {
            self.reader.forget();
            self.stats.duplicates += 1;
            return;
        }
        let same_block = self.slot.is_some_and(|last| last.block == slot.block);
        self.slot = Some(slot);
        let Some(block) = self.blocks.get_mut(slot.block) else {
            return;
        };
        self.stats.samples += 1;
        block.samples += 1;
        block.timed |= self.reader.timed();
        block.uncountable |= !countable;
        if !simple {
            let reader = &self.reader;
            let labels = |out: &mut Vec<u8>| reader.labels_into(line, bound, out);
            let grouped = block.grouped.get_or_insert_default();
            grouped.select(reader.group(hash, bound), labels);
            self.rest.clear();
            reader.rest_into(line, bound, &mut self.rest);
            grouped.push(slot.member, &self.rest);
        }
        self.name_len = self.reader.name(line).len();
        if self.reader.canonical {
            if simple {
                delta::encode(&mut block.lines, if same_block { shared } else { 0 }, line);
            }
            self.last.truncate(shared);
            self.last
                .extend_from_slice(line.get(shared..).unwrap_or_default());
        } else {
            self.last.clear();
            self.reader.canonical_into(line, &mut self.last);
            if simple {
                delta::encode(&mut block.lines, 0, &self.last);
            }
            self.reader.forget();
        }
    }

    /// A histogram that has no samples but such as have its own name and a bound is none. So the WebAssembly filters write
    /// theirs (Kong 3.9, `wasmx.lua`); their samples are taken as what they are.
    fn without_suffix(&mut self, line: &[u8], name: &[u8]) -> Option<Slot> {
        let block = self.blocks.get_mut(*self.declared.get(name)?)?;
        let bare = block.family == Some(FamilyType::Histogram) && block.samples == 0;
        if !bare || self.reader.bound(line, b"le").is_none() {
            return None;
        }
        block.family = Some(FamilyType::Untyped);
        self.names.clear();
        self.slot_of(name)
    }

    /// Where samples of this name go: to the family of this name if it is declared, else to the composed one that has it
    /// for a part, else to one of its own.
    fn slot_of(&mut self, name: &[u8]) -> Option<Slot> {
        if let Some(slot) = self.names.get(name) {
            return *slot;
        }
        let place = self.place_of(name);
        let place = place.filter(|(family, ..)| !(self.reserved)(family) && !(self.reserved)(name));
        let slot = place.and_then(|(name, member, family)| {
            Some(Slot {
                block: self.block(name)?,
                member,
                bound: family
                    .filter(|_| member == Member::Bound)
                    .map(FamilyType::bound_label),
                counts: member.counts(family),
            })
        });
        if self.names.len() < FAMILIES {
            self.names.insert(name.into(), slot);
        }
        slot
    }

    /// The family that samples of this name are of, what they are in it, and its type.
    fn place_of<'n>(&self, name: &'n [u8]) -> Option<(&'n [u8], Member, Option<FamilyType>)> {
        let type_of = |name: &[u8]| self.blocks.get(*self.declared.get(name)?)?.family;
        let (family, member) = match (type_of(name), composed_owner(name, type_of)) {
            (Some(FamilyType::Histogram), _) => return None,
            (Some(FamilyType::Summary), _) => (name, Member::Bound),
            (None, Some(composed)) => composed,
            _ => (name, Member::Plain),
        };
        Some((family, member, type_of(family)))
    }

    fn is_reserved(&self, name: &[u8]) -> bool {
        let family = self.place_of(name).map_or(name, |(family, ..)| family);
        (self.reserved)(name) || (self.reserved)(family)
    }

    /// The family of this name, new or not; none if there are too many.
    fn block(&mut self, name: &[u8]) -> Option<usize> {
        if let Some(block) = self.declared.get(name) {
            return Some(*block);
        }
        let block = self.blocks.len();
        if block >= FAMILIES {
            return None;
        }
        self.blocks.push(Block {
            name: name.into(),
            ..Block::default()
        });
        self.declared.insert(name.into(), block);
        Some(block)
    }

    fn comment(&mut self, line: &[u8]) {
        let Some((metadata, name)) = family::metadata(line) else {
            return;
        };
        let after = name.as_ptr().addr() - line.as_ptr().addr() + name.len();
        let text = line.get(after..).unwrap_or_default();
        let block = self.block(name);
        let Some(block) = block.and_then(|block| self.blocks.get_mut(block)) else {
            return self.stats.unparsed += 1;
        };
        match metadata {
            Metadata::Help => {
                let text = text.strip_suffix(b"\n").unwrap_or(text);
                let text = text
                    .get(blanks(text, 0).min(text.len())..)
                    .unwrap_or_default();
                if block.help.is_none() && !text.is_empty() {
                    if valid_help(text) {
                        block.help = Some(text.into());
                    } else {
                        self.stats.unparsed += 1;
                    }
                }
            }
            Metadata::Type => match (family_type(name, text), block.family) {
                (None, _) => self.stats.unparsed += 1,
                // Samples came first, and cannot be of that type.
                (Some(family), None)
                    if (family.composed() && block.samples > 0)
                        || (family == FamilyType::Counter && block.uncountable) =>
                {
                    self.stats.conflicts += 1;
                }
                (Some(family), None) => {
                    block.family = Some(family);
                    // Names may now belong elsewhere.
                    self.names.clear();
                    self.slot = None;
                }
                (Some(family), Some(known)) => {
                    self.stats.conflicts += u64::from(family != known);
                }
            },
            Metadata::Unit => {}
        }
    }
}

/// The type that a TYPE line gives to the family of this name. A counter that is called `_total` would be left without a name
/// by parsers that take off this suffix.
fn family_type(name: &[u8], text: &[u8]) -> Option<FamilyType> {
    match FamilyType::parse(text.trim_ascii())? {
        FamilyType::Counter if name == b"_total" => Some(FamilyType::Untyped),
        family => Some(family),
    }
}

/// Whether the hash is new.
#[inline]
fn insert(seen: &mut HashTable<u64>, hash: u64) -> bool {
    if seen.len() == seen.capacity() {
        // To grow is to move all that is there: by four at a time that is a third of what it is by two.
        seen.reserve(3 * seen.len().max(64), |seen| *seen);
    }
    match seen.entry(hash, |seen| *seen == hash, |seen| *seen) {
        Entry::Vacant(vacant) => {
            vacant.insert(hash);
            true
        }
        Entry::Occupied(_) => false,
    }
}

/// Whether a HELP text is UTF-8 and has no escapes but those of the format.
fn valid_help(text: &[u8]) -> bool {
    let mut escaped = false;
    let escapes = text.iter().all(|byte| {
        let fine = !escaped || matches!(byte, b'\\' | b'n');
        escaped = !escaped && *byte == b'\\';
        fine
    });
    escapes && !escaped && std::str::from_utf8(text).is_ok()
}
