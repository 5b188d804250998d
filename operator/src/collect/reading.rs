//! Rooms for collections: each holds what all pods sent, while it is gathered and for as long as it is not written.
//!
//! There are few, and whoever does not read on must not keep the others from theirs. So a scrape that has waited for a while
//! ends the slowest of those that have had a fair time.

use parking_lot::Mutex;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tagalong_runtime::log_rate::LogRateLimiter;
use tagalong_runtime::serve::ConnectionHandle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Collections at once: one that is gathered for all who wait, and those that are not yet read to the end by those who came
/// for them. One of 100 pods of 7 MB takes some 115 MB: three of them, and not four, fit in the memory that the chart gives.
pub(super) const AT_ONCE: usize = 3;
/// What a reader has before it has to give way.
const FAIR: Duration = Duration::from_secs(5);
/// What a scrape waits at most before others have to give way: half of its time, and no more than this, for more may wait
/// behind it.
const WAITS: Duration = Duration::from_secs(4);

/// How long a connection may take to end.
const MOMENT: Duration = Duration::from_secs(1);

/// For one collection.
#[derive(Debug)]
pub(super) struct Room(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit);

/// Permit to read one collection, for as long as anybody holds it.
pub type Permit = Arc<ReadPermit>;

/// What is being read.
#[derive(Debug)]
pub struct ReadPermit {
    _room: Room,
    begun: Instant,
    bytes: AtomicU64,
    connections: Mutex<Vec<ConnectionHandle>>,
}

impl ReadPermit {
    /// Somebody reads it by this connection, which ends if it has to give way.
    pub fn by(&self, connection: ConnectionHandle) {
        self.connections.lock().push(connection);
    }

    /// Somebody has read so many bytes.
    pub fn read(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    #[allow(clippy::cast_precision_loss, reason = "only compared")]
    fn rate(&self, now: Instant) -> f64 {
        let bytes = self.bytes.load(Ordering::Relaxed) as f64;
        bytes / now.saturating_duration_since(self.begun).as_secs_f64()
    }
}

#[derive(Debug)]
pub(super) struct Readers {
    permits: Arc<Semaphore>,
    reading: Mutex<Vec<Weak<ReadPermit>>>,
    told: LogRateLimiter,
}

impl Default for Readers {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            reading: Mutex::default(),
            told: LogRateLimiter::default(),
        }
    }
}

impl Readers {
    /// A room by `until`, for which others may have to give way.
    pub(super) async fn room(&self, until: Instant) -> Option<Room> {
        let now = Instant::now();
        let half = until.saturating_duration_since(now) / 2;
        let mut gives_way = now + half.min(WAITS);
        let mut permit = pin!(Arc::clone(&self.permits).acquire_owned());
        loop {
            tokio::select! {
                biased;
                // Nobody closes the semaphore.
                permit = &mut permit => return permit.ok().map(Room),
                () = tokio::time::sleep_until(gives_way.min(until)) => {}
            }
            if gives_way >= until {
                return None;
            }
            gives_way = self.end_slowest().unwrap_or(until);
        }
    }

    /// What is in the room is read from now on.
    pub(super) fn begin(&self, room: Room) -> Permit {
        let reading = Arc::new(ReadPermit {
            _room: room,
            begun: Instant::now(),
            bytes: AtomicU64::new(0),
            connections: Mutex::default(),
        });
        let mut all = self.reading.lock();
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(&reading));
        reading
    }

    /// Ends the slowest reader of those that have had a fair time. Returns when the next has had it.
    fn end_slowest(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut all = self.reading.lock();
        let read = |one: &Weak<ReadPermit>| one.upgrade().filter(|one| one.begun + FAIR <= now);
        let rates = all.iter().enumerate();
        let rates = rates.filter_map(|(at, one)| Some((at, read(one)?.rate(now))));
        if let Some((slowest, _)) = rates.min_by(|(_, one), (_, other)| one.total_cmp(other)) {
            if let Some(one) = all.swap_remove(slowest).upgrade() {
                for connection in one.connections.lock().iter() {
                    connection.end_now();
                }
            }
            if let Some(suppressed) = self.told.due(()) {
                tracing::warn!(
                    suppressed,
                    "a scraper was cut off that read its answer slowly, for others waited"
                );
            }
        }
        // One that was ended needs a moment to let go.
        let next = all.iter().filter_map(Weak::upgrade);
        let next = next.map(|one| (one.begun + FAIR).max(now + MOMENT));
        next.min()
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.permits.available_permits()
    }
}

#[cfg(test)]
mod tests;
