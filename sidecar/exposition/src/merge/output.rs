//! The merged exposition, written piece by piece.

use std::collections::VecDeque;
use std::sync::Arc;

use memchr::memrchr;

use super::delta::Decoder;
use super::family::{Family, Part};
use super::format::Format;
use super::grouped::GroupedWriter;
use super::header::Pass;
use super::stats::MergeStats;
use super::types::FamilyType;

/// The merged exposition, written piece by piece. What has been written is let go.
#[derive(Debug)]
pub struct Merged {
    format: Format,
    families: VecDeque<WrittenFamily>,
    labels: Vec<Arc<[u8]>>,
    stats: MergeStats,
    /// The part that is being written, and whether its timestamps are to be in seconds.
    part: Option<(Writer, bool)>,
    ended: bool,
}

/// A family that is to be written.
#[derive(Debug)]
pub(super) struct WrittenFamily {
    name: Box<[u8]>,
    family: Option<FamilyType>,
    passes: VecDeque<Pass>,
    parts: VecDeque<Part>,
    /// How many parts this pass has begun, unless it is the last, which takes them away.
    begun: usize,
}

impl WrittenFamily {
    pub(super) fn new(family: Family, agreed: Option<FamilyType>, passes: Vec<Pass>) -> Self {
        Self {
            name: family.name,
            family: agreed,
            passes: passes.into(),
            parts: family.parts,
            begun: 0,
        }
    }
}

/// Writes a part's lines.
#[derive(Debug)]
enum Writer {
    Lines(Decoder),
    Grouped(Box<GroupedWriter>),
}

impl Writer {
    /// Appends the next line. Returns whether there was one.
    #[inline]
    fn next(&mut self, seconds: bool, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Lines(decoder) => match decoder.next() {
                Some(line) if seconds => in_seconds(line, out),
                Some(line) => out.extend_from_slice(line),
                None => return false,
            },
            Self::Grouped(grouped) => {
                let start = out.len();
                if !grouped.next(out) {
                    return false;
                }
                if seconds {
                    let line = out.split_off(start);
                    in_seconds(&line, out);
                }
            }
        }
        true
    }
}

/// How much is written at once, but for the end of a line.
const PIECE: usize = 64 * 1024;

impl Merged {
    pub(super) fn new(
        format: Format,
        families: VecDeque<WrittenFamily>,
        labels: Vec<Arc<[u8]>>,
        stats: MergeStats,
    ) -> Self {
        Self {
            format,
            families,
            labels,
            stats,
            part: None,
            ended: false,
        }
    }

    /// Appends the next piece, of some 64 KiB, to `out`. Returns whether there was one.
    pub fn next(&mut self, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        let full = before + PIECE;
        while out.len() < full {
            if let Some((writer, seconds)) = &mut self.part {
                while writer.next(*seconds, out) {
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
        while let Some(family) = self.families.front_mut() {
            let last = family.passes.len() == 1;
            let Some((header, only)) = family.passes.front_mut() else {
                self.families.pop_front();
                continue;
            };
            out.append(header);
            let part = if last {
                family.parts.pop_front()
            } else {
                family.begun += 1;
                family.parts.get(family.begun - 1).cloned()
            };
            let Some(part) = part else {
                family.passes.pop_front();
                family.begun = 0;
                continue;
            };
            let labels = self.labels.get(part.source).cloned().unwrap_or_default();
            let writer = match family.family.filter(|family| family.composed()) {
                Some(composed) => {
                    let called = (composed, &*family.name);
                    Writer::Grouped(Box::new(GroupedWriter::new(
                        part.lines, called, &labels, *only,
                    )))
                }
                None => Writer::Lines(Decoder::new(part.lines, labels)),
            };
            self.part = Some((writer, part.timed && self.format == Format::OpenMetrics));
            return true;
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
    out.extend_from_slice(
        line.trim_ascii_end()
            .strip_suffix(timestamp)
            .unwrap_or(line),
    );
    let padded = [&b"0000"[timestamp.len().min(4)..], timestamp].concat();
    let (seconds, millis) = padded.split_at(padded.len() - 3);
    out.extend_from_slice(seconds);
    out.push(b'.');
    out.extend_from_slice(millis);
    out.push(b'\n');
}
