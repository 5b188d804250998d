//! The summaries as a whole: who asks, which look is under way, and what the last one said.

use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::Mutex;
use tagalong_wire::Look;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::ledger::Ledger;
use super::pace::{Pace, SHORTEST};
use crate::metrics::Metrics;

/// Nobody has asked for so long: nothing is reckoned any more.
const UNASKED: Duration = Duration::from_secs(600);

/// Summaries, and what they are made of.
#[derive(Debug)]
pub struct Summaries {
    /// How much memory they may have, in bytes.
    room: usize,
    metrics: Arc<Metrics>,
    pub(super) state: Mutex<State>,
    /// A look is over.
    over: Notify,
}

#[derive(Debug, Default)]
pub(super) struct State {
    asked: Option<Instant>,
    pub(super) pace: Pace,
    pub(super) epoch: Option<Epoch>,
    /// Whether a look is under way.
    under_way: bool,
}

#[derive(Debug)]
pub(super) struct Epoch {
    pub(super) name: String,
    pub(super) ledger: Ledger,
    /// When Kong was as the first look that counted found it, and as the last one did.
    first: Option<Instant>,
    last: Option<Instant>,
    /// Whether there was a table at the last look.
    table: bool,
}

/// What is to be done for somebody who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: the last look is young enough, or Kong may not be looked at yet.
    Nothing,
    /// Kong is to be looked at.
    Look,
    /// The look under way is to be waited for.
    Wait,
}

impl Summaries {
    /// Summaries that may have so many bytes of memory.
    pub fn new(room: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            room,
            metrics,
            state: Mutex::default(),
            over: Notify::new(),
        }
    }

    /// Somebody asks for a look that is no older than this.
    pub fn ask(&self, max_age: Duration) -> Need {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.asked = Some(now);
        self.metrics.summary.used.store(true, Relaxed);
        if state.under_way {
            return Need::Wait;
        }
        let last = state.epoch.as_ref().and_then(|epoch| epoch.last);
        match last {
            // The first look is had at once: without it there is nothing to say at all.
            None => Need::Look,
            Some(last) => {
                let old = now.saturating_duration_since(last) > max_age.max(SHORTEST);
                if old && state.pace.allows(now) {
                    Need::Look
                } else {
                    Need::Nothing
                }
            }
        }
    }

    /// Waits until no look is under way.
    pub async fn wait(&self) {
        let over = self.over.notified();
        if self.state.lock().under_way {
            over.await;
        }
    }

    /// Kong begins to answer a scrape that it was asked for at `asked`. None if nobody wants to know what it says.
    pub(crate) fn begin(self: &Arc<Self>, asked: Instant, table: bool) -> Option<Watch> {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.pace.begins(asked);
        let since = |at| now.saturating_duration_since(at);
        if since(state.asked?) > UNASKED {
            state.asked = None;
            state.epoch = None;
            return None;
        }
        let room = self.room;
        let epoch = state.epoch.get_or_insert_with(|| Epoch::new(room));
        // A scrape that follows at once would say nothing new.
        if epoch.last.is_some_and(|last| since(last) < SHORTEST) {
            return None;
        }
        epoch.ledger.begin();
        epoch.table = table;
        state.under_way = true;
        Some(Watch {
            summaries: Arc::clone(self),
            asked,
            at: now,
        })
    }

    /// A look failed in the middle of reckoning: nothing of what was reckoned is to be trusted.
    pub(crate) fn forget(&self) {
        self.state.lock().epoch = None;
    }
}

/// A look under way. If it never lands, it counts for nothing.
#[derive(Debug)]
pub(crate) struct Watch {
    summaries: Arc<Summaries>,
    asked: Instant,
    /// When Kong is taken to have been as it says: it reads its numbers from here on.
    at: Instant,
}

impl Watch {
    /// Shows what passes.
    pub(crate) fn show(&self, show: impl FnOnce(&mut Ledger)) {
        match &mut self.summaries.state.lock().epoch {
            Some(epoch) => show(&mut epoch.ledger),
            // It ended meanwhile, and what passes must pass all the same.
            None => show(&mut Ledger::new(0)),
        }
    }

    /// The look has come to its end, after so many lines.
    pub(crate) fn land(self, lines: u64) {
        let mut state = self.summaries.state.lock();
        let took = Instant::now().saturating_duration_since(self.asked);
        state.pace.ended(lines, took);
        let Some(epoch) = &mut state.epoch else {
            return;
        };
        let before = epoch.ledger.dropped;
        if epoch.ledger.land(self.at) {
            epoch.first.get_or_insert(self.at);
            epoch.last = Some(self.at);
        }
        let now = epoch.ledger.dropped;
        let counts = &self.summaries.metrics.summary;
        for (count, now, before) in [
            (&counts.renamed, now.renamed, before.renamed),
            (&counts.implausible, now.implausible, before.implausible),
            (&counts.void, now.looks, before.looks),
        ] {
            count.fetch_add(now - before, Relaxed);
        }
        let series = epoch.ledger.series() as u64;
        counts.series.store(series, Relaxed);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.summaries.state.lock().under_way = false;
        self.summaries.over.notify_waiters();
    }
}

impl Epoch {
    fn new(room: usize) -> Self {
        let random = std::hash::RandomState::new().build_hasher().finish();
        Self {
            name: format!("{random:016x}"),
            ledger: Ledger::new(room),
            first: None,
            last: None,
            table: false,
        }
    }

    /// What there is to say of the last look that counted.
    pub(super) fn look(&self, pace: Pace) -> Option<Look> {
        let now = Instant::now();
        let age = |at: Instant| {
            u64::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(u64::MAX)
        };
        Some(Look {
            epoch: self.name.clone(),
            sequence: self.ledger.sequence,
            age_ms: age(self.last?),
            every_ms: u64::try_from(pace.every().as_millis()).unwrap_or(u64::MAX),
            since_ms: age(self.first?),
            complete: self.table && self.ledger.whole,
            pod: self.ledger.pod,
        })
    }
}
