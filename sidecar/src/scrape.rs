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

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tagalong_runtime::serve::ConnectionHandle;
use tokio::sync::oneshot;

pub use grace::{GRACE, PACE};
pub use pipe::{Broken, PipeReader, WINDOW};
pub use request::{ScrapeAnswer, ScrapeError, Want};
pub use upstream::Upstream;

use crate::metrics::Metrics;
use crate::table::TableHandle;
use queue::Shared;
use request::Seat;

/// The queue in front of Kong.
#[derive(Debug)]
pub struct Scraper<U>(Arc<Shared<U>>);

impl<U: Upstream> Scraper<U> {
    /// Scrapes `upstream` with the tables' labels.
    pub fn new(upstream: U, tables: TableHandle, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Shared::new(upstream, tables, metrics)))
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
        }
    }
}

#[cfg(test)]
mod tests;
