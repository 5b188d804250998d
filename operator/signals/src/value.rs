//! A value, or why it is not known.

use std::time::Duration;

/// A value, and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignalValue {
    /// The value: never negative, and a number.
    pub value: f64,
    /// The time that it was measured over.
    pub window: Duration,
    /// How old the end of that time is.
    pub age: Duration,
    /// The pods that it rests on.
    pub basis: Basis,
}

/// The pods that a value rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// Those that report.
    pub reporting: usize,
    /// Those that are late, and stood in for by their own last rate.
    pub late: usize,
    /// Those that are not known, and stood in for by the mean of the others.
    pub missing: usize,
}

/// Why a value is not known. In words for whoever reads `kubectl describe hpa`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotKnown {
    /// Too little has been seen since the beginning.
    #[error("first values in {} s", seconds(.0))]
    TooEarly(Duration),
    /// Too few pods report.
    #[error(
        "{reporting} of {of} Kong pods report: see tagalong_custom_metrics_pods, and the operator's log for why the others do not"
    )]
    TooFew {
        /// So many do.
        reporting: usize,
        /// Of so many.
        of: usize,
    },
    /// There is no pod that could.
    #[error("no Kong pod runs that could report")]
    NoPods,
    /// It is not known whose requests were counted.
    #[error(
        "a name of Kong's has just changed from one Service to another, and what was counted under it may be either's: settled in {} s at the latest",
        seconds(.0)
    )]
    Unsettled(Duration),
    /// Numbers that no pod can have.
    #[error("a Kong pod reports numbers that cannot be")]
    Absurd,
}

fn seconds(time: &Duration) -> u64 {
    time.as_millis()
        .div_ceil(1000)
        .try_into()
        .unwrap_or(u64::MAX)
}

impl Basis {
    pub(crate) fn all(self) -> usize {
        self.reporting + self.late + self.missing
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            reporting: self.reporting + other.reporting,
            late: self.late + other.late,
            missing: self.missing + other.missing,
        }
    }
}
