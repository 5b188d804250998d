//! Lines that differ in the last label's value and in the number only, as the buckets of one histogram do.
//!
//! They are most of what Kong sends. Nothing is learnt from them that the first of them has not told, so each
//! costs one comparison, a look at its last bytes, and one copy of what the first became.

use crate::opening::Opening;
use crate::swar::{equal, first, not_digit, word};

/// How many bytes behind the head are looked at: a longer rest is left to the reader.
pub(crate) const REST: usize = 64;

/// If the line at `start` of the block is `head`, then the label that `opening` opens, then `} 123`, returns what follows
/// the head: the rest's length with its line feed, and the bytes it starts.
#[inline]
pub(crate) fn follows<'b>(
    block: &'b [u8],
    start: usize,
    head: &[u8],
    opening: Opening,
) -> Option<(usize, &'b [u8; REST])> {
    let (this, rest) = block.get(start..)?.split_at_checked(head.len())?;
    let rest: &[u8; REST] = rest.first_chunk()?;
    let mut quote = opening.again(rest, 0)?;
    if this != head {
        return None;
    }
    loop {
        let word = word(rest, quote)?;
        if let Some(len) = first(equal(word, b'"') | equal(word, b'\\') | equal(word, b'\n')) {
            quote += len;
            break;
        }
        quote += 8;
    }
    if rest.get(quote..quote + 3)? != b"\"} " {
        return None;
    }
    let digits = first(not_digit(word(rest, quote + 3)?))?;
    let feed = quote + 3 + digits;
    (digits > 0 && *rest.get(feed)? == b'\n').then_some((feed + 1, rest))
}
