//! What is said once a minute at most.

use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Says a thing that others can make happen a thousand times a second once a minute at most. (The sidecar, which imports
/// nothing of this crate, has the same.)
#[derive(Debug, Default)]
pub struct Rarely(Mutex<Option<(Instant, u64)>>);

impl Rarely {
    const PAUSE: Duration = Duration::from_secs(60);

    /// If it is time to say it again: how many times it was not said meanwhile.
    pub fn due(&self) -> Option<u64> {
        let now = Instant::now();
        let mut last = self.0.lock();
        match last.as_mut() {
            Some((said, unsaid)) if now.saturating_duration_since(*said) < Self::PAUSE => {
                *unsaid += 1;
                None
            }
            _ => {
                let unsaid = last.map_or(0, |(_, unsaid)| unsaid);
                *last = Some((now, 0));
                Some(unsaid)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn once_a_minute_and_how_many_were_not_said() {
        let rarely = Rarely::default();
        assert_eq!(rarely.due(), Some(0));
        for _ in 0..200 {
            assert_eq!(rarely.due(), None);
        }
        tokio::time::advance(Rarely::PAUSE).await;
        assert_eq!((rarely.due(), rarely.due()), (Some(200), None));
    }
}
