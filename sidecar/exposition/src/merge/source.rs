//! One source's exposition, read as it streams in and kept small.

use foldhash::fast::RandomState;
use hashbrown::hash_table::Entry;
use hashbrown::{HashMap, HashTable};
use memchr::memchr;

use super::delta;
use super::kind::{Kind, Needs, composed_owner};
use super::series::{Bad, LineReader};
use super::stats::SourceStats;
use crate::carry::{Carry, Stretch};
use crate::escape::label_into;
use crate::family::{self, Metadata};
use crate::grammar::{at, blanks};
use crate::quotes::Quotes;
use crate::sample::common_prefix;

/// One family of a source.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub name: Box<[u8]>,
    pub kind: Option<Kind>,
    pub help: Option<Box<[u8]>>,
    /// The samples, encoded by [`delta`].
    pub lines: Vec<u8>,
    pub samples: u64,
    /// Whether any sample has a timestamp.
    pub timed: bool,
}

/// Where a sample of some name goes.
#[derive(Clone, Copy, Debug)]
struct Slot {
    block: usize,
    needs: Needs,
}

/// What one source sends, on its way into a [`Merger`](super::Merger). Sources are read independently of each other.
///
/// A source that breaks off is dropped, so that it costs its own samples and no others.
///
/// ```
/// use tagalong_exposition::merge::Source;
///
/// let mut source = Source::new(&[("dataplane_pod", "kong-1")], 64 * 1024);
/// source.push(b"# TYPE up gauge\nup 1\nup");
/// source.push(b" 1\n");
/// source.finish();
/// assert_eq!((source.stats().samples, source.stats().duplicates), (1, 1));
/// ```
#[derive(Debug)]
pub struct Source {
    pub(super) labels: Vec<u8>,
    pub(super) blocks: Vec<Block>,
    front: Vec<Box<[u8]>>,
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
    carry: Carry,
    /// Open where a line ended inside a quoted value.
    quotes: Quotes,
}

impl Source {
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
            front: labels
                .iter()
                .map(|(name, _)| name.as_bytes().into())
                .collect(),
            max_line,
            stats: SourceStats::default(),
            names: HashMap::default(),
            declared: HashMap::default(),
            seen: HashTable::new(),
            reader: LineReader::default(),
            last: Vec::new(),
            slot: None,
            name_len: 0,
            carry: Carry::new(max_line),
            quotes: Quotes::default(),
        }
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
        self.blocks.iter().map(|block| block.lines.capacity()).sum()
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
        let run = self.reader.run(&self.last, slot.needs);
        let (Some(run), Some(block)) = (run, self.blocks.get_mut(slot.block)) else {
            return rest;
        };
        while let Some((length, hash)) = self.reader.follow(&run, &self.last, rest) {
            let (line, after) = rest.split_at(length);
            if length > self.max_line.saturating_add(1) || !insert(&mut self.seen, hash) {
                break;
            }
            delta::encode(&mut block.lines, run.head, line);
            block.samples += 1;
            self.stats.samples += 1;
            self.last.truncate(run.head);
            self.last
                .extend_from_slice(line.get(run.head..).unwrap_or_default());
            rest = after;
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
        let Some(slot) = slot.filter(|slot| self.fits(line, slot.needs)) else {
            // The next line differs from one that was not kept.
            self.reader.forget();
            return self.stats.misplaced += 1;
        };
        if !insert(&mut self.seen, hash) {
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
        if self.reader.canonical {
            self.name_len = self.reader.name(line).len();
            delta::encode(&mut block.lines, if same_block { shared } else { 0 }, line);
            self.last.truncate(shared);
            self.last
                .extend_from_slice(line.get(shared..).unwrap_or_default());
        } else {
            self.last.clear();
            self.reader.canonical_into(line, &mut self.last);
            self.name_len = self.reader.name(line).len();
            delta::encode(&mut block.lines, 0, &self.last);
            self.reader.forget();
        }
    }

    fn fits(&self, line: &[u8], needs: Needs) -> bool {
        match needs {
            Needs::Nothing => true,
            Needs::Le => self.reader.has_number(line, b"le"),
            Needs::Quantile => self.reader.has_number(line, b"quantile"),
        }
    }

    /// Where samples of this name go: to the family of this name if it is declared, else to the composed one that has it
    /// for a part, else to one of its own.
    fn slot_of(&mut self, name: &[u8]) -> Option<Slot> {
        if let Some(slot) = self.names.get(name) {
            return *slot;
        }
        let kind_of = |name: &[u8]| self.blocks.get(*self.declared.get(name)?)?.kind;
        let slot = match (kind_of(name), composed_owner(name, kind_of)) {
            (Some(Kind::Histogram), _) => None,
            (Some(Kind::Summary), _) => Some((name, Needs::Quantile)),
            (None, Some(composed)) => Some(composed),
            _ => Some((name, Needs::Nothing)),
        };
        let slot = slot.map(|(family, needs)| Slot {
            block: self.block(family),
            needs,
        });
        self.names.insert(name.into(), slot);
        slot
    }

    /// The family of this name, new or not.
    fn block(&mut self, name: &[u8]) -> usize {
        if let Some(block) = self.declared.get(name) {
            return *block;
        }
        let block = self.blocks.len();
        self.blocks.push(Block {
            name: name.into(),
            ..Block::default()
        });
        self.declared.insert(name.into(), block);
        block
    }

    fn comment(&mut self, line: &[u8]) {
        let Some((metadata, name)) = family::metadata(line) else {
            return;
        };
        let after = name.as_ptr().addr() - line.as_ptr().addr() + name.len();
        let text = line.get(after..).unwrap_or_default();
        let block = self.block(name);
        let Some(block) = self.blocks.get_mut(block) else {
            return;
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
            Metadata::Type => match (Kind::parse(text.trim_ascii()), block.kind) {
                (None, _) => self.stats.unparsed += 1,
                // Samples came first, and cannot be of that type.
                (Some(kind), None) if kind.composed() && block.samples > 0 => {
                    self.stats.conflicts += 1;
                }
                (Some(kind), None) => {
                    block.kind = Some(kind);
                    // Names may now belong elsewhere.
                    self.names.clear();
                    self.slot = None;
                }
                (Some(kind), Some(known)) => self.stats.conflicts += u64::from(kind != known),
            },
            Metadata::Unit => {}
        }
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
