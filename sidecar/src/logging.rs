//! The log: text or JSON on standard error.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::Exit;

/// Starts the log as `TAGALONG_LOG` (`info`, `debug`, `tagalong_sidecar=trace,warn`, …) and `TAGALONG_LOG_FORMAT` (`text`, `json`) say.
///
/// # Errors
/// A variable has a value that it cannot have.
pub fn init() -> Result<(), Exit> {
    let filter: Targets = variable("TAGALONG_LOG")
        .unwrap_or_else(|| "info".into())
        .parse()
        .map_err(|error| Exit::Usage(format!("TAGALONG_LOG: {error}")))?;
    let format = variable("TAGALONG_LOG_FORMAT");
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match format.as_deref() {
        None | Some("text") => layer.with_ansi(false).boxed(),
        Some("json") => layer.json().flatten_event(true).boxed(),
        Some(other) => {
            return Err(Exit::Usage(format!(
                "TAGALONG_LOG_FORMAT: {other:?} is neither text nor json"
            )));
        }
    };
    // Fails only where a log was started before, which then serves.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init();
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Says a thing that may happen a thousand times a second once a minute at most.
#[derive(Debug, Default)]
pub struct Rarely(Mutex<Option<(Instant, u64)>>);

impl Rarely {
    const PAUSE: Duration = Duration::from_secs(60);

    /// If it is time to say it again: how many times it was not said meanwhile.
    pub fn due(&self) -> Option<u64> {
        let now = Instant::now();
        let mut last = self.0.lock();
        match last.as_mut() {
            Some((said, unsaid)) if now.saturating_duration_since(*said) < Self::PAUSE => {
                *unsaid += 1;
                None
            }
            _ => {
                let unsaid = last.map_or(0, |(_, unsaid)| unsaid);
                *last = Some((now, 0));
                Some(unsaid)
            }
        }
    }
}
