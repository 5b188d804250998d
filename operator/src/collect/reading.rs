//! Rooms for collections: each holds what all pods sent, while it is gathered and for as long as it is not written.
//!
//! There are few, and whoever does not read on must not keep the others from theirs. So a scrape that finds no room ends at
//! once the readers of a collection that none of them reads on, and, once it has waited for a while, those of the slowest of
//! the collections that have had a fair time.

use parking_lot::Mutex;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tagalong_runtime::log_rate::LogRateLimiter;
use tagalong_runtime::serve::ConnectionHandle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Collections at once: one that is gathered for all who wait, and those that are not yet read to the end by those who came
/// for them. One of 100 pods of 7 MB takes some 115 MB: three of them, and not four, fit in the memory that the chart gives.
pub(super) const AT_ONCE: usize = 3;
/// Who takes nothing for so long does not read, and gives way at once. Whoever reads takes 64 KiB many times meanwhile.
const PAUSE: Duration = Duration::from_millis(250);
/// What a reader has before it has to give way.
const FAIR: Duration = Duration::from_secs(5);
/// What a scrape waits at most before others have to give way that read: half of its time, and no more than this, for more
/// may wait behind it.
const WAITS: Duration = Duration::from_secs(4);
/// How often a scrape that waits looks at those that read.
const LOOK: Duration = Duration::from_millis(50);
/// How long connections may take to end.
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
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    bytes: u64,
    /// When somebody read on last.
    last: Instant,
    /// Those who are reading it; each has a number, and ends if it has to give way.
    readers: Vec<(u64, ConnectionHandle)>,
    next: u64,
}

/// One who reads a collection, until this is dropped: from then on its connection may bring something else.
#[derive(Debug)]
pub struct CollectionReader {
    permit: Permit,
    number: u64,
}

impl ReadPermit {
    /// Somebody reads it by this connection, which ends if it has to give way.
    #[must_use]
    pub fn by(self: &Arc<Self>, connection: ConnectionHandle) -> CollectionReader {
        let mut progress = self.progress.lock();
        let number = progress.next;
        progress.next += 1;
        progress.last = Instant::now();
        progress.readers.push((number, connection));
        CollectionReader {
            permit: Arc::clone(self),
            number,
        }
    }

    /// For how long none of those who read it has read on; nothing if nobody reads it (yet).
    fn pause(&self, now: Instant) -> Option<Duration> {
        let progress = self.progress.lock();
        let pause = now.saturating_duration_since(progress.last);
        (!progress.readers.is_empty()).then_some(pause)
    }

    /// How fast it is read, if it has been for a fair time.
    #[allow(clippy::cast_precision_loss, reason = "only compared")]
    fn rate(&self, now: Instant) -> Option<f64> {
        let (progress, had) = (
            self.progress.lock(),
            now.saturating_duration_since(self.begun),
        );
        let fair = had >= FAIR && !progress.readers.is_empty();
        fair.then(|| progress.bytes as f64 / had.as_secs_f64())
    }

    fn end(&self) {
        for (_, connection) in self.progress.lock().readers.drain(..) {
            connection.end_now();
        }
    }
}

impl CollectionReader {
    /// It has read so many bytes more.
    pub fn read(&self, bytes: usize) {
        let mut progress = self.permit.progress.lock();
        progress.bytes += bytes as u64;
        progress.last = Instant::now();
    }
}

impl Drop for CollectionReader {
    fn drop(&mut self) {
        let mut progress = self.permit.progress.lock();
        progress
            .readers
            .retain(|(number, _)| *number != self.number);
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
        let gives_way = now + half.min(WAITS);
        let mut permit = pin!(Arc::clone(&self.permits).acquire_owned());
        let mut look = now;
        loop {
            tokio::select! {
                biased;
                // Nobody closes the semaphore.
                permit = timeout_at(until, &mut permit) => return permit.ok()?.ok().map(Room),
                () = sleep_until(look) => {}
            }
            let now = Instant::now();
            let ended = self.end_stalled(now) || now >= gives_way && self.end_slowest(now);
            look = now + if ended { MOMENT } else { LOOK };
        }
    }

    /// What is in the room is read from now on.
    pub(super) fn begin(&self, room: Room) -> Permit {
        let begun = Instant::now();
        let reading = Arc::new(ReadPermit {
            _room: room,
            begun,
            progress: Mutex::new(Progress {
                bytes: 0,
                last: begun,
                readers: Vec::new(),
                next: 0,
            }),
        });
        let mut all = self.reading.lock();
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(&reading));
        reading
    }

    /// Ends the readers of the collection that has not been read on for longest, if that is long.
    fn end_stalled(&self, now: Instant) -> bool {
        let reading = self.reading();
        let pauses = reading
            .iter()
            .filter_map(|one| Some((one.pause(now)?, one)));
        let longest = pauses.max_by_key(|(pause, _)| *pause);
        self.end(
            longest
                .filter(|(pause, _)| *pause >= PAUSE)
                .map(|(_, one)| one),
        )
    }

    /// Ends the readers of the slowest collection of those that have had a fair time.
    fn end_slowest(&self, now: Instant) -> bool {
        let reading = self.reading();
        let rates = reading.iter().filter_map(|one| Some((one.rate(now)?, one)));
        let slowest = rates.min_by(|(one, _), (other, _)| one.total_cmp(other));
        self.end(slowest.map(|(_, one)| one))
    }

    fn reading(&self) -> Vec<Permit> {
        let reading = self.reading.lock();
        reading.iter().filter_map(Weak::upgrade).collect()
    }

    fn end(&self, one: Option<&Permit>) -> bool {
        let Some(one) = one else { return false };
        one.end();
        if let Some(suppressed) = self.told.due(()) {
            tracing::warn!(
                suppressed,
                "a scraper was cut off that read its answer slowly, for others waited"
            );
        }
        true
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.permits.available_permits()
    }
}

#[cfg(test)]
mod tests;
