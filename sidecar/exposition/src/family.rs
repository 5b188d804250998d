//! Which family a line belongs to.

use crate::grammar::{at, blanks, metric_name};

/// A kind of metadata. Each stands at most once in a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metadata {
    Help,
    Type,
    Unit,
}

/// Reads a line of metadata: its kind, and the family's name.
pub(crate) fn metadata(line: &[u8]) -> Option<(Metadata, &[u8])> {
    let hash = blanks(line, 0);
    if at(line, hash) != b'#' {
        return None;
    }
    let keyword = blanks(line, hash + 1);
    let kind = match line.get(keyword..keyword + 4)? {
        b"HELP" => Metadata::Help,
        b"TYPE" => Metadata::Type,
        b"UNIT" => Metadata::Unit,
        _ => return None,
    };
    let name = blanks(line, keyword + 4);
    let end = metric_name(line, name)?;
    let delimited = name > keyword + 4 && matches!(at(line, end), b' ' | b'\t' | b'\n');
    delimited.then_some((kind, line.get(name..end)?))
}

/// Whether the line is the end mark of OpenMetrics.
pub(crate) fn is_eof(line: &[u8]) -> bool {
    line.trim_ascii_end() == b"# EOF"
}

/// What the sample of a family may carry behind the family's name, in the text format or in OpenMetrics.
const SUFFIXES: [&[u8]; 8] = [
    b"",
    b"_bucket",
    b"_count",
    b"_sum",
    b"_total",
    b"_created",
    b"_gcount",
    b"_gsum",
];

/// Whether a sample of this name may belong to the family.
pub(crate) fn owns(family: &[u8], sample: &[u8]) -> bool {
    sample
        .strip_prefix(family)
        .is_some_and(|suffix| SUFFIXES.contains(&suffix))
}
