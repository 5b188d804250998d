//! With the vectors that every x86-64 has, as masks with bit `i` for byte `i`.

use std::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
};

use super::width::WIDE;

/// The index of the first byte that is one of `wanted`.
#[allow(unsafe_code)]
#[inline]
pub(crate) fn first_of(bytes: &[u8; WIDE], wanted: [u8; 3]) -> Option<usize> {
    // SAFETY: SSE2 is part of x86-64.
    lowest(unsafe { any_of(bytes, wanted) })
}

/// The index of the first byte in which the two differ.
#[allow(unsafe_code)]
#[inline]
pub(crate) fn first_difference(one: &[u8; WIDE], other: &[u8; WIDE]) -> Option<usize> {
    // SAFETY: SSE2 is part of x86-64.
    lowest(!unsafe { same(one, other) })
}

#[inline]
fn lowest(mask: u64) -> Option<usize> {
    (mask != 0).then(|| mask.trailing_zeros() as usize)
}

#[inline]
#[target_feature(enable = "sse2")]
fn any_of(bytes: &[u8; WIDE], [a, b, c]: [u8; 3]) -> u64 {
    let (a, b, c) = (every(a), every(b), every(c));
    let mut mask = 0;
    for (i, part) in bytes.as_chunks().0.iter().enumerate() {
        let part = load(part);
        let either = _mm_or_si128(_mm_cmpeq_epi8(part, a), _mm_cmpeq_epi8(part, b));
        mask |= bits(_mm_or_si128(either, _mm_cmpeq_epi8(part, c))) << (16 * i);
    }
    mask
}

#[inline]
#[target_feature(enable = "sse2")]
fn same(one: &[u8; WIDE], other: &[u8; WIDE]) -> u64 {
    let parts = one.as_chunks().0.iter().zip(other.as_chunks().0);
    let mut mask = 0;
    for (i, (one, other)) in parts.enumerate() {
        mask |= bits(_mm_cmpeq_epi8(load(one), load(other))) << (16 * i);
    }
    mask
}

#[inline]
#[target_feature(enable = "sse2")]
fn every(byte: u8) -> __m128i {
    _mm_set1_epi8(byte.cast_signed())
}

/// The compiler makes one load of it.
#[inline]
#[target_feature(enable = "sse2")]
fn load(bytes: &[u8; 16]) -> __m128i {
    let [low, high] = [0, 64].map(|shift| u128::from_le_bytes(*bytes) >> shift);
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the lower half of each is meant"
    )]
    _mm_set_epi64x(high as i64, low as i64)
}

#[inline]
#[target_feature(enable = "sse2")]
fn bits(found: __m128i) -> u64 {
    u64::from(_mm_movemask_epi8(found).cast_unsigned())
}
