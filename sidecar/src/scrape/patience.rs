//! How long a reader may hold others up.

use std::time::Duration;

/// How long a reader may hold others up at all.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// The pace at which reading earns patience back, in bytes a second before compression. Twice what a gigabit's quarter
/// carries, and about what a Kong of two workers gives.
pub const PACE: u32 = 32 << 20;

/// What is left of a reader's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience(Duration);

impl Patience {
    pub(super) fn new() -> Self {
        Self(PATIENCE)
    }

    /// The reader has taken so many bytes.
    pub(super) fn earn(&mut self, bytes: usize) {
        let earned = Duration::from_secs_f64(bytes as f64 / f64::from(PACE));
        self.0 = PATIENCE.min(self.0 + earned);
    }

    /// The reader has held others up for so long.
    pub(super) fn spend(&mut self, time: Duration) {
        self.0 = self.0.saturating_sub(time);
    }

    pub(super) fn left(self) -> Duration {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_keeps_the_pace_never_runs_out() {
        let mut patience = Patience::new();
        for _ in 0..10_000 {
            patience.spend(Duration::from_millis(1));
            patience.earn(PACE as usize / 1000);
        }
        assert!(patience.left() > PATIENCE / 2);
    }

    #[test]
    fn who_stands_still_runs_out_and_who_rests_saves_nothing() {
        let mut patience = Patience::new();
        patience.earn(usize::MAX >> 20);
        patience.spend(PATIENCE);
        assert_eq!(patience.left(), Duration::ZERO);
    }
}
