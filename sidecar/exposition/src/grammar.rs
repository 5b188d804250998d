//! The tokens of a sample line, each as "from here, where does it end".
//!
//! Every function takes a block that ends with a line feed and an index into it, and returns the index after the token,
//! or `None` if the token does not stand there. No token but a comment reaches over a line feed, so an index that
//! was inside the block stays inside.
//!
//! The grammar is the text format 0.0.4's, which lets blanks stand between tokens, with the timestamp and exemplar of
//! OpenMetrics 1.0. Numbers are what Prometheus reads as one: decimal, or an infinity or NaN in any case.

use crate::swar::{first, not_digit, word};
use crate::wide::{WIDE, first_of};

/// The byte at `i`; a line feed beyond the end, which ends every token.
#[inline]
pub(crate) fn at(block: &[u8], i: usize) -> u8 {
    block.get(i).copied().unwrap_or(b'\n')
}

/// Skips blanks and tabs.
#[inline]
pub(crate) fn blanks(block: &[u8], mut i: usize) -> usize {
    while matches!(at(block, i), b' ' | b'\t') {
        i += 1;
    }
    i
}

const NAME: u8 = 1;
const DIGIT: u8 = 2;
const COLON: u8 = 4;

const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0_u8;
    loop {
        class[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => NAME,
            b'0'..=b'9' => DIGIT,
            b':' => COLON,
            _ => 0,
        };
        if byte == u8::MAX {
            break class;
        }
        byte += 1;
    }
};

#[inline]
fn of_class(block: &[u8], start: usize, first: u8, rest: u8) -> Option<usize> {
    if CLASS[usize::from(at(block, start))] & first == 0 {
        return None;
    }
    let mut i = start + 1;
    while CLASS[usize::from(at(block, i))] & rest != 0 {
        i += 1;
    }
    Some(i)
}

/// A metric's name.
#[inline]
pub(crate) fn metric_name(block: &[u8], i: usize) -> Option<usize> {
    of_class(block, i, NAME | COLON, NAME | COLON | DIGIT)
}

/// A label's name, which unlike a metric's has no colon.
#[inline]
pub(crate) fn label_name(block: &[u8], i: usize) -> Option<usize> {
    of_class(block, i, NAME, NAME | DIGIT)
}

/// A quoted value from its first quote on.
#[inline]
pub(crate) fn quoted(block: &[u8], i: usize) -> Option<usize> {
    if at(block, i) == b'"' {
        value_end(block, i + 1)
    } else {
        None
    }
}

/// A quoted value from behind its first quote on.
#[inline]
pub(crate) fn value_end(block: &[u8], i: usize) -> Option<usize> {
    escaped_end(block, i, |escaped| escaped != b'\n')
}

/// The same, if its escapes are those that the formats define.
#[inline]
pub(crate) fn strict_value_end(block: &[u8], i: usize) -> Option<usize> {
    escaped_end(block, i, |escaped| matches!(escaped, b'\\' | b'"' | b'n'))
}

#[inline]
fn escaped_end(block: &[u8], mut i: usize, may_be_escaped: impl Fn(u8) -> bool) -> Option<usize> {
    loop {
        i = special(block, i);
        match at(block, i) {
            b'"' => return Some(i + 1),
            b'\\' if may_be_escaped(at(block, i + 1)) => i += 2,
            _ => return None,
        }
    }
}

/// The next quote, backslash or line feed.
#[inline]
fn special(block: &[u8], mut i: usize) -> usize {
    while let Some(bytes) = block.get(i..).and_then(<[u8]>::first_chunk) {
        if let Some(len) = first_of(bytes, *b"\"\\\n") {
            return i + len;
        }
        i += WIDE;
    }
    while !matches!(at(block, i), b'"' | b'\\' | b'\n') {
        i += 1;
    }
    i
}

#[inline]
fn digits(block: &[u8], mut i: usize) -> usize {
    if let Some(len) = word(block, i).and_then(|word| first(not_digit(word))) {
        return i + len;
    }
    while at(block, i).is_ascii_digit() {
        i += 1;
    }
    i
}

/// A decimal number, with or without fraction and exponent.
#[inline]
pub(crate) fn decimal(block: &[u8], start: usize) -> Option<usize> {
    let first = match at(block, start) {
        b'+' | b'-' => start + 1,
        _ => start,
    };
    let mut i = digits(block, first);
    let mut some = i > first;
    if at(block, i) == b'.' {
        let fraction = i + 1;
        i = digits(block, fraction);
        some |= i > fraction;
    }
    if !some {
        return None;
    }
    if matches!(at(block, i), b'e' | b'E') {
        let exponent = match at(block, i + 1) {
            b'+' | b'-' => i + 2,
            _ => i + 1,
        };
        i = digits(block, exponent);
        if i == exponent {
            return None;
        }
    }
    Some(i)
}

/// A sample's value: a decimal number, an infinity with or without sign, or NaN.
#[inline]
pub(crate) fn value(block: &[u8], start: usize) -> Option<usize> {
    decimal(block, start).or_else(|| not_finite(block, start))
}

#[cold]
fn not_finite(block: &[u8], start: usize) -> Option<usize> {
    let (unsigned, words): (_, &[&[u8]]) = match at(block, start) {
        b'+' | b'-' => (start + 1, &[b"infinity", b"inf"]),
        _ => (start, &[b"infinity", b"inf", b"nan"]),
    };
    let end = |word: &&[u8]| {
        let end = unsigned + word.len();
        block
            .get(unsigned..end)
            .is_some_and(|text| text.eq_ignore_ascii_case(word))
            .then_some(end)
    };
    words.iter().find_map(end)
}
