//! Many sources' families, brought together and written out.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use memchr::memrchr;

use super::delta::Decoder;
use super::kind::{Kind, composed_owner};
use super::source::{Block, Source};
use super::stats::MergeStats;

/// How the merged exposition is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text format 0.0.4.
    #[default]
    Text,
    /// OpenMetrics 1.0: with an end mark, counters named as it wants them (others are `unknown`), and timestamps in
    /// seconds. The samples of a histogram keep the order in which they came.
    OpenMetrics,
}

/// Brings sources together, family by family. A clone shares the samples, so that what was read once can be written
/// several times, in several formats; what all who share it have written is let go.
///
/// ```
/// use tagalong_exposition::merge::{Format, Merger, Source};
///
/// let mut merger = Merger::default();
/// for pod in ["kong-1", "kong-2"] {
///     let mut source = Source::new(&[("dataplane_pod", pod)], 64 * 1024);
///     source.push(b"# HELP up About\n# TYPE up gauge\nup{a=\"b\"} 1\n");
///     source.finish();
///     merger.add(source);
/// }
/// let mut out = Vec::new();
/// let mut merged = merger.finish(Format::Text);
/// while merged.next(&mut out) {}
/// assert_eq!(
///     String::from_utf8_lossy(&out),
///     "# HELP up About\n# TYPE up gauge\n\
///      up{dataplane_pod=\"kong-1\",a=\"b\"} 1\nup{dataplane_pod=\"kong-2\",a=\"b\"} 1\n",
/// );
/// ```
#[derive(Clone, Debug, Default)]
pub struct Merger {
    families: Vec<Family>,
    names: HashMap<Box<[u8]>, usize, RandomState>,
    labels: HashSet<Vec<u8>>,
    ordered: Vec<Arc<[u8]>>,
    stats: MergeStats,
}

/// One family of all sources.
#[derive(Clone, Debug, Default)]
struct Family {
    name: Box<[u8]>,
    kind: Option<Kind>,
    help: Option<Box<[u8]>>,
    /// Each source's part.
    parts: VecDeque<Part>,
    timed: bool,
}

/// One family of one source.
#[derive(Clone, Debug)]
struct Part {
    /// The source's number.
    source: usize,
    lines: Arc<Vec<u8>>,
    samples: u64,
}

impl Merger {
    /// Adds a source that has been [finished](Source::finish). The first source that tells a family's type or help decides.
    ///
    /// A source with the same labels as an earlier one is refused, since all its series could be there already; it is
    /// counted, and `false` returned.
    pub fn add(&mut self, source: Source) -> bool {
        let Source { labels, blocks, .. } = source;
        if !self.labels.insert(labels.clone()) {
            self.stats.refused += 1;
            return false;
        }
        let number = self.ordered.len();
        self.ordered.push(labels.into());
        self.stats.sources += 1;
        for block in blocks {
            let index = *self.names.entry(block.name.clone()).or_insert_with(|| {
                self.families.push(Family {
                    name: block.name.clone(),
                    ..Family::default()
                });
                self.families.len() - 1
            });
            self.stats.samples += block.samples;
            if let Some(family) = self.families.get_mut(index) {
                family.take(number, block, &mut self.stats);
            }
        }
        true
    }

    /// No source is still to come.
    #[must_use]
    pub fn finish(mut self, format: Format) -> Merged {
        let headers: Vec<_> = self
            .families
            .iter()
            .map(|family| self.header(family, format))
            .collect();
        let mut families = VecDeque::new();
        for (family, header) in self.families.into_iter().zip(headers) {
            match header {
                Some(header) => families.push_back((header, family)),
                None => family
                    .parts
                    .iter()
                    .for_each(|part| self.stats.leave_out(part.samples)),
            }
        }
        Merged {
            format,
            families,
            labels: self.ordered,
            stats: self.stats,
            part: None,
            ended: false,
        }
    }

    /// The family's HELP and TYPE; `None` if its samples would be taken for parts of another.
    fn header(&self, family: &Family, format: Format) -> Option<Vec<u8>> {
        let kind_of = |name: &[u8]| self.families.get(*self.names.get(name)?)?.kind;
        if composed_owner(&family.name, kind_of).is_some() {
            return None;
        }
        let declared = family.kind.map_or("", Kind::text);
        if format == Format::Text {
            return Some(family.header(&family.name, declared, false));
        }
        // OpenMetrics calls the family of a counter what its samples are called without `_total`.
        let stem = family.name.strip_suffix(b"_total").filter(|stem| {
            !stem.is_empty()
                && !self.names.contains_key(*stem)
                && composed_owner(stem, kind_of).is_none()
        });
        Some(match (family.kind, stem) {
            (Some(Kind::Counter), Some(stem)) => family.header(stem, declared, true),
            (Some(Kind::Counter | Kind::Untyped), _) => {
                family.header(&family.name, "unknown", true)
            }
            _ => family.header(&family.name, declared, true),
        })
    }
}

impl Family {
    fn take(&mut self, source: usize, block: Block, stats: &mut MergeStats) {
        let fits = match (self.kind, block.kind) {
            (Some(known), Some(kind)) => known == kind,
            // Samples of no declared type are at home in a family of simple ones.
            (Some(kind), None) => !kind.composed(),
            (None, Some(kind)) => !kind.composed() || self.parts.is_empty(),
            (None, None) => true,
        };
        if !fits {
            return stats.leave_out(block.samples);
        }
        self.kind = self.kind.or(block.kind);
        self.help = self.help.take().or(block.help);
        self.timed |= block.timed;
        self.parts.push_back(Part {
            source,
            lines: Arc::new(block.lines),
            samples: block.samples,
        });
    }

    fn header(&self, name: &[u8], kind: &str, openmetrics: bool) -> Vec<u8> {
        let mut header = Vec::new();
        if let Some(help) = &self.help {
            header.extend_from_slice(b"# HELP ");
            header.extend_from_slice(name);
            header.push(b' ');
            for byte in help {
                // Text format has no need to escape it.
                if openmetrics && *byte == b'"' {
                    header.push(b'\\');
                }
                header.push(*byte);
            }
            header.push(b'\n');
        }
        if !kind.is_empty() {
            header.extend_from_slice(b"# TYPE ");
            header.extend_from_slice(name);
            header.push(b' ');
            header.extend_from_slice(kind.as_bytes());
            header.push(b'\n');
        }
        header
    }
}

/// The merged exposition, written piece by piece. What has been written is let go.
#[derive(Debug)]
pub struct Merged {
    format: Format,
    families: VecDeque<(Vec<u8>, Family)>,
    labels: Vec<Arc<[u8]>>,
    stats: MergeStats,
    /// The part that is being written.
    part: Option<Decoder>,
    ended: bool,
}

/// How much is written at once, but for the end of a line.
const PIECE: usize = 64 * 1024;

impl Merged {
    /// Appends the next piece, of some 64 KiB, to `out`. Returns whether there was one.
    pub fn next(&mut self, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        let full = before + PIECE;
        while out.len() < full {
            let timed = self
                .families
                .front()
                .is_some_and(|(_, family)| family.timed);
            let seconds = timed && self.format == Format::OpenMetrics;
            if let Some(part) = &mut self.part {
                while let Some(line) = part.next() {
                    if seconds {
                        in_seconds(line, out);
                    } else {
                        out.extend_from_slice(line);
                    }
                    if out.len() >= full {
                        return true;
                    }
                }
                self.part = None;
            }
            if !self.begin_part(out) {
                if !self.ended && self.format == Format::OpenMetrics {
                    out.extend_from_slice(b"# EOF\n");
                }
                self.ended = true;
                break;
            }
        }
        out.len() > before
    }

    /// What was left out, and what was not.
    #[must_use]
    pub fn stats(&self) -> MergeStats {
        self.stats
    }

    /// Goes on to the next part, of the same family or another, if there is one.
    fn begin_part(&mut self, out: &mut Vec<u8>) -> bool {
        while let Some((header, family)) = self.families.front_mut() {
            out.append(header);
            if let Some(Part { source, lines, .. }) = family.parts.pop_front() {
                let labels = self.labels.get(source).cloned().unwrap_or_default();
                self.part = Some(Decoder::new(lines, labels));
                return true;
            }
            self.families.pop_front();
        }
        false
    }
}

/// Writes a line whose timestamp, if it has one, is in milliseconds, with one in seconds.
fn in_seconds(line: &[u8], out: &mut Vec<u8>) {
    let brace = memrchr(b'}', line).unwrap_or_default();
    let mut words = line
        .get(brace..)
        .unwrap_or_default()
        .trim_ascii_end()
        .split(|byte| *byte == b' ');
    let Some(timestamp) = words.nth(2) else {
        return out.extend_from_slice(line);
    };
    let (sign, digits) = match timestamp.strip_prefix(b"-") {
        Some(digits) => (&b"-"[..], digits),
        None => (&b""[..], timestamp),
    };
    out.extend_from_slice(
        line.trim_ascii_end()
            .strip_suffix(timestamp)
            .unwrap_or(line),
    );
    out.extend_from_slice(sign);
    let padded = [&b"0000"[digits.len().min(4)..], digits].concat();
    let (seconds, millis) = padded.split_at(padded.len() - 3);
    out.extend_from_slice(seconds);
    out.push(b'.');
    out.extend_from_slice(millis);
    out.push(b'\n');
}
