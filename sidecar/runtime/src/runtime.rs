//! What each of our servers does when it starts and when it ends.

use crate::admin::{Admin, MetricsText};
use crate::drain::{self, Drain, Ended, Trigger};
use crate::logging::{self, LogArgs};
use crate::readiness::Readiness;
use crate::serve::{BindError, Server};
use std::net::SocketAddr;
use std::time::Duration;

/// Flags that every server has. Each also comes as a `TAGALONG_*` variable.
#[derive(Clone, Debug, clap::Args)]
pub struct RuntimeArgs {
    /// Flags for logs.
    #[command(flatten)]
    pub log: LogArgs,

    /// Address to serve `/healthz` and `/readyz` on.
    #[arg(long, env = "TAGALONG_ADMIN_ADDRESS", default_value = "[::]:8081")]
    pub admin_address: SocketAddr,

    /// Seconds that work in progress may take to finish after SIGTERM.
    #[arg(long, env = "TAGALONG_DRAIN_SECONDS", default_value_t = 20)]
    pub drain_seconds: u64,
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A filter that cannot be parsed.
    #[error(transparent)]
    Filter(#[from] logging::BadFilter),
    /// A port that cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// Why a server ended otherwise than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// A task ended, or panicked.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// No signals.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
}

/// A process that logs, answers its admin port and listens for signals.
pub struct Runtime {
    readiness: Readiness,
    drain: Drain,
    trigger: Trigger,
    grace: Duration,
    admin_address: SocketAddr,
}

impl Runtime {
    /// Starts logging and the admin server.
    ///
    /// # Errors
    ///
    /// When a flag is no good or a port cannot be had.
    pub async fn start(
        args: &RuntimeArgs,
        metrics: Option<MetricsText>,
    ) -> Result<Self, StartError> {
        logging::init(&args.log)?;
        logging::log_panics();
        let readiness = Readiness::default();
        let (trigger, drain) = drain::channel();
        let server = Server::bind(args.admin_address).await?;
        let admin_address = server.address();
        tracing::info!(address = %admin_address, "admin server listens");
        let mut admin = Admin::new(readiness.clone());
        if let Some(metrics) = metrics {
            admin = admin.with_metrics(metrics);
        }
        // Not part of the drain: probes are answered until the very end.
        let (idle, never) = drain::channel();
        tokio::spawn(async move {
            let _idle = idle;
            server
                .serve(
                    move |request| std::future::ready(admin.answer(&request)),
                    never,
                )
                .await;
        });
        Ok(Self {
            readiness,
            drain,
            trigger,
            grace: Duration::from_secs(args.drain_seconds),
            admin_address,
        })
    }

    /// Where handles for readiness come from.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// For each task: tells it when to end.
    #[must_use]
    pub fn drain(&self) -> Drain {
        self.drain.clone()
    }

    /// Where the admin server listens.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Waits for a signal, for `fatal` (a task whose end is the process's end), or for the end of a task of
    /// [`Drain::spawn`], then drains. A second signal ends the process at once. Returns what `fatal` said, if it came
    /// first; at a signal it is dropped, so the task itself must run elsewhere (its `JoinHandle` is meant).
    ///
    /// # Errors
    ///
    /// When a task has ended, or the process may not listen for signals.
    pub async fn run<T>(mut self, fatal: impl Future<Output = T>) -> Result<Option<T>, EndError> {
        let ended = tokio::select! {
            signal = drain::signal() => {
                tracing::info!(signal = signal.map_err(EndError::Signals)?, "drains");
                Ok(None)
            }
            ended = fatal => Ok(Some(ended)),
            failed = self.trigger.failed() => {
                tracing::error!("{failed}");
                Err(failed.into())
            }
        };
        drop(self.drain);
        tokio::select! {
            finished = self.trigger.drain(self.grace) => if finished {
                tracing::info!("drained");
            } else {
                tracing::warn!(grace = ?self.grace, "some work did not finish in time");
            },
            _ = drain::signal() => tracing::warn!("second signal: ends at once"),
        }
        ended
    }
}
