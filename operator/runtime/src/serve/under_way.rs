//! How many requests of one connection are under way.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Counts the requests of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay(Arc<watch::Sender<usize>>);

/// A request, from its head until this is dropped.
#[derive(Debug)]
pub(super) struct One(UnderWay);

impl UnderWay {
    /// One more.
    pub(super) fn begin(&self) -> One {
        self.0.send_modify(|count| *count += 1);
        One(self.clone())
    }

    /// Resolves once there has been none for so long.
    pub(super) async fn none_for(&self, time: Duration) {
        let mut count = self.0.subscribe();
        loop {
            // The sender is `self`: it cannot be gone.
            let _none = count.wait_for(|count| *count == 0).await.is_ok();
            if tokio::time::timeout(time, count.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
