//! Graceful shutdown: the first signal asks every task to finish, a second one ends the process at once. Also the
//! end that nobody asked for: a task that the process cannot do without has ended by itself.

use std::future::Future;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

/// Held by whoever works: tells it when to finish, and, by being dropped, that it has finished.
#[derive(Clone, Debug)]
pub struct Drain {
    begun: watch::Receiver<bool>,
    working: mpsc::Sender<Ended>,
}

/// A task has ended that the process cannot do without.
#[derive(Debug, thiserror::Error)]
#[error("{task} ended ({how}); this process ends, since it cannot run without it")]
pub struct Ended {
    task: String,
    how: String,
}

/// Starts the drain and waits for its end.
#[derive(Debug)]
pub struct Trigger {
    begin: watch::Sender<bool>,
    finished: mpsc::Receiver<Ended>,
}

/// A trigger, and the first of the handles that it waits for.
#[must_use]
pub fn channel() -> (Trigger, Drain) {
    let (begin, begun) = watch::channel(false);
    let (working, finished) = mpsc::channel(1);
    (Trigger { begin, finished }, Drain { begun, working })
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

    /// Runs `work` as a task that the process cannot do without: should it end before the drain begins, or panic,
    /// then [`Trigger::failed`] says so. It may be aborted.
    pub fn spawn(
        &self,
        task: impl Into<String>,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        let (drain, task) = (self.clone(), task.into());
        let running = tokio::spawn(work);
        let abort = running.abort_handle();
        tokio::spawn(async move {
            let how = match running.await {
                Ok(()) if drain.has_begun() => return,
                Ok(()) => "by itself".to_owned(),
                Err(error) if error.is_cancelled() => return,
                Err(error) => error.to_string(),
            };
            let _another_was_first = drain.working.try_send(Ended { task, how });
        });
        abort
    }
}

impl Trigger {
    /// Resolves when a task of [`Drain::spawn`] has ended before its time.
    pub async fn failed(&mut self) -> Ended {
        match self.finished.recv().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    /// Begins the drain and waits until every [`Drain`] is dropped. `false`: some were not within `grace`.
    pub async fn drain(mut self, grace: Duration) -> bool {
        self.begin.send_replace(true);
        let finished = async { while self.finished.recv().await.is_some() {} };
        tokio::time::timeout(grace, finished).await.is_ok()
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
