//! Types of families, and which samples belong to one.

/// The type of a family, as text format 0.0.4 knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    Untyped,
}

impl Kind {
    /// Reads the last word of a TYPE line.
    pub(super) fn parse(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"counter" => Self::Counter,
            b"gauge" => Self::Gauge,
            b"histogram" => Self::Histogram,
            b"summary" => Self::Summary,
            b"untyped" => Self::Untyped,
            _ => return None,
        })
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
            Self::Untyped => "untyped",
        }
    }

    /// Whether its samples carry suffixes, so that samples of no declared type cannot be among them.
    pub(super) fn composed(self) -> bool {
        matches!(self, Self::Histogram | Self::Summary)
    }
}

/// The label that a sample must have, with a number as its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    Le,
    Quantile,
}

/// The suffixes that a composed family's samples have: suffix, whether a summary has it too, what it needs.
pub(super) const SUFFIXES: [(&[u8], bool, Needs); 3] = [
    (b"_bucket", false, Needs::Le),
    (b"_sum", true, Needs::Nothing),
    (b"_count", true, Needs::Nothing),
];

/// The composed families that a sample of this name could belong to, each with what it would need, if
/// `kind_of` knows one.
pub(super) fn composed_owner(
    name: &[u8],
    kind_of: impl Fn(&[u8]) -> Option<Kind>,
) -> Option<(&[u8], Needs)> {
    SUFFIXES.iter().find_map(|(suffix, of_summary, needs)| {
        let stem = name.strip_suffix(*suffix)?;
        match kind_of(stem)? {
            Kind::Histogram => Some((stem, *needs)),
            Kind::Summary if *of_summary => Some((stem, *needs)),
            _ => None,
        }
    })
}
