//! Log lines that others can cause: a few a minute of each sort, and how many more there were.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// Lets so many lines a minute of each sort through. There must be few sorts.
#[derive(Debug)]
pub struct Sparing<K> {
    most: u32,
    sorts: Mutex<BTreeMap<K, Minute>>,
}

#[derive(Debug)]
struct Minute {
    begun: Instant,
    said: u32,
    unsaid: u64,
}

impl<K: Ord> Sparing<K> {
    /// Lets `most` a minute through.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self {
            most,
            sorts: Mutex::new(BTreeMap::new()),
        }
    }

    /// Whether a line of this sort may be said; if so, how many before it were not.
    pub fn due(&self, sort: K) -> Option<u64> {
        let now = Instant::now();
        let mut sorts = self.sorts.lock();
        let minute = sorts.entry(sort).or_insert(Minute {
            begun: now,
            said: 0,
            unsaid: 0,
        });
        if now.saturating_duration_since(minute.begun) >= MINUTE {
            (minute.begun, minute.said) = (now, 0);
        }
        if minute.said >= self.most {
            minute.unsaid += 1;
            return None;
        }
        minute.said += 1;
        Some(std::mem::take(&mut minute.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_few_a_minute_of_each_sort_and_how_many_more_there_were() {
        let sparing = Sparing::new(2);
        let said = |sort| {
            (0..200)
                .filter_map(|_| sparing.due(sort))
                .collect::<Vec<_>>()
        };
        assert_eq!(said(404), [0, 0]);
        assert_eq!(said(400), [0, 0], "another sort");
        tokio::time::advance(MINUTE).await;
        assert_eq!(said(404), [198, 0]);
    }
}
