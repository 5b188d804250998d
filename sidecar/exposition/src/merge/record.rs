//! What one sample adds to the labels of its series: which member it is, and what stands behind the labels.

use super::delta::{number, read_number};
use super::types::Member;

/// Appends a record.
#[inline]
pub(super) fn write(records: &mut Vec<u8>, member: Member, rest: &[u8]) {
    number(records, rest.len() << 2 | member as usize);
    records.extend_from_slice(rest);
}

/// Reads the record at `place`, and goes behind it: what it is of, and what it holds.
#[inline]
pub(super) fn read<'r>(records: &'r [u8], place: &mut usize) -> Option<(Member, &'r [u8])> {
    let header = read_number(records, place)?;
    let member = match header & 3 {
        1 => Member::Bound,
        2 => Member::Sum,
        _ => Member::Count,
    };
    let rest = records.get(*place..*place + (header >> 2))?;
    *place += header >> 2;
    Some((member, rest))
}
