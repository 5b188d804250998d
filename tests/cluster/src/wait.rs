//! Waiting for something to become true, with a deadline and an account of what was seen.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Result};

/// How long to wait for what a healthy cluster does within seconds. Generous, for a machine that is
/// busy with something else.
pub const TIMEOUT: Duration = Duration::from_secs(90);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// What a probe saw instead of what it looks for. Any error turns into one with `?`.
pub struct Seen(String);

impl Seen {
    /// The account of it.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}

impl<E: fmt::Display> From<E> for Seen {
    fn from(seen: E) -> Self {
        Self(seen.to_string())
    }
}

/// Calls `probe` until it returns `Ok`, and returns that.
///
/// # Errors
///
/// After `within`, with what the probe saw last.
pub async fn until<T, F, Fut>(what: &str, within: Duration, mut probe: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = std::result::Result<T, Seen>>,
{
    let started = Instant::now();
    let mut last = "nothing was seen: the first look did not come back".to_owned();
    loop {
        let left = within.saturating_sub(started.elapsed());
        match tokio::time::timeout(left, probe()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(Seen(seen))) => last = seen,
            Err(_) => {}
        }
        if started.elapsed() >= within {
            return Err(Error::Deadline {
                what: what.to_owned(),
                seconds: within.as_secs(),
                state: format!("seen last: {last}"),
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests;
