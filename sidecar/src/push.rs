//! The table from the operator's stream (`docs/design.md` §5).
//!
//! A stream that ends, for whatever reason, is opened anew after a pause; meanwhile the last table serves on. Token and CA
//! certificates are read again for each attempt, so that a rotation of either needs nobody's help.
//!
//! There is one table, the one in use: a snapshot becomes the next one as it is read, and a change makes the next one of it.

mod backoff;
mod error;
mod stream;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use tagalong_runtime::log_rate::shortened;
use tagalong_wire::{HEARTBEAT_TIMEOUT, Versions};
use tokio::time::Instant;

use backoff::Backoff;
use error::Cause;
pub use error::StreamError;
use stream::{News, Stream};

use crate::memory::Room;
use crate::metrics::{Metrics, seconds};
use crate::outcome::OutcomeLog;
use crate::table::TableHandle;
use crate::url::Url;

/// How long an attempt to open a stream may take.
const OPEN: Duration = Duration::from_secs(15);
/// A stream that lived for so long was a good one: the next attempt follows as if it were the first.
const GOOD: Duration = Duration::from_secs(60);

/// How much of the operator's words the log takes, in bytes: somebody else may answer in its place.
const WORDS: usize = 512;

/// The operator's stream.
#[derive(Clone, Debug)]
pub struct LabelClient {
    url: Url,
    token_file: PathBuf,
    ca_file: PathBuf,
    room: Room,
    /// How long the operator may be silent.
    silence: Duration,
    backoff: Backoff,
}

impl LabelClient {
    /// The stream at `url`, whose tables have so much room.
    #[must_use]
    pub fn new(url: Url, token_file: PathBuf, ca_file: PathBuf, room: Room) -> Self {
        Self {
            url,
            token_file,
            ca_file,
            room,
            silence: HEARTBEAT_TIMEOUT,
            backoff: Backoff::default(),
        }
    }

    /// Puts each table that the operator tells into use, for ever.
    pub async fn follow(mut self, tables: TableHandle, metrics: Arc<Metrics>) {
        metrics.push.used.store(true, Relaxed);
        let log = OutcomeLog::default();
        loop {
            let began = Instant::now();
            let error = self.live(&tables, &metrics, &log).await;
            metrics.push.connected.store(false, Relaxed);
            metrics.push.failed.fetch_add(1, Relaxed);
            if error.is_refusal() {
                metrics.table_refused();
            }
            if let Some(due) = log.bad(error.cause()) {
                let why = error.to_string();
                tracing::warn!(
                    url = %self.url, suppressed = due.suppressed,
                    "labels: {}; the ones in use stay", shortened(&why, WORDS)
                );
            }
            if Instant::now().saturating_duration_since(began) >= GOOD {
                self.backoff.reset();
            }
            let pause = if error.is_lasting() {
                self.backoff.long_pause()
            } else {
                self.backoff.pause()
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// One stream from its attempt to its end, which is always an error.
    async fn live(
        &self,
        tables: &TableHandle,
        metrics: &Metrics,
        log: &OutcomeLog<Cause>,
    ) -> StreamError {
        let in_use = tables.load_full();
        let open = Stream::open(
            &self.url,
            &self.token_file,
            &self.ca_file,
            &in_use,
            self.room,
        );
        let mut stream = match tokio::time::timeout(OPEN, open).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return error,
            Err(_) => return StreamError::Silent(OPEN),
        };
        drop(in_use);
        metrics.push.opened.fetch_add(1, Relaxed);
        // Each stream counts its own versions, and begins with a whole table.
        let mut versions = Versions::default();
        loop {
            let news = match tokio::time::timeout(self.silence, stream.next(tables)).await {
                Ok(Ok(news)) => news,
                Ok(Err(error)) => return error,
                Err(_) => return StreamError::Silent(self.silence),
            };
            let now = seconds(SystemTime::now());
            metrics.push.last_message.store(now, Relaxed);
            match self.take(&mut versions, news, tables) {
                Ok(true) => metrics.table_applied(),
                Ok(false) => {}
                Err(error) => {
                    if matches!(error, StreamError::Resync(_)) {
                        metrics.push.resyncs.fetch_add(1, Relaxed);
                    }
                    return error;
                }
            }
            if versions.now().is_some()
                && !metrics.push.connected.swap(true, Relaxed)
                && let Some(due) = log.good()
            {
                let table = tables.load();
                tracing::info!(
                    url = %self.url, suppressed = due.suppressed, version = versions.now(),
                    services = table.labels.services(), upstreams = table.labels.upstreams(),
                    "labels are up to date"
                );
            }
        }
    }

    /// Takes what came; says whether another table is in use now.
    fn take(
        &self,
        versions: &mut Versions,
        news: News,
        tables: &TableHandle,
    ) -> Result<bool, StreamError> {
        let next = match news {
            News::Table(table) => {
                versions.snapshot(table.version.unwrap_or_default());
                table
            }
            News::Delta(delta) => {
                versions.delta(delta.version).map_err(StreamError::Resync)?;
                tables
                    .load()
                    .changed(&delta, self.room)
                    .map_err(StreamError::Change)?
            }
            News::Heartbeat(version) => {
                versions.heartbeat(version).map_err(StreamError::Resync)?;
                return Ok(false);
            }
            News::Unknown => return Ok(false),
        };
        tracing::debug!(version = next.version, "labels");
        tables.store(Arc::new(next));
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
