//! A family's metadata, pending until it is known whether any of its samples is kept.

use crate::family::{Metadata, owns};
use crate::grammar::{blanks, metric_name};

/// The metadata of the family that was announced last.
#[derive(Debug, Default)]
pub(crate) struct PendingMetadata {
    family: Vec<u8>,
    lines: Vec<u8>,
    /// Which kinds `lines` holds.
    kinds: [bool; 3],
}

impl PendingMetadata {
    /// Takes a metadata line, and forgets those of another family. The first line of each kind is kept, which bounds what is
    /// held.
    pub(crate) fn hold(&mut self, kind: Metadata, family: &[u8], line: &[u8]) {
        if self.family != family {
            self.family.clear();
            self.family.extend_from_slice(family);
            self.forget();
        }
        let known = match kind {
            Metadata::Help => &mut self.kinds[0],
            Metadata::Type => &mut self.kinds[1],
            Metadata::Unit => &mut self.kinds[2],
        };
        if !std::mem::replace(known, true) {
            self.lines.extend_from_slice(line);
        }
    }

    /// The sample that starts at `start` of the block is about to be written: writes the metadata first, if it is this
    /// family's and not yet written.
    pub(crate) fn release(&mut self, block: &[u8], start: usize, out: &mut Vec<u8>) {
        if self.lines.is_empty() {
            return;
        }
        let name = blanks(block, start);
        let end = metric_name(block, name).unwrap_or(name);
        if block
            .get(name..end)
            .is_some_and(|name| owns(&self.family, name))
        {
            out.extend_from_slice(&self.lines);
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.lines.clear();
        self.kinds = [false; 3];
    }
}
