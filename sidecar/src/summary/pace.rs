//! How often Kong is looked at for summaries alone.
//!
//! Kong pays for each scrape, whoever asks, so summaries take at most a hundredth of its time. What it pays is reckoned by
//! the lines of a scrape and the least time that a line ever took: under load a scrape lasts longer, since Kong gives way to
//! requests at each line, and looks would become rare just when there is something to see. One look a minute is always had.

use std::time::Duration;

use tokio::time::Instant;

/// The most that summaries take of Kong's time is one part in so many.
const SHARE: u32 = 100;
/// However dear a scrape is, Kong is looked at so often.
const LONGEST: Duration = Duration::from_secs(60);
/// However cheap it is, no more often than this: a rate needs no more.
pub(super) const SHORTEST: Duration = Duration::from_secs(1);

/// What scrapes have cost so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// The least time that a line took, in seconds.
    line: Option<f64>,
    /// The lines of the last scrape.
    lines: u64,
    /// When the last scrape began, whoever wanted it and however it ended.
    began: Option<Instant>,
}

impl Pace {
    /// A scrape begins.
    pub(super) fn begins(&mut self, now: Instant) {
        self.began = Some(now);
    }

    /// A scrape has ended well.
    pub(super) fn ended(&mut self, lines: u64, took: Duration) {
        let line = took.as_secs_f64() / lines.max(1) as f64;
        self.line = Some(self.line.map_or(line, |least| least.min(line)));
        self.lines = lines;
    }

    /// How long after the beginning of one scrape the next may begin for a summary alone.
    pub(super) fn every(self) -> Duration {
        let cost = self.line.unwrap_or_default() * self.lines as f64;
        // An hour stands for all that is longer, and for what is no number.
        let cost = Duration::from_secs_f64(cost.clamp(0.0, 3600.0));
        (cost * SHARE).clamp(SHORTEST, LONGEST)
    }

    /// Whether Kong may be scraped now for a summary alone.
    pub(super) fn allows(self, now: Instant) -> bool {
        let since = |began| now.saturating_duration_since(began);
        self.began.is_none_or(|began| since(began) >= self.every())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: u64 = 20_000;

    fn pace(seconds: f64) -> Pace {
        let mut pace = Pace::default();
        pace.ended(LINES, Duration::from_secs_f64(seconds));
        pace
    }

    #[test]
    fn a_hundredth_of_kongs_time_and_a_look_a_minute() {
        for (cost, every) in [(0.001, 1.0), (0.05, 5.0), (0.6, 60.0), (3.4, 60.0)] {
            let every_is = pace(cost).every().as_secs_f64();
            assert!((every_is - every).abs() < 1e-6, "{cost}: {every_is}");
        }
        let share = 0.6 / pace(0.6).every().as_secs_f64();
        assert!(share <= 0.01, "{share}");
        let share = 3.4 / pace(3.4).every().as_secs_f64();
        assert!(share <= 0.057, "{share}");
    }

    #[test]
    fn load_does_not_make_looks_rare_and_lines_do() {
        let mut pace = pace(0.13);
        pace.ended(LINES, Duration::from_secs_f64(0.52));
        assert!(pace.every() <= Duration::from_secs_f64(13.1));
        pace.ended(2 * LINES, Duration::from_secs_f64(0.6));
        assert!(pace.every() >= Duration::from_secs(25));
    }

    #[test]
    fn the_next_one_waits_from_the_beginning_of_the_last_however_that_ended() {
        let now = Instant::now();
        let mut pace = pace(0.05);
        assert!(pace.allows(now));
        pace.begins(now);
        assert!(!pace.allows(now + Duration::from_millis(4990)));
        assert!(pace.allows(now + Duration::from_secs(5)));
    }
}
