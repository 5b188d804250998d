//! One Kong scrape at a time, shared by those who wait.
//!
//! [`Scraper`] is the queue. It sends off a `flight` with everybody who waits, and the next one only when that has
//! landed, which it does when Kong is done, and not when its passengers have left. A flight scrapes Kong once, `render`s what comes in each form that somebody asked for, and hands it out
//! through a `pipe` each.

mod flight;
mod gzip;
mod patience;
mod pipe;
mod render;

use std::fmt;
use std::future::Future;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use http::HeaderValue;
use http_body::Body;
use parking_lot::Mutex;
use tagalong_exposition::Keep;
use tagalong_runtime::log_rate::{LogRateLimiter, shortened};
use tagalong_runtime::serve::ConnectionHandle;
use thiserror::Error;
use tokio::sync::{Notify, oneshot};

pub use patience::{PACE, PATIENCE};
pub use pipe::{Broken, PipeReader, WINDOW};

use crate::kong::{Connection, Kong, KongBody, KongError};
use crate::metrics::Metrics;
use crate::outcome::OutcomeLog;
use crate::table::TableHandle;

/// How much of Kong's words the log takes, in bytes.
const WORDS: usize = 512;

/// What a request wants of the scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Which samples.
    pub keep: Keep,
    /// Whether compressed.
    pub gzip: bool,
}

/// A body that has begun.
#[derive(Debug)]
pub struct ScrapeAnswer {
    /// Kong's own content type.
    pub content_type: HeaderValue,
    /// What was asked for, as it comes.
    pub body: PipeReader,
}

/// Why there is no body.
#[derive(Clone, Debug, Error)]
pub enum ScrapeError {
    /// Kong has none.
    #[error(transparent)]
    Kong(#[from] KongError),
    /// A bug of ours; the log has more.
    #[error("the sidecar failed at this scrape; its log says where")]
    Panic,
}

/// Where a scrape comes from: Kong, but for the tests of this module.
pub trait Upstream: Send + Sync + 'static {
    /// What a scrape is asked for on.
    type Link: Send;
    /// The body.
    type Body: Body<Data = Bytes, Error: fmt::Display + Send> + Send + Unpin;

    /// Makes ready for a scrape, which may be given up without harm.
    fn connect(&self) -> impl Future<Output = Result<Self::Link, KongError>> + Send;

    /// Scrapes until the body, whose content type is the first part, begins. From here on there is no way back.
    fn scrape(
        &self,
        link: Self::Link,
    ) -> impl Future<Output = Result<(HeaderValue, Self::Body), KongError>> + Send;
}

impl Upstream for Kong {
    type Link = Connection;
    type Body = KongBody;

    async fn connect(&self) -> Result<Connection, KongError> {
        Self::connect(self).await
    }

    async fn scrape(&self, link: Connection) -> Result<(HeaderValue, KongBody), KongError> {
        let exposition = Self::scrape(self, link).await?;
        Ok((exposition.content_type, exposition.body))
    }
}

/// The queue in front of Kong.
#[derive(Debug)]
pub struct Scraper<U>(Arc<Shared<U>>);

#[derive(Debug)]
struct Shared<U> {
    upstream: U,
    tables: TableHandle,
    metrics: Arc<Metrics>,
    queue: Mutex<Queue>,
    /// Somebody has begun to wait.
    arrival: Notify,
    log: OutcomeLog<String>,
    cut_off: LogRateLimiter,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Seat>,
    flying: bool,
}

/// A request that waits for its flight.
#[derive(Debug)]
struct Seat {
    want: Want,
    connection: ConnectionHandle,
    answer: oneshot::Sender<Result<ScrapeAnswer, ScrapeError>>,
}

impl<U: Upstream> Scraper<U> {
    /// Scrapes `upstream` with the tables' labels.
    pub fn new(upstream: U, tables: TableHandle, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Shared {
            upstream,
            tables,
            metrics,
            queue: Mutex::default(),
            arrival: Notify::new(),
            log: OutcomeLog::default(),
            cut_off: LogRateLimiter::default(),
        }))
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
            tokio::spawn(Arc::clone(&self.0).fly());
        } else {
            self.0.arrival.notify_one();
        }
        // The sender is dropped unused only when its flight panicked.
        seat.await.unwrap_or(Err(ScrapeError::Panic))
    }
}

impl<U: Upstream> Shared<U> {
    /// Flies until nobody waits. Each flight is a task of its own, so that a panic takes nobody but its passengers.
    async fn fly(self: Arc<Self>) {
        loop {
            let seats = {
                let mut queue = self.queue.lock();
                queue.waiting.retain(|seat| !seat.answer.is_closed());
                if queue.waiting.is_empty() {
                    queue.flying = false;
                    return;
                }
                mem::take(&mut queue.waiting)
            };
            self.metrics.kong_scrapes.fetch_add(1, Relaxed);
            self.metrics
                .shared
                .fetch_add(seats.len() as u64 - 1, Relaxed);
            let flight = tokio::spawn(flight::fly(Arc::clone(&self), seats));
            if flight.await.is_err_and(|error| error.is_panic()) {
                self.metrics.panics.fetch_add(1, Relaxed);
            }
        }
    }

    /// A scrape of Kong went well.
    fn went_well(&self) {
        match self.log.good() {
            None => {}
            Some(due) if due.first => tracing::info!("Kong's metrics can be scraped"),
            Some(due) => {
                tracing::info!(unsaid = due.unsaid, "Kong's metrics can be scraped again");
            }
        }
    }

    /// One failed.
    fn failed(&self, why: &str) {
        if let Some(due) = self.log.bad(why.to_owned()) {
            tracing::warn!(
                unsaid = due.unsaid,
                "scrape failed: {}",
                shortened(why, WORDS)
            );
        }
    }

    fn somebody_waits(&self) -> bool {
        self.queue
            .lock()
            .waiting
            .iter()
            .any(|seat| !seat.answer.is_closed())
    }
}

#[cfg(test)]
mod tests;
