//! How long an answer may take to be read.
//!
//! A scraper that has stopped reading blocks its connection's writes, and then nothing in the answer's body is asked any
//! more. So the connection itself is ended when the time is up.

use std::sync::Arc;
use std::time::Duration;
use tagalong_runtime::serve::Hangup;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// A scraper that takes nothing for so long is not reading. The kernel takes some megabytes for it meanwhile.
pub(super) const STALLED: Duration = Duration::from_secs(10);

/// Ends an answer's connection when it takes too long, unless it is dropped before.
#[derive(Debug)]
pub(super) struct Lifeline {
    taken: Arc<Notify>,
    _watch: AbortOnDropHandle<()>,
}

impl Lifeline {
    /// The answer must have been read by `end`, and steadily.
    pub(super) fn until(end: Instant, hangup: Hangup) -> Self {
        let taken = Arc::new(Notify::new());
        let more = Arc::clone(&taken);
        let watch = tokio::spawn(async move {
            loop {
                let stalled = (Instant::now() + STALLED).min(end);
                tokio::select! {
                    () = tokio::time::sleep_until(stalled) => return hangup.now(),
                    () = more.notified() => {}
                }
            }
        });
        Self {
            taken,
            _watch: AbortOnDropHandle::new(watch),
        }
    }

    /// The scraper has taken something.
    pub(super) fn taken(&self) {
        self.taken.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn hung_up_after(hangup: &Hangup) -> Duration {
        let begin = Instant::now();
        hangup.requested().await;
        begin.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_hung_up_on() {
        let hangup = Hangup::default();
        let end = Instant::now() + 10 * STALLED;
        let lifeline = Lifeline::until(end, hangup.clone());
        let after = hung_up_after(&hangup).await;
        assert!(after >= STALLED && after < 2 * STALLED, "{after:?}");
        drop(lifeline);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_little_now_and_then_has_until_the_end() {
        let hangup = Hangup::default();
        let end = Instant::now() + 10 * STALLED;
        let lifeline = Lifeline::until(end, hangup.clone());
        let reading = async {
            loop {
                tokio::time::sleep(STALLED / 2).await;
                lifeline.taken();
            }
        };
        let after = tokio::select! {
            () = reading => Duration::ZERO,
            after = hung_up_after(&hangup) => after,
        };
        assert!(after >= 10 * STALLED && after < 11 * STALLED, "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_has_been_read_ends_nothing() {
        let hangup = Hangup::default();
        drop(Lifeline::until(Instant::now() + STALLED, hangup.clone()));
        let waited = tokio::time::timeout(10 * STALLED, hangup.requested()).await;
        assert!(waited.is_err());
    }
}
