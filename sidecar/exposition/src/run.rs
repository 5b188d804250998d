//! Lines that differ in the last label's value and in the number only, as the buckets of one histogram do.
//!
//! They are most of what Kong sends. The first of them decides for all, so each costs one comparison, a look at its last
//! bytes, and one copy of what became of the first.

use crate::opening::Opening;
use crate::swar::{equal, first, not_digit, word};

/// How many bytes behind the head are looked at: a longer rest is left to the reader.
pub(crate) const REST: usize = 64;

/// If the line at `start` of the block is `head`, then the label that `opening` opens, then `} 123`, returns what follows
/// the head.
#[inline]
pub(crate) fn follows<'b>(
    block: &'b [u8],
    start: usize,
    head: &[u8],
    opening: Opening,
) -> Option<Follower<'b>> {
    let (this, rest) = block.get(start..)?.split_at_checked(head.len())?;
    let rest: &[u8; REST] = rest.first_chunk()?;
    let value = opening.again(rest, 0)?;
    if this != head {
        return None;
    }
    let end = plain_end(rest, value, |_| 0)?;
    Some(Follower { rest, value, end })
}

/// What follows the head of a line.
pub(crate) struct Follower<'b> {
    /// The bytes that it starts.
    pub rest: &'b [u8; REST],
    /// Where the last label's value begins in them.
    pub value: usize,
    /// How they go on.
    pub end: PlainEnd,
}

impl<'b> Follower<'b> {
    /// Its length, with its line feed.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.end.feed + 1
    }

    /// The last label's value, and the sample's.
    #[inline]
    pub(crate) fn values(&self) -> Option<(&'b [u8], &'b [u8])> {
        let label = self.rest.get(self.value..self.end.quote)?;
        Some((label, self.rest.get(self.end.quote + 3..self.end.feed)?))
    }
}

/// How a line goes on behind the opening quote of its last label.
pub(crate) struct PlainEnd {
    /// Where the closing quote stands.
    pub quote: usize,
    /// Where the line feed stands.
    pub feed: usize,
}

/// The end of a line whose last value begins at `value`, if it is plain: no escape in the value, one blank, and a number of
/// at most seven digits. `refused` marks further bytes of a word that the value must not hold. Whatever is out of the
/// ordinary, or too near the end of `bytes`, is left to the reader of lines.
#[inline]
pub(crate) fn plain_end(
    bytes: &[u8],
    value: usize,
    refused: impl Fn(u64) -> u64,
) -> Option<PlainEnd> {
    let mut quote = value;
    loop {
        let word = word(bytes, quote)?;
        let stop = equal(word, b'"') | equal(word, b'\\') | equal(word, b'\n') | refused(word);
        if let Some(len) = first(stop) {
            quote += len;
            break;
        }
        quote += 8;
    }
    if bytes.get(quote..quote + 3)? != b"\"} " {
        return None;
    }
    let digits = first(not_digit(word(bytes, quote + 3)?))?;
    let feed = quote + 3 + digits;
    (digits > 0 && *bytes.get(feed)? == b'\n').then_some(PlainEnd { quote, feed })
}
