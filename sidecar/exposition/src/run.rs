//! The buckets of one histogram: lines that differ in `le` and in the number only.
//!
//! They are three quarters of what Kong sends. Nothing is learnt from them that the first of them has not told, so each
//! costs one comparison, a look at its last bytes, and one copy of what the first became.

use crate::swar::{equal, first, not_digit, word};

/// How many bytes behind the head are looked at: a longer rest is no bucket's.
pub(crate) const REST: usize = 24;

/// If the line at `start` of the block is `head`, then `le="…"} 123`, returns what follows the head: the rest's
/// length with its line feed, and the bytes it starts.
#[inline]
pub(crate) fn bucket<'b>(
    block: &'b [u8],
    start: usize,
    head: &[u8],
) -> Option<(usize, &'b [u8; REST])> {
    let (this, rest) = block.get(start..)?.split_at_checked(head.len())?;
    let rest: &[u8; REST] = rest.first_chunk()?;
    if !rest.starts_with(b"le=\"") || this != head {
        return None;
    }
    let bound = word(rest, 4)?;
    // The masks with 7 tell the compiler what is true anyhow: that no index below can be out of bounds.
    let quote = 4 + (first(equal(bound, b'"') | equal(bound, b'\\') | equal(bound, b'\n'))? & 7);
    if rest[quote..quote + 3] != *b"\"} " {
        return None;
    }
    let digits = first(not_digit(word(rest, quote + 3)?))? & 7;
    let feed = quote + 3 + digits;
    (digits > 0 && rest[feed] == b'\n').then_some((feed + 1, rest))
}
