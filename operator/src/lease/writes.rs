//! The guard that every write passes.

use crate::lease::installation::Standing;
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
    /// Which installation works here, where that counts too.
    standing: Option<watch::Receiver<Standing>>,
}

/// The write was not made, or was given up: this process holds no sure claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process does not hold the lease, or another installation works here")]
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
    let writes = Writes {
        until,
        running,
        standing: None,
    };
    (claim, writes)
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

    /// The same, for what two installations must not both write.
    #[must_use]
    pub fn of_the_working(&self, standing: watch::Receiver<Standing>) -> Self {
        Self {
            standing: Some(standing),
            ..self.clone()
        }
    }

    /// Whether a write may start now.
    #[must_use]
    pub fn allowed(&self) -> bool {
        let claimed = matches!(*self.until.borrow(), Some(until) if Instant::now() < until);
        let standing = self.standing.as_ref();
        claimed && standing.is_none_or(|standing| works(&standing.borrow()))
    }

    /// Resolves once writes are allowed; never, if the lease is gone.
    pub async fn granted(&self) {
        let mut until = self.until.clone();
        let mut standing = self.standing.clone();
        let claimed = |until: &Option<Instant>| until.is_some_and(|u| Instant::now() < u);
        while !self.allowed() {
            let never = match &mut standing {
                Some(standing) if !works(&standing.borrow()) => {
                    standing.wait_for(works).await.is_err()
                }
                _ => until.wait_for(claimed).await.is_err(),
            };
            if never && !self.allowed() {
                std::future::pending::<()>().await;
            }
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
            () = self.stands_back() => Err(NotLeader),
        }
    }

    /// Resolves when another installation works.
    async fn stands_back(&self) {
        let waits = |standing: &Standing| !works(standing);
        if let Some(mut standing) = self.standing.clone()
            && standing.wait_for(waits).await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
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

fn works(standing: &Standing) -> bool {
    matches!(standing, Standing::Works { .. })
}
