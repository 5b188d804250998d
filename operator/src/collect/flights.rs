//! Which fan-out a scrape takes: one that is under way, or one of its own.
//!
//! A scrape joins others only where it loses nothing by them: their fan-out ends before its own time is up, and gives the
//! pods as long to answer as it would itself. So the impatient take no samples from the patient, whom the patient do not
//! keep waiting, and scrapers of one timeout always share. Only a few fan-outs run at once, since each holds what all
//! pods sent. A scrape that finds no permit is content with half of its time for
//! the pods; one without even that is refused.

use futures::future::{BoxFuture, FutureExt as _, Shared, WeakShared};
use parking_lot::Mutex;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tagalong_exposition::merge::Merger;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Collections at once, under way or not yet read to the end by those who asked. One of 100 pods of 7 MB takes some
/// 115 MB: three of them, and not four, fit in the memory that the chart gives.
pub(super) const AT_ONCE: usize = 3;

/// Permit for one collection, for as long as anybody holds it.
pub type Permit = Arc<OwnedSemaphorePermit>;

/// What all pods sent.
#[derive(Clone, Debug, Default)]
pub struct Collection {
    /// To be written in any format.
    pub merger: Merger,
    /// To be held until it has been written.
    pub permit: Option<Permit>,
}

/// How long a fan-out takes at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// What the pods have.
    pub patience: Duration,
    /// When that is over.
    pub deadline: Instant,
}

pub(super) type Flight = Shared<BoxFuture<'static, Arc<Collection>>>;

#[derive(Debug)]
struct UnderWay {
    times: Times,
    flight: WeakShared<BoxFuture<'static, Arc<Collection>>>,
}

#[derive(Debug)]
pub(super) struct Flights {
    permits: Arc<Semaphore>,
    /// Each for as long as anybody waits for it.
    under_way: Mutex<Vec<UnderWay>>,
    begun: Notify,
}

impl Default for Flights {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            under_way: Mutex::default(),
            begun: Notify::new(),
        }
    }
}

impl Flights {
    /// A fan-out for a scrape that gives pods so long from now; its own is what `begin` makes. None if there is
    /// no permit in time.
    pub(super) async fn take<F>(
        &self,
        patience: Duration,
        begin: impl FnOnce(Times) -> F,
    ) -> Option<Flight>
    where
        F: Future<Output = Merger> + Send + 'static,
    {
        let arrived = Instant::now();
        let (deadline, half) = (arrived + patience, patience / 2);
        {
            let mut under_way = self.under_way.lock();
            if let Some(flight) = suitable(&mut under_way, patience, deadline) {
                return Some(flight);
            }
            if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
                let times = Times { patience, deadline };
                return Some(self.begin(&mut under_way, times, permit, begin));
            }
        }
        let mut permit = pin!(Arc::clone(&self.permits).acquire_owned());
        let mut too_late = pin!(tokio::time::sleep_until(arrived + half));
        loop {
            let mut begun = pin!(self.begun.notified());
            begun.as_mut().enable();
            if let Some(flight) = suitable(&mut self.under_way.lock(), half, deadline) {
                return Some(flight);
            }
            tokio::select! {
                biased;
                permit = &mut permit => {
                    let mut under_way = self.under_way.lock();
                    if let Some(flight) = suitable(&mut under_way, half, deadline) {
                        return Some(flight);
                    }
                    let patience = deadline.saturating_duration_since(Instant::now());
                    let times = Times { patience, deadline };
                    // Nobody closes the semaphore.
                    return Some(self.begin(&mut under_way, times, permit.ok()?, begin));
                }
                () = begun => {}
                () = &mut too_late => return None,
            }
        }
    }

    fn begin<F>(
        &self,
        under_way: &mut Vec<UnderWay>,
        times: Times,
        permit: OwnedSemaphorePermit,
        begin: impl FnOnce(Times) -> F,
    ) -> Flight
    where
        F: Future<Output = Merger> + Send + 'static,
    {
        let work = begin(times);
        // It goes on without the scraper that began it, and ends when nobody is left who waits.
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let merger = work.await;
            let permit = Some(Arc::new(permit));
            Collection { merger, permit }
        }));
        let flight = task.map(|done| Arc::new(done.unwrap_or_default()));
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            under_way.push(UnderWay {
                times,
                flight: weak,
            });
        }
        self.begun.notify_waiters();
        flight
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.permits.available_permits()
    }
}

/// A fan-out under way that gives pods at least `patience` and ends by `deadline`.
fn suitable(
    under_way: &mut Vec<UnderWay>,
    patience: Duration,
    deadline: Instant,
) -> Option<Flight> {
    let mut found = None;
    under_way.retain(|one| {
        let flight = one.flight.upgrade();
        let flight = flight.filter(|flight| flight.peek().is_none());
        let is_under_way = flight.is_some();
        if one.times.deadline <= deadline && one.times.patience >= patience {
            found = found.take().or(flight);
        }
        is_under_way
    });
    found
}

#[cfg(test)]
mod tests;
