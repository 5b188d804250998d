//! Pauses between attempts, with full jitter: ten thousand sidecars must not fall on a restarted operator at once.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The pause before the next attempt is anything from nothing to a bound that doubles with each failure.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    random: RandomState,
}

impl Backoff {
    /// The longest of the pauses that [`long_pause`](Self::long_pause) makes, twice the shortest.
    pub(super) const LONG: Duration = Duration::from_secs(300);

    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
            random: RandomState::new(),
        }
    }

    /// The next pause.
    pub(super) fn pause(&mut self) -> Duration {
        let bound = self.bound();
        self.failures = self.failures.saturating_add(1);
        bound.mul_f64(self.random())
    }

    /// From 0 to 1. The standard library's hasher is keyed by the system's randomness, which is all that jitter needs.
    fn random(&self) -> f64 {
        let random = self.random.hash_one(self.failures) >> 32;
        random as f64 / f64::from(u32::MAX)
    }

    /// The pause before an attempt that will most likely fail as the last one did.
    pub(super) fn long_pause(&self) -> Duration {
        let half = Self::LONG / 2;
        half + half.mul_f64(self.random())
    }

    /// All is well: the next failure counts as the first.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
        self.random = RandomState::new();
    }

    fn bound(&self) -> Duration {
        let factor = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_secs(30))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_no_further() {
        let mut backoff = Backoff::default();
        for bound in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(backoff.bound(), Duration::from_secs(bound));
            assert!(backoff.pause() <= Duration::from_secs(bound));
        }
        for _ in 0..100 {
            assert!(backoff.pause() <= Duration::from_secs(30));
        }
        backoff.reset();
        assert_eq!(backoff.bound(), Duration::from_secs(1));
    }

    #[test]
    fn a_long_pause_is_long() {
        for _ in 0..100 {
            let pause = Backoff::default().long_pause();
            assert!((Backoff::LONG / 2..=Backoff::LONG).contains(&pause));
        }
    }

    #[test]
    fn pauses_of_many_spread_over_the_whole_bound() {
        let pauses: Vec<_> = (0..1000).map(|_| Backoff::default().pause()).collect();
        for tenth in 0..10 {
            let (from, to) = (tenth * 100, (tenth + 1) * 100);
            let within = pauses
                .iter()
                .filter(|pause| (from..to).contains(&pause.as_millis()))
                .count();
            assert!(within > 30, "{within} of 1000 from {from} to {to} ms");
        }
    }
}
