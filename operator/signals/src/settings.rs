//! What values are made with, and how time is counted.

use std::time::Duration;

/// What values are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSettings {
    /// The time that a value is measured over, where pods are looked at often enough.
    pub window: Duration,
    /// How often each pod is asked.
    pub interval: Duration,
    /// Fewer requests have no quantiles: one slow request at night is no load.
    pub min_requests: u32,
    /// How many numbers of Services, of all pods together, are remembered. A pod that has no place counts as missing.
    pub bases: usize,
}

impl Default for WindowSettings {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(30),
            interval: Duration::from_secs(5),
            min_requests: 20,
            bases: 400_000,
        }
    }
}

/// Milliseconds since the beginning; before it, where a look is older than the process.
pub(crate) type Millis = i64;

pub(crate) fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX / 4)
}

/// What others say may be anything: an hour stands for all that is longer.
pub(crate) fn said(milliseconds: u64) -> Millis {
    const LONGEST: u64 = 3_600_000;
    Millis::try_from(milliseconds.min(LONGEST)).unwrap_or_default()
}
