//! Eight bytes at once, in an ordinary register.
//!
//! The values of `le` and the numbers behind them are shorter than that, and their lengths vary. In a loop over bytes, the
//! processor mispredicts the end of nearly every one.
//!
//! A mask has the highest bit of a byte set where the byte is meant. Only its lowest such bit is exact.

const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// The eight bytes from `i` on, the first one lowest; `None` if there are fewer.
#[inline]
pub(crate) fn word(block: &[u8], i: usize) -> Option<u64> {
    block
        .get(i..)?
        .first_chunk()
        .map(|bytes| u64::from_le_bytes(*bytes))
}

/// Where in `word` the byte stands.
#[inline]
pub(crate) fn equal(word: u64, byte: u8) -> u64 {
    let differ = word ^ (LOW * u64::from(byte));
    differ.wrapping_sub(LOW) & !differ & HIGH
}

/// Where in `word` a byte stands that is not an ASCII digit.
#[inline]
pub(crate) fn not_digit(word: u64) -> u64 {
    // A digit is now 0 to 9, and 0x76 more than that stays below the highest bit; nothing can carry into the next byte.
    let value = word ^ (LOW * u64::from(b'0'));
    (((value & !HIGH) + LOW * 0x76) | value) & HIGH
}

/// Where in `word` a byte stands that is not ASCII.
#[inline]
pub(crate) fn not_ascii(word: u64) -> u64 {
    word & HIGH
}

/// The index of the first byte of a mask.
#[inline]
pub(crate) fn first(mask: u64) -> Option<usize> {
    (mask != 0).then(|| mask.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests;
