//! What the log tells of scrapes: changes, and those of a scraper at the edge of its timeout not each time.

use parking_lot::Mutex;

use crate::logging::Rarely;

/// How the last scrape of Kong went, as far as it was told.
#[derive(Debug, Default)]
pub(super) struct Log {
    told: Mutex<Told>,
    good: Rarely,
    bad: Rarely,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Told {
    #[default]
    Nothing,
    Good,
    Bad(String),
}

impl Log {
    /// A scrape went well. Says whether that was told.
    pub(super) fn good(&self) -> bool {
        let mut told = self.told.lock();
        if *told == Told::Good {
            return false;
        }
        let Some(unsaid) = self.good.due() else {
            return false;
        };
        if *told == Told::Nothing {
            tracing::info!("Kong's metrics can be scraped");
        } else {
            tracing::info!(unsaid, "Kong's metrics can be scraped again");
        }
        *told = Told::Good;
        true
    }

    /// A scrape failed. Says whether that was told.
    pub(super) fn bad(&self, why: String) -> bool {
        let now = Told::Bad(why);
        let mut told = self.told.lock();
        if *told == now {
            return false;
        }
        let Some(unsaid) = self.bad.due() else {
            return false;
        };
        if let Told::Bad(why) = &now {
            tracing::warn!(unsaid, "scrape failed: {why}");
        }
        *told = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_fails_every_other_time_is_told_of_once_a_minute() {
        let log = Log::default();
        let mut lines = 0;
        for _ in 0..600 {
            lines += u32::from(log.bad("too late".into()));
            tokio::time::advance(Duration::from_millis(500)).await;
            lines += u32::from(log.good());
            tokio::time::advance(Duration::from_millis(500)).await;
        }
        assert!((10..=22).contains(&lines), "{lines} lines in ten minutes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_that_lasts_is_told_at_last() {
        let log = Log::default();
        assert!(log.good() && log.bad("a".into()));
        assert!(!log.bad("a".into()), "nothing new");
        assert!(!log.good() && !log.bad("b".into()), "too soon");
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(log.bad("b".into()) && log.good());
    }
}
