//! Whether a series of a histogram or summary is whole: complete, and at one with itself.
//!
//! Kong's are not always. When its memory is full, it forgets lines, and what it prints under load is no snapshot. The text
//! format takes that; strict readers of OpenMetrics refuse the whole exposition for it.

use std::collections::HashSet;

use super::number::value;
use super::record;
use super::types::{FamilyType, Member};

/// Integers above it are not exact in a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What is to be known of one series' records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whether it is certain that none of them stands there twice.
    pub unique: bool,
    pub whole: bool,
    /// Which members there are, in the order of [`Member::COMPOSED`].
    pub members: [bool; 3],
}

/// Looks through the records of one series.
pub(super) fn look(family: FamilyType, records: &[u8]) -> Seen {
    let (mut last_bound, mut last_value) = (f64::NEG_INFINITY, 0.0);
    let mut last_text: &[u8] = b"";
    let (mut count, mut sum) = (None, None);
    let (mut unique, mut whole) = (true, true);
    let mut first = true;
    let mut members = [false; 3];
    let mut place = 0;
    while let Some((member, rest)) = record::read(records, &mut place) {
        let rest = rest.strip_suffix(b"\n").unwrap_or(rest);
        match member {
            Member::Bound => {
                members[0] = true;
                let quote = rest.iter().position(|byte| *byte == b'"');
                let (text, number) = rest.split_at(quote.unwrap_or(rest.len()));
                let number = number.strip_prefix(b"\"} ").unwrap_or(number);
                let (bound, value) = (value(text), number_alone(number, &mut whole));
                unique &= first || bound > last_bound;
                whole &= if family == FamilyType::Histogram {
                    // A histogram with negative bounds has no sum there.
                    bound >= 0.0 && value >= last_value && value <= EXACT && value.fract() == 0.0
                } else {
                    (0.0..=1.0).contains(&bound) && (value.is_nan() || value >= 0.0)
                };
                (last_bound, last_value, last_text, first) = (bound, value, text, false);
            }
            Member::Sum => {
                members[1] = true;
                let value = number_alone(rest, &mut whole);
                unique &= sum.replace(value).is_none();
                whole &= value >= 0.0;
            }
            Member::Count | Member::Plain => {
                members[2] = true;
                let value = number_alone(rest, &mut whole);
                unique &= count.replace(value).is_none();
                whole &= (0.0..=EXACT).contains(&value) && value.fract() == 0.0;
            }
        }
    }
    whole &= unique && count.is_some() == sum.is_some();
    if family == FamilyType::Histogram {
        whole &= last_text == b"+Inf" && count == Some(last_value);
    }
    Seen {
        unique,
        whole,
        members,
    }
}

/// A sample's number. One with a timestamp is not looked at further: readers want all samples of a series to have the same.
fn number_alone(text: &[u8], whole: &mut bool) -> f64 {
    let number = match text.iter().position(|byte| *byte == b' ') {
        Some(blank) => {
            *whole = false;
            text.get(..blank).unwrap_or_default()
        }
        None => text,
    };
    value(number)
}

/// Takes out what stands there a second time, and returns how many that were. Bounds are the same if they are the same
/// number.
pub(super) fn deduplicate(records: &mut Vec<u8>) -> u64 {
    let mut seen = HashSet::new();
    let mut kept = Vec::with_capacity(records.len());
    let (mut place, mut duplicates) = (0, 0);
    loop {
        let start = place;
        let Some((member, rest)) = record::read(records, &mut place) else {
            break;
        };
        let bound = match member {
            Member::Bound => {
                let text = rest.split(|byte| *byte == b'"').next().unwrap_or_default();
                // Zero has two signs.
                (value(text) + 0.0).to_bits()
            }
            _ => 0,
        };
        if seen.insert((member as u8, bound)) {
            kept.extend_from_slice(records.get(start..place).unwrap_or_default());
        } else {
            duplicates += 1;
        }
    }
    *records = kept;
    duplicates
}
