//! Reads the bodies of reviews, within a bound on the memory that all of them take together.
//!
//! Anybody who reaches the port can open a thousand requests, and the API server waits three seconds in all. So:
//!
//! ```text
//!               announced ≤ 256 KiB ─▶ budget "usual", 6 MiB ─┐ when it is used up: one body at a time
//!   request ─┤                                                ├─▶ takes what it needs beyond it, so that bodies
//!               longer, or unknown  ─▶ budget "large", 6 MiB ─┘ which wait for each other all come to an end
//! ```
//!
//! - Memory is taken as bytes arrive, never for what is announced; large bodies take nothing from usual ones.
//! - Whoever sends less than 4 KiB in 200 ms is ended at once if others wait for memory, else after a second.
//! - Nobody is waited for longer than the API server itself waits.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// The largest review read. etcd takes objects up to 1.5 MiB, and a review holds one twice: as it is and as it was.
pub const LARGEST: usize = 4 << 20;

/// What is announced to be no longer is a usual review: an object of up to 128 KiB, twice.
pub const USUAL: usize = 256 << 10;

/// What the bodies of one budget may take together, in KiB: 24 of the longest usual ones, and hundreds of most.
const BUDGET: u32 = 6 << 10;

/// What a body takes at first, in bytes. It doubles that as it grows.
const FIRST: usize = 4 << 10;

/// The API server waits three seconds in all. A body that has not come by then is nobody's.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How often it is checked how much has come.
const INTERVAL: Duration = Duration::from_millis(200);

/// The least that a sender must send between two checks, in bytes. The API server sends a review in one go.
const SLOWEST: usize = 4 << 10;

/// After this many checks in a row without enough, a body is ended even if nobody waits for memory.
const SLOW_INTERVALS: u32 = 5;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// It is longer than any review.
    #[error("a review has at most {LARGEST} bytes")]
    TooLarge,
    /// It did not come, or there was no memory for it in time.
    #[error("the review did not come in time")]
    Late,
    /// Its sender ended it.
    #[error("the review broke off: {0}")]
    Broken(Box<dyn std::error::Error + Send + Sync>),
}

/// MemoryBudget for the bodies that are under way.
#[derive(Debug)]
pub struct Intake {
    usual: MemoryBudget,
    large: MemoryBudget,
}

impl Intake {
    /// All of it free.
    #[must_use]
    pub fn new() -> Self {
        Self {
            usual: MemoryBudget::new(),
            large: MemoryBudget::new(),
        }
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// It is too long, late, or breaks off.
    pub async fn read<B>(&self, body: B) -> Result<Review<'_>, Unread>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let hint = body.size_hint();
        if hint.lower() > LARGEST as u64 {
            return Err(Unread::TooLarge);
        }
        let most = hint.upper().and_then(|upper| usize::try_from(upper).ok());
        let most = most.unwrap_or(LARGEST).min(LARGEST);
        let budget = if most <= USUAL {
            &self.usual
        } else {
            &self.large
        };
        timeout(TIMEOUT, gather(body, Review::new(budget, most)))
            .await
            .unwrap_or(Err(Unread::Late))
    }
}

async fn gather<B>(body: B, mut review: Review<'_>) -> Result<Review<'_>, Unread>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut body = pin!(body);
    let mut checks = interval(INTERVAL);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    checks.reset();
    let (mut came, mut short) = (0, 0);
    loop {
        tokio::select! {
            biased;
            frame = body.frame() => match frame {
                None => return Ok(review),
                Some(Err(error)) => return Err(Unread::Broken(error.into())),
                Some(Ok(frame)) => if let Ok(data) = frame.into_data() {
                    came += data.len();
                    if review.push(&data).await? {
                        // The time spent waiting for memory is not its sender's.
                        checks.reset();
                    }
                },
            },
            _ = checks.tick() => {
                short = if came < SLOWEST { short + 1 } else { 0 };
                came = 0;
                if short >= SLOW_INTERVALS || short > 0 && review.budget.is_short() {
                    return Err(Unread::Late);
                }
            }
        }
    }
}

/// What has come of a body. Its memory is free again when this is dropped.
#[derive(Debug)]
pub struct Review<'a> {
    bytes: Vec<u8>,
    budget: &'a MemoryBudget,
    most: usize,
    taken: usize,
    held: Share,
}

impl<'a> Review<'a> {
    fn new(budget: &'a MemoryBudget, most: usize) -> Self {
        Self {
            bytes: Vec::new(),
            budget,
            most,
            taken: 0,
            held: Share::default(),
        }
    }

    /// All that has come.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds what has come; says whether it had to wait for memory.
    async fn push(&mut self, data: &[u8]) -> Result<bool, Unread> {
        let length = self.bytes.len() + data.len();
        if length > self.most {
            return Err(Unread::TooLarge);
        }
        let mut waited = false;
        if length > self.taken {
            let taken = length.max(2 * self.taken).max(FIRST).min(self.most);
            // Whole KiB, so that what is held never is less than what is taken.
            let kib = |bytes: usize| u32::try_from(bytes.div_ceil(1024)).unwrap_or(BUDGET);
            let more = kib(taken) - kib(self.taken);
            waited = self.budget.take(&mut self.held, more).await;
            self.bytes.reserve_exact(taken - self.bytes.len());
            self.taken = taken;
        }
        self.bytes.extend_from_slice(data);
        Ok(waited)
    }
}

#[derive(Debug, Default)]
struct Share {
    shares: Option<OwnedSemaphorePermit>,
    last: Option<OwnedSemaphorePermit>,
}

impl Share {
    fn add(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.shares {
            Some(shares) => shares.merge(more),
            none => *none = Some(more),
        }
    }
}

/// What bodies of one sort may take together.
#[derive(Debug)]
struct MemoryBudget {
    shares: Arc<Semaphore>,
    /// Where the shares are gone, one body at a time takes what it needs beyond them. So bodies of which each has a
    /// part, and waits for another's, come to an end one after the other.
    last: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl MemoryBudget {
    fn new() -> Self {
        Self {
            shares: Arc::new(Semaphore::new(BUDGET as usize)),
            last: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Takes so many KiB more; whether it had to wait for them.
    async fn take(&self, held: &mut Share, kib: u32) -> bool {
        if held.last.is_some() {
            return false;
        }
        let shares = Arc::clone(&self.shares);
        if let Ok(more) = Arc::clone(&shares).try_acquire_many_owned(kib) {
            held.add(more);
            return false;
        }
        let _waiting = Waiting::new(&self.waiting);
        tokio::select! {
            biased;
            Ok(more) = shares.acquire_many_owned(kib) => held.add(more),
            Ok(last) = Arc::clone(&self.last).acquire_owned() => held.last = Some(last),
            else => unreachable!("neither is ever closed"),
        }
        true
    }

    fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

/// Counted as waiting while it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
pub(crate) mod tests;
