//! Lines that begin alike, stored as what is new in each.
//!
//! A line is the number of bytes it shares with the line before, the number of bytes that are new, and these. Kong's lines
//! share most of what they are made of, so that a body takes a sixth of its size, and is written again by copying.

use std::sync::Arc;

use memchr::memchr;

/// Appends a line to the encoded ones. `shared` bytes of it stood in the line before too.
pub(super) fn encode(to: &mut Vec<u8>, shared: usize, line: &[u8]) {
    let new = line.get(shared..).unwrap_or_default();
    number(to, shared);
    number(to, new.len());
    to.extend_from_slice(new);
}

/// Appends a number.
pub(super) fn number(to: &mut Vec<u8>, mut value: usize) {
    // Seven bits a byte, the lowest first; the highest bit says that more follow.
    loop {
        let [byte, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return to.push(byte & 0x7f);
        }
        to.push(byte | 0x80);
    }
}

/// Reads encoded lines, and puts labels in front of those that each has.
#[derive(Debug)]
pub(super) struct Decoder {
    encoded: Arc<Vec<u8>>,
    place: usize,
    /// Joined by commas.
    labels: Arc<[u8]>,
    /// The last line, with the labels.
    line: Vec<u8>,
    /// Where its own labels begin, in front of which ours stand.
    brace: usize,
    /// The length of ours, and of the comma behind them if the line has labels itself.
    added: usize,
}

impl Decoder {
    pub(super) fn new(encoded: Arc<Vec<u8>>, labels: Arc<[u8]>) -> Self {
        Self {
            encoded,
            place: 0,
            labels,
            line: Vec::new(),
            brace: 0,
            added: 0,
        }
    }

    /// The next line, with its line feed.
    #[inline]
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        let shared = read_number(&self.encoded, &mut self.place)?;
        let length = read_number(&self.encoded, &mut self.place)?;
        let new = self.encoded.get(self.place..self.place + length)?;
        self.place += length;
        if shared > self.brace && self.brace > 0 {
            self.line.truncate(shared + self.added);
            self.line.extend_from_slice(new);
            return Some(&self.line);
        }
        // The beginning is new, and its brace yet to be found.
        self.line.drain(self.brace..self.brace + self.added);
        self.line.truncate(shared);
        self.line.extend_from_slice(new);
        self.brace = memchr(b'{', &self.line)? + 1;
        let comma = self.line.get(self.brace) != Some(&b'}') && !self.labels.is_empty();
        self.added = self.labels.len() + usize::from(comma);
        let labels = self.labels.iter().copied().chain(comma.then_some(b','));
        self.line.splice(self.brace..self.brace, labels);
        Some(&self.line)
    }
}

/// Reads a number at `place`, and goes behind it.
#[inline]
pub(super) fn read_number(encoded: &[u8], place: &mut usize) -> Option<usize> {
    let mut value = 0;
    let mut shift = 0;
    loop {
        let byte = *encoded.get(*place)?;
        *place += 1;
        value |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
        shift += 7;
    }
}
