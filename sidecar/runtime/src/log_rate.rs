//! Rate-limited log lines, for what others can cause: a few of each kind per minute, and a count of the rest.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// Lets so many lines a minute of each kind through. There must be few kinds.
#[derive(Debug)]
pub struct LogRateLimiter<K = ()> {
    most: u32,
    kinds: Mutex<Vec<(K, Minute)>>,
}

#[derive(Debug)]
struct Minute {
    begun: Instant,
    said: u32,
    suppressed: u64,
}

impl<K: PartialEq> LogRateLimiter<K> {
    /// Lets `most` a minute through.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self {
            most,
            kinds: Mutex::new(Vec::new()),
        }
    }

    /// Whether a line of this kind may be written; if so, how many before it were not.
    pub fn due(&self, kind: K) -> Option<u64> {
        self.due_for(kind, 1)
    }

    /// The same for a line that counts as so many: a long one.
    pub fn due_for(&self, kind: K, lines: u32) -> Option<u64> {
        let now = Instant::now();
        let mut kinds = self.kinds.lock();
        let at = kinds.iter().position(|(other, _)| *other == kind);
        let at = at.unwrap_or_else(|| {
            let minute = Minute {
                begun: now,
                said: 0,
                suppressed: 0,
            };
            kinds.push((kind, minute));
            kinds.len() - 1
        });
        let (_, minute) = kinds.get_mut(at)?;
        if now.saturating_duration_since(minute.begun) >= MINUTE {
            (minute.begun, minute.said) = (now, 0);
        }
        if minute.said.saturating_add(lines) > self.most {
            minute.suppressed += 1;
            return None;
        }
        minute.said += lines;
        Some(std::mem::take(&mut minute.suppressed))
    }
}

/// One line a minute of each kind.
impl<K: PartialEq> Default for LogRateLimiter<K> {
    fn default() -> Self {
        Self::new(1)
    }
}

/// What a stranger said, as far as a log line has room for it: at most so many bytes, cut between characters.
#[must_use]
pub fn shortened(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_few_a_minute_of_each_kind_and_how_many_more_there_were() {
        let limiter = LogRateLimiter::new(2);
        let said = |kind| {
            (0..200)
                .filter_map(|_| limiter.due(kind))
                .collect::<Vec<_>>()
        };
        assert_eq!(said(404), [0, 0]);
        assert_eq!(said(400), [0, 0], "another kind");
        tokio::time::advance(MINUTE).await;
        assert_eq!(said(404), [198, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_line_counts_as_several() {
        let limiter = LogRateLimiter::new(10);
        assert_eq!(limiter.due_for("kind", 7), Some(0));
        assert_eq!(limiter.due_for("kind", 7), None);
        assert_eq!(limiter.due_for("kind", 3), Some(1));
        assert_eq!(limiter.due("kind"), None);
        assert_eq!(limiter.due_for("other", 11), None, "it never has room");
    }

    #[test]
    fn words_are_cut_between_characters() {
        assert_eq!(shortened("short", 10), "short");
        assert_eq!(shortened("aäö", 2), "a");
        assert_eq!(shortened("aäö", 3), "aä");
        assert_eq!(shortened("ä", 0), "");
    }
}
