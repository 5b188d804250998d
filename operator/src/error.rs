//! Why the process ends otherwise than well.

use crate::causes::ApiError;
use crate::lease::Lost;
use crate::world::manifests::Unreadable;
use http::Uri;
use std::process::ExitCode;
use tagalong_index::{Key, NoKey};
use tagalong_runtime::serve::BindError;
use tagalong_runtime::{EndError, StartError, with_causes};
use tokio::task::JoinError;

/// Why the process ends otherwise than well.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No async runtime.
    #[error("cannot start the async runtime")]
    Tokio(#[source] std::io::Error),
    /// The admin server or the log.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A task that ended, or no signals.
    #[error(transparent)]
    End(#[from] EndError),
    /// A port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// There is no cluster.
    #[error("cannot find a cluster; with --manifests DIR none is needed")]
    NoCluster(#[source] ApiError),
    /// The lease was lost.
    #[error(transparent)]
    Lease(#[from] Lost),
    /// The lease was given back before the work was done.
    #[error("the lease was released too early")]
    LeaseGivenBack,
    /// The task that keeps the lease panicked.
    #[error("the task that keeps the lease ended")]
    LeaseTask(#[source] JoinError),
    /// Manifests that cannot be read.
    #[error(transparent)]
    Manifests(#[from] Unreadable),
    /// A write that the API server did not take.
    #[error("cannot write {kind} {name}")]
    Write {
        /// The object's kind.
        kind: String,
        /// Its name.
        name: String,
        /// Why.
        source: ApiError,
    },
    /// What has no values.
    #[error("{0:?} has no values; try service/NAME, or dataplane/NAME")]
    NoValuesOf(String),
    /// APIServices that cannot be taken away.
    #[error("{0}")]
    ApiServices(String),
    /// The API server has not said everything in time.
    #[error("the cluster has not answered for {}", .0.join(", "))]
    NoAnswer(Vec<String>),
    /// A name that should be that of a DataPlane.
    #[error("{0}; try namespace/name")]
    NotADataPlane(#[source] NoKey),
    /// A DataPlane that does not exist.
    #[error("there is no DataPlane {asked}{}", others(.known))]
    UnknownDataPlane {
        /// The one asked for.
        asked: Key,
        /// Those that exist.
        known: Vec<Key>,
    },
    /// The namespace in which the lease would be.
    #[error(
        "namespace {0} does not exist; set TAGALONG_NAMESPACE to tagalong's, or to any other if that is gone"
    )]
    NoNamespace(String),
    /// A URL that did not answer 200.
    #[error("{url}: {why}")]
    NotReady {
        /// The URL.
        url: Uri,
        /// What it answered last.
        why: String,
    },
    /// Nobody reads the answer.
    #[error("cannot write the answer")]
    Output(#[source] std::io::Error),
}

impl Failure {
    /// Says it on standard error, with its causes.
    #[must_use]
    #[allow(clippy::print_stderr, reason = "the last words of a command")]
    pub fn report(&self) -> ExitCode {
        eprintln!("tagalong-operator: {}", with_causes(self));
        ExitCode::FAILURE
    }
}

fn others(known: &[Key]) -> String {
    if known.is_empty() {
        return ", nor any other".to_owned();
    }
    let known: Vec<String> = known.iter().map(Key::to_string).collect();
    format!("; there are: {}", known.join(", "))
}
