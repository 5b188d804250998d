//! One Kong scrape at a time, shared by those who wait.
//!
//! [`Scraper`] is the queue. It starts a `flight` for all requests that wait, and the next one when that has ended: when
//! Kong is done, even if all its readers left before. A flight scrapes Kong once, `render`s what comes in each form that a
//! request asked for, and hands it out through a `pipe` each.

mod flight;
mod grace;
mod gzip;
mod pipe;
mod queue;
mod render;
mod request;
mod upstream;

use std::future::poll_fn;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tagalong_exposition::Keep;
use tagalong_runtime::serve::ConnectionHandle;
use tokio::sync::oneshot;

pub use grace::{GRACE, PACE};
pub use pipe::{Broken, PipeReader, WINDOW};
pub use request::{ScrapeAnswer, ScrapeError, Want};
pub use upstream::Upstream;

use crate::metrics::Metrics;
use crate::summary::{Need, Summaries};
use crate::table::TableHandle;
use queue::Shared;
use request::Seat;

/// The queue in front of Kong.
#[derive(Debug)]
pub struct Scraper<U>(Arc<Shared<U>>);

impl<U: Upstream> Scraper<U> {
    /// Scrapes `upstream` with the tables' labels.
    pub fn new(
        upstream: U,
        tables: TableHandle,
        metrics: Arc<Metrics>,
        summaries: Arc<Summaries>,
    ) -> Self {
        Self(Arc::new(Shared::new(upstream, tables, metrics, summaries)))
    }

    /// Waits for the next scrape to begin its body. Has no timeout; dropping the future gives the seat back. The
    /// connection is ended should the reader later hold others up for too long.
    ///
    /// # Errors
    /// There is no body.
    pub async fn scrape(
        &self,
        want: Want,
        connection: ConnectionHandle,
    ) -> Result<ScrapeAnswer, ScrapeError> {
        let (answer, seat) = oneshot::channel();
        let depart = {
            let mut queue = self.0.queue.lock();
            queue.waiting.push(Seat {
                want,
                connection,
                answer,
            });
            !mem::replace(&mut queue.flying, true)
        };
        if depart {
            tokio::spawn(fly(Arc::clone(&self.0)));
        } else {
            self.0.arrival.notify_one();
        }
        // The sender is dropped unused only when its flight panicked.
        seat.await.unwrap_or(Err(ScrapeError::Panic))
    }

    /// The summaries, after Kong was looked at if the last look is older than this and Kong may be looked at. Has no timeout.
    ///
    /// # Errors
    /// Kong should have been looked at, and was not.
    pub async fn look(&self, max_age: Duration) -> Result<(), ScrapeError> {
        let (summaries, summary) = (&self.0.summaries, &self.0.metrics.summary);
        match summaries.ask(max_age) {
            Need::Nothing => {}
            Need::Wait => summaries.wait().await,
            Need::Look => {
                summary.scrapes.fetch_add(1, Relaxed);
                let want = Want {
                    keep: Keep::Enriched,
                    gzip: false,
                };
                // A reader like any other, who throws away what he reads.
                let mut body = self.scrape(want, ConnectionHandle::default()).await?.body;
                while let Some(Ok(_)) = poll_fn(|cx| body.poll_next(cx)).await {}
                return Ok(());
            }
        }
        summary.reused.fetch_add(1, Relaxed);
        Ok(())
    }

    /// What there is to say in a summary.
    pub fn summaries(&self) -> &Arc<Summaries> {
        &self.0.summaries
    }
}

/// Flies until nobody waits. Each flight is a task of its own, so that a panic takes nobody but its passengers.
async fn fly<U: Upstream>(shared: Arc<Shared<U>>) {
    loop {
        let seats = {
            let mut queue = shared.queue.lock();
            queue.waiting.retain(|seat| !seat.answer.is_closed());
            if queue.waiting.is_empty() {
                queue.flying = false;
                return;
            }
            mem::take(&mut queue.waiting)
        };
        shared.metrics.kong_scrapes.fetch_add(1, Relaxed);
        shared
            .metrics
            .shared
            .fetch_add(seats.len() as u64 - 1, Relaxed);
        let flight = tokio::spawn(flight::fly(Arc::clone(&shared), seats));
        if flight.await.is_err_and(|error| error.is_panic()) {
            shared.metrics.panics.fetch_add(1, Relaxed);
            shared.summaries.forget();
        }
    }
}

#[cfg(test)]
mod tests;
