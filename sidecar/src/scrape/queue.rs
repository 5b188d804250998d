//! Who waits, and what all flights share.

use std::sync::Arc;

use parking_lot::Mutex;
use tagalong_runtime::log_rate::{LogRateLimiter, shortened};
use tokio::sync::Notify;

use super::request::Seat;
use crate::metrics::Metrics;
use crate::outcome::OutcomeLog;
use crate::summary::Summaries;
use crate::table::TableHandle;

/// How much of Kong's words the log takes, in bytes.
const WORDS: usize = 512;

#[derive(Debug)]
pub(super) struct Shared<U> {
    pub(super) upstream: U,
    pub(super) tables: TableHandle,
    pub(super) metrics: Arc<Metrics>,
    pub(super) summaries: Arc<Summaries>,
    pub(super) queue: Mutex<Queue>,
    /// Somebody has begun to wait.
    pub(super) arrival: Notify,
    log: OutcomeLog<String>,
    pub(super) cut_off: LogRateLimiter,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) waiting: Vec<Seat>,
    pub(super) flying: bool,
}

impl<U> Shared<U> {
    pub(super) fn new(
        upstream: U,
        tables: TableHandle,
        metrics: Arc<Metrics>,
        summaries: Arc<Summaries>,
    ) -> Self {
        Self {
            upstream,
            tables,
            metrics,
            summaries,
            queue: Mutex::default(),
            arrival: Notify::new(),
            log: OutcomeLog::default(),
            cut_off: LogRateLimiter::default(),
        }
    }

    /// A scrape of Kong went well.
    pub(super) fn went_well(&self) {
        match self.log.good() {
            None => {}
            Some(due) if due.first => tracing::info!("Kong's metrics can be scraped"),
            Some(due) => {
                tracing::info!(
                    suppressed = due.suppressed,
                    "Kong's metrics can be scraped again"
                );
            }
        }
    }

    /// One failed.
    pub(super) fn failed(&self, why: &str) {
        if let Some(due) = self.log.bad(why.to_owned()) {
            tracing::warn!(
                suppressed = due.suppressed,
                "scrape failed: {}",
                shortened(why, WORDS)
            );
        }
    }

    pub(super) fn somebody_waits(&self) -> bool {
        self.queue
            .lock()
            .waiting
            .iter()
            .any(|seat| !seat.answer.is_closed())
    }
}
