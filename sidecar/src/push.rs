//! The table from the operator's stream (`docs/design.md` §5).
//!
//! A stream that ends, for whatever reason, is opened anew after a pause; meanwhile the last table serves on. Token and CA
//! certificates are read again for each attempt, so that a rotation of either needs nobody's help.

mod backoff;
mod error;
mod stream;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use tagalong_wire::{Applied, HEARTBEAT_TIMEOUT, Message, Resync, Table};
use tokio::time::Instant;

use backoff::Backoff;
pub use error::StreamError;
use stream::Stream;

use crate::metrics::{Metrics, seconds};
use crate::table::{Loaded, Tables};
use crate::url::Url;

/// How long an attempt to open a stream may take.
const OPEN: Duration = Duration::from_secs(15);
/// A stream that lived for so long was a good one: the next attempt follows as if it were the first.
const GOOD: Duration = Duration::from_secs(60);

/// The operator's stream.
#[derive(Clone, Debug)]
pub struct Push {
    url: Url,
    token_file: PathBuf,
    ca_file: PathBuf,
    /// How long the operator may be silent.
    silence: Duration,
    backoff: Backoff,
}

impl Push {
    /// The stream at `url`.
    #[must_use]
    pub fn new(url: Url, token_file: PathBuf, ca_file: PathBuf) -> Self {
        Self {
            url,
            token_file,
            ca_file,
            silence: HEARTBEAT_TIMEOUT,
            backoff: Backoff::default(),
        }
    }

    /// Puts each table that the operator tells into use, for ever.
    pub async fn follow(mut self, tables: Tables, metrics: Arc<Metrics>) {
        metrics.push.used.store(true, Relaxed);
        let mut said = None;
        loop {
            let began = Instant::now();
            let error = self.live(&tables, &metrics, &mut said).await;
            metrics.push.connected.store(false, Relaxed);
            metrics.push.failed.fetch_add(1, Relaxed);
            let why = error.to_string();
            if said.as_ref() != Some(&why) {
                tracing::warn!(url = %self.url, "labels: {why}; the ones in use stay");
                said = Some(why);
            }
            if Instant::now().saturating_duration_since(began) >= GOOD {
                self.backoff.reset();
            }
            tokio::time::sleep(self.backoff.pause()).await;
        }
    }

    /// One stream from its attempt to its end, which is always an error.
    async fn live(
        &self,
        tables: &Tables,
        metrics: &Metrics,
        said: &mut Option<String>,
    ) -> StreamError {
        let open = Stream::open(&self.url, &self.token_file, &self.ca_file);
        let mut stream = match tokio::time::timeout(OPEN, open).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return error,
            Err(_) => return StreamError::Silent(OPEN),
        };
        metrics.push.opened.fetch_add(1, Relaxed);
        // Each stream counts its own versions, and begins with a whole table.
        let mut table = Table::default();
        loop {
            let message = match tokio::time::timeout(self.silence, stream.next()).await {
                Ok(Ok(message)) => message,
                Ok(Err(error)) => {
                    if error.is_bad_message() {
                        metrics.table_refused();
                    }
                    return error;
                }
                Err(_) => return StreamError::Silent(self.silence),
            };
            let now = seconds(SystemTime::now());
            metrics.push.last_message.store(now, Relaxed);
            match take(&mut table, message, tables) {
                Ok(Applied::Changed) => metrics.table_applied(),
                Ok(Applied::Unchanged) => {}
                Err(resync) => {
                    metrics.push.resyncs.fetch_add(1, Relaxed);
                    return StreamError::Resync(resync);
                }
            }
            if table.version().is_some() && !metrics.push.connected.swap(true, Relaxed) {
                let entries = table.entries();
                tracing::info!(
                    url = %self.url, version = table.version(), services = entries.services.len(),
                    upstreams = entries.upstreams.len(), "labels are up to date"
                );
                *said = None;
            }
        }
    }
}

fn take(table: &mut Table, message: Message, tables: &Tables) -> Result<Applied, Resync> {
    tracing::debug!(kind = message.kind(), "labels");
    let applied = table.apply(message)?;
    if let (Applied::Changed, Some(version)) = (applied, table.version()) {
        let entries = table.entries();
        let loaded = Loaded::new(version, &entries.services, &entries.upstreams);
        tables.store(Arc::new(loaded));
    }
    Ok(applied)
}

#[cfg(test)]
mod tests;
