//! What the log tells of something that is done again and again: how it turned out when that has changed, and of what
//! changes all the time a line a minute of each kind.

use parking_lot::Mutex;
use tagalong_runtime::log_rate::LogRateLimiter;

/// How something last turned out, as far as it was told. Causes are compared, not their words: a time or a request's
/// number in a text would make each one news.
#[derive(Debug)]
pub(crate) struct OutcomeLog<C> {
    told: Mutex<Told<C>>,
    good: LogRateLimiter,
    bad: LogRateLimiter,
}

#[derive(Debug, PartialEq, Eq)]
enum Told<C> {
    Nothing,
    Good,
    Bad(C),
}

/// That a line is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// How many before it were not told.
    pub(crate) suppressed: u64,
    /// Whether nothing was told before.
    pub(crate) first: bool,
}

impl<C> Default for OutcomeLog<C> {
    fn default() -> Self {
        Self {
            told: Mutex::new(Told::Nothing),
            good: LogRateLimiter::default(),
            bad: LogRateLimiter::default(),
        }
    }
}

impl<C: PartialEq> OutcomeLog<C> {
    /// It went well.
    pub(crate) fn good(&self) -> Option<Due> {
        self.tell(Told::Good, &self.good)
    }

    /// It failed.
    pub(crate) fn bad(&self, cause: C) -> Option<Due> {
        self.tell(Told::Bad(cause), &self.bad)
    }

    fn tell(&self, now: Told<C>, rate: &LogRateLimiter) -> Option<Due> {
        let mut told = self.told.lock();
        if *told == now {
            return None;
        }
        let suppressed = rate.due(())?;
        let first = *told == Told::Nothing;
        *told = now;
        Some(Due { suppressed, first })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_fails_every_other_time_is_told_of_once_a_minute() {
        let log = OutcomeLog::default();
        let mut lines = 0;
        for _ in 0..600 {
            lines += usize::from(log.bad("too late").is_some());
            tokio::time::advance(Duration::from_millis(500)).await;
            lines += usize::from(log.good().is_some());
            tokio::time::advance(Duration::from_millis(500)).await;
        }
        assert!((10..=22).contains(&lines), "{lines} lines in ten minutes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_that_lasts_is_told_at_last() {
        let log = OutcomeLog::default();
        assert!(log.good().is_some_and(|due| due.first));
        assert!(log.bad("a").is_some_and(|due| !due.first));
        assert_eq!(log.bad("a"), None, "nothing new");
        assert_eq!((log.good(), log.bad("b")), (None, None), "too soon");
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(log.bad("b").is_some() && log.good().is_some());
    }
}
