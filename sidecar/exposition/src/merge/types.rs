//! Types of families, and what a sample is in its family.

/// The type of a family, as text format 0.0.4 knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum FamilyType {
    Counter,
    Gauge,
    Histogram,
    Summary,
    Untyped,
}

impl FamilyType {
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

    /// The label by which the samples of one series are told apart, whose value is a number.
    pub(super) fn bound_label(self) -> &'static [u8] {
        match self {
            Self::Summary => b"quantile",
            _ => b"le",
        }
    }
}

/// What a sample is in its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// All there is of its series.
    Plain,
    /// A bucket of a histogram or a quantile of a summary.
    Bound,
    Sum,
    Count,
}

impl Member {
    /// Those of composed families, in an order that is used for their numbers.
    pub(super) const COMPOSED: [Self; 3] = [Self::Bound, Self::Sum, Self::Count];

    /// What stands behind the family's name in the name of such a sample.
    pub(super) fn suffix(self, family: FamilyType) -> &'static [u8] {
        match self {
            Self::Bound if family == FamilyType::Histogram => b"_bucket",
            Self::Plain | Self::Bound => b"",
            Self::Sum => b"_sum",
            Self::Count => b"_count",
        }
    }

    /// Whether its value counts something in a family of this type, so that it is a number and not negative.
    pub(super) fn counts(self, family: Option<FamilyType>) -> bool {
        match self {
            Self::Plain => family == Some(FamilyType::Counter),
            Self::Bound => family == Some(FamilyType::Histogram),
            Self::Count => true,
            Self::Sum => false,
        }
    }
}

/// The composed families that a sample of this name could belong to, the first that `type_of` knows, and what it would be
/// there.
pub(super) fn composed_owner(
    name: &[u8],
    type_of: impl Fn(&[u8]) -> Option<FamilyType>,
) -> Option<(&[u8], Member)> {
    [
        (&b"_bucket"[..], Member::Bound),
        (b"_sum", Member::Sum),
        (b"_count", Member::Count),
    ]
    .into_iter()
    .find_map(|(suffix, member)| {
        let stem = name.strip_suffix(suffix)?;
        let family = type_of(stem)?;
        (family.composed() && member.suffix(family) == suffix).then_some((stem, member))
    })
}
