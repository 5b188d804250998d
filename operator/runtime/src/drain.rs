//! An orderly end: the first signal asks everybody to finish, the second one does not ask.

use std::future::Future;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Held by whoever works: tells it when to finish, and, by being dropped, that it has finished.
#[derive(Clone, Debug)]
pub struct Drain {
    begun: watch::Receiver<bool>,
    _working: mpsc::Sender<()>,
}

/// Starts the drain and waits for its end.
#[derive(Debug)]
pub struct Trigger {
    begin: watch::Sender<bool>,
    finished: mpsc::Receiver<()>,
}

/// A trigger, and the first of the handles that it waits for.
#[must_use]
pub fn channel() -> (Trigger, Drain) {
    let (begin, begun) = watch::channel(false);
    let (_working, finished) = mpsc::channel(1);
    (Trigger { begin, finished }, Drain { begun, _working })
}

impl Drain {
    /// Resolves once the drain has begun, or its trigger is gone.
    pub async fn begun(&self) {
        let mut begun = self.begun.clone();
        let _trigger_gone = begun.wait_for(|begun| *begun).await;
    }

    /// Whether the drain has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.begun.borrow()
    }

    /// What `work` returns, or nothing if the drain begins first.
    pub async fn cancel<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.begun() => None,
        }
    }
}

impl Trigger {
    /// Begins the drain and waits until every [`Drain`] is dropped. `false`: some were not within `grace`.
    pub async fn drain(mut self, grace: Duration) -> bool {
        self.begin.send_replace(true);
        tokio::time::timeout(grace, self.finished.recv())
            .await
            .is_ok()
    }
}

/// Resolves at the next SIGTERM or SIGINT.
///
/// # Errors
///
/// When the process may not listen for signals.
pub async fn signal() -> std::io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}

#[cfg(test)]
mod tests;
