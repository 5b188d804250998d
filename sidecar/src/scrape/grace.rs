//! How long a reader may hold others up.
//!
//! Two clocks run for each. [`Grace`] is for those who read slowly: it runs while others are held up, and reading earns
//! some back. [`StandStill`] is for those who have stopped, and runs whether anybody is held up or not: they all stand
//! still at the same time, not one after another, and somebody who comes later does not wait for it to begin.

use std::time::Duration;

/// How long a reader may hold others up at all.
pub const GRACE: Duration = Duration::from_secs(1);

/// The pace at which reading earns time back, in bytes a second before compression. Twice what a gigabit's quarter
/// carries, and about what a Kong of two workers gives.
pub const PACE: u32 = 32 << 20;

/// What is left of a reader's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grace(Duration);

impl Grace {
    pub(super) fn new() -> Self {
        Self(GRACE)
    }

    /// The reader has taken so many bytes.
    pub(super) fn earn(&mut self, bytes: usize) {
        let earned = Duration::from_secs_f64(bytes as f64 / f64::from(PACE));
        self.0 = GRACE.min(self.0 + earned);
    }

    /// The reader has held others up for so long.
    pub(super) fn spend(&mut self, time: Duration) {
        self.0 = self.0.saturating_sub(time);
    }

    pub(super) fn left(self) -> Duration {
        self.0
    }
}

/// How long a flight's readers may take nothing at all of what there is for them, once others are held up.
///
/// Readers that stop at different places of the body hold others up one after another, whatever each is granted. So with
/// each time that it came to that, there is half as much for the next: all 64 connections together get some eight seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StandStill(Duration);

impl StandStill {
    /// Several round trips of a usual network, and what a CPU limit of a tenth of a core makes the sidecar itself pause for.
    const LEAST: Duration = Duration::from_millis(100);

    pub(super) fn new() -> Self {
        Self(GRACE)
    }

    /// What is left to somebody who has taken nothing for so long.
    pub(super) fn left(self, stands_still: Duration) -> Duration {
        self.0.saturating_sub(stands_still)
    }

    /// Somebody has used it up.
    pub(super) fn used_up(&mut self) {
        self.0 = Self::LEAST.max(self.0 / 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_keeps_the_pace_never_runs_out() {
        let mut grace = Grace::new();
        for _ in 0..10_000 {
            grace.spend(Duration::from_millis(1));
            grace.earn(PACE as usize / 1000);
        }
        assert!(grace.left() > GRACE / 2);
    }

    #[test]
    fn who_stands_still_runs_out_and_who_rests_saves_nothing() {
        let mut grace = Grace::new();
        grace.earn(usize::MAX >> 20);
        grace.spend(GRACE);
        assert_eq!(grace.left(), Duration::ZERO);
    }

    #[test]
    fn all_connections_standing_still_in_turn_take_less_than_a_scrapes_time() {
        let mut stand_still = StandStill::new();
        let mut all = Duration::ZERO;
        for _ in 0..crate::memory::CONNECTIONS {
            all += stand_still.left(Duration::ZERO);
            stand_still.used_up();
        }
        assert!(all <= Duration::from_secs(8), "{all:?}");
    }
}
