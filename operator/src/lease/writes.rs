//! The guard that every write passes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{RwLock, watch};
use tokio::time::Instant;

/// May this process write? Cheap to clone.
#[derive(Clone, Debug)]
pub struct Writes {
    until: watch::Receiver<Option<Instant>>,
    running: Arc<RwLock<()>>,
}

/// The write was not made, or was given up: this process holds no sure claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process does not hold the lease")]
pub struct NotLeader;

/// The lease's side of the guard.
#[derive(Debug)]
pub(super) struct Claim {
    until: watch::Sender<Option<Instant>>,
    running: Arc<RwLock<()>>,
}

pub(super) fn channel() -> (Claim, Writes) {
    let (sender, until) = watch::channel(None);
    let running = Arc::default();
    let claim = Claim {
        until: sender,
        running: Arc::clone(&running),
    };
    (claim, Writes { until, running })
}

impl Claim {
    /// A claim made at `from`. Returns until when it counts.
    pub(super) fn extend(&self, from: Instant, duration: Duration) -> Instant {
        let until = from + duration * 2 / 3;
        self.until.send_replace(Some(until));
        until
    }

    /// No further write; waits for those under way, but not for ever.
    pub(super) async fn revoke(&self, grace: Duration) {
        self.until.send_replace(None);
        let _running_still = tokio::time::timeout(grace, self.running.write()).await;
    }
}

impl Writes {
    /// A process that is alone: it may always write.
    #[must_use]
    pub fn always() -> Self {
        let (claim, writes) = channel();
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        claim.until.send_replace(Some(Instant::now() + century));
        writes
    }

    /// Whether a write may start now.
    #[must_use]
    pub fn allowed(&self) -> bool {
        matches!(*self.until.borrow(), Some(until) if Instant::now() < until)
    }

    /// Resolves once writes are allowed; never, if the lease is gone.
    pub async fn granted(&self) {
        let mut until = self.until.clone();
        let now_allowed = |until: &Option<Instant>| until.is_some_and(|u| Instant::now() < u);
        if until.wait_for(now_allowed).await.is_err() && !self.allowed() {
            std::future::pending::<()>().await;
        }
    }

    /// Runs one write while the claim is sure.
    ///
    /// # Errors
    ///
    /// When there is no claim, or it ran out before the write was answered. Whether the API server
    /// has applied it is then unknown; optimistic concurrency keeps that harmless.
    pub async fn run<T>(&self, write: impl Future<Output = T>) -> Result<T, NotLeader> {
        let _running = self.running.read().await;
        if !self.allowed() {
            return Err(NotLeader);
        }
        tokio::select! {
            biased;
            done = write => Ok(done),
            () = self.run_out() => Err(NotLeader),
        }
    }

    /// Resolves when the claim, with all its renewals, has run out. A claim that was given back
    /// lets running writes finish: [`Claim::revoke`] waits for them.
    async fn run_out(&self) {
        let mut until = self.until.clone();
        loop {
            let Some(end) = *until.borrow_and_update() else {
                return std::future::pending().await;
            };
            tokio::select! {
                () = tokio::time::sleep_until(end) => {
                    if until.borrow().is_none_or(|renewed| renewed <= end) {
                        return;
                    }
                }
                changed = until.changed() => if changed.is_err() {
                    return tokio::time::sleep_until(end).await;
                },
            }
        }
    }
}
