//! Counts scrapes, and how many ran at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// The counters of one stand-in.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) started: AtomicUsize,
    pub(super) now: AtomicUsize,
    pub(super) most: AtomicUsize,
}

/// A scrape under way; over when dropped, at its body's end or with its connection.
pub(super) struct Scrape(Arc<Count>);

impl Scrape {
    pub(super) fn start(count: &Arc<Count>) -> Self {
        count.started.fetch_add(1, SeqCst);
        let now = count.now.fetch_add(1, SeqCst) + 1;
        count.most.fetch_max(now, SeqCst);
        Self(count.clone())
    }
}

impl Drop for Scrape {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, SeqCst);
    }
}
