//! For processors whose vectors are not used here: eight bytes after the other.

use super::width::WIDE;
use crate::swar::{equal, first};

/// The index of the first byte that is one of `wanted`.
#[inline]
pub(crate) fn first_of(bytes: &[u8; WIDE], [a, b, c]: [u8; 3]) -> Option<usize> {
    let words = bytes.as_chunks().0.iter().enumerate();
    words
        .filter_map(|(i, word)| {
            let word = u64::from_le_bytes(*word);
            Some(8 * i + first(equal(word, a) | equal(word, b) | equal(word, c))?)
        })
        .next()
}

/// The index of the first byte in which the two differ.
#[inline]
pub(crate) fn first_difference(one: &[u8; WIDE], other: &[u8; WIDE]) -> Option<usize> {
    let words = one.as_chunks().0.iter().zip(other.as_chunks().0);
    words
        .enumerate()
        .filter_map(|(i, (one, other))| {
            let differ = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
            Some(8 * i + first(differ)?)
        })
        .next()
}
