//! Logs: text for people, JSON for machines.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::prelude::*;

/// Format and verbosity of logs.
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// Format of the log lines.
    #[arg(long, env = "TAGALONG_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// Log level, or levels per target, such as `info,tagalong_operator=debug`.
    #[arg(long, env = "TAGALONG_LOG", default_value = "info")]
    pub log: String,
}

/// Format of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One line of text per event.
    Text,
    /// One JSON object per event, with its fields at the top level.
    Json,
}

impl Default for LogArgs {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Text,
            log: "info".to_owned(),
        }
    }
}

/// A filter that cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("--log {given:?} is not a filter ({reason}); try `info`")]
pub struct BadFilter {
    given: String,
    reason: String,
}

/// Starts logging to standard error. A second call changes nothing: tests start many servers in
/// one process.
///
/// # Errors
///
/// When the filter cannot be parsed.
pub fn init(args: &LogArgs) -> Result<(), BadFilter> {
    let filter = args.log.parse::<Targets>().map_err(|error| BadFilter {
        given: args.log.clone(),
        reason: error.to_string(),
    })?;
    let lines = layer().with_writer(std::io::stderr);
    // Behind a pointer: the sidecar has one subscriber then, not one for each form.
    let lines = match args.log_format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let logs = tracing_subscriber::registry().with(lines.with_filter(filter));
    let _already_set = logs.try_init();
    Ok(())
}

/// Panics are logged like everything else, not printed in a form of their own.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

/// Warnings for a person who has asked something and waits for the answer: on standard error, without times, and
/// without those of the target `but`.
pub fn warn_person(but: &str) {
    let lines = layer().with_writer(std::io::stderr).with_ansi(false);
    let lines = lines.without_time().with_target(false);
    let filter = Targets::new().with_default(LevelFilter::WARN);
    let filter = filter.with_target(but, LevelFilter::OFF);
    let logs = tracing_subscriber::registry().with(filter);
    let _already_set = logs.with(lines).try_init();
}
