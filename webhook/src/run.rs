//! The process, from its start to its end.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use tagalong_runtime::serve::{BindError, Limits, Server};
use tagalong_runtime::tls::{self, Files};
use tagalong_runtime::{Drain, EndError, Runtime, StartError, drain};

use crate::{Args, Handler, Metrics};

/// How long reviews are still taken after SIGTERM. The API server learns late that a pod is about to go, and with
/// `failurePolicy: Fail` each review that meets a closed door is a request denied.
const LINGER: Duration = Duration::from_secs(5);

/// What the port for reviews bears, and with it the memory that others can take: an API server needs one or two
/// connections, and clusters have a handful of API servers.
const CONNECTIONS: usize = 64;
/// Reviews under way on one connection; the API server sends what is beyond that a little later.
const STREAMS: u32 = 16;

/// Why the process could not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Logging or the admin port.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A task that ended, or no signals.
    #[error(transparent)]
    End(#[from] EndError),
    /// The port for reviews.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Reviews come over TLS only.
    #[error("--tls-dir is needed to serve")]
    NoTlsDir,
    /// rustls was built without what it needs.
    #[error("no TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A fault of ours.
    #[error("the server's task ended: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Runs the webhook until it is told to end.
///
/// # Errors
/// It could not start.
pub async fn run(args: Args) -> Result<(), RunError> {
    let metrics = Metrics::new();
    let page = metrics.clone();
    let runtime = Runtime::start(&args.runtime, Some(Arc::new(move || page.text()))).await?;
    let server = Server::bind(args.listen).await?;
    tracing::info!(address = %server.address(), "listens for reviews");
    let tls_dir = args.tls_dir.as_deref().ok_or(RunError::NoTlsDir)?;
    let mut certificates = Files::in_dir(tls_dir).follow(runtime.drain());
    let limits = Limits {
        connections: CONNECTIONS,
        streams: STREAMS,
        ..Limits::default()
    };
    let server = server
        .with_limits(limits)
        .with_tls(tls::config(certificates.clone())?);
    let ready = runtime.readiness().handle("certificate");
    let handler = Handler::new(args.settings(), metrics);
    let task = tokio::spawn({
        let drain = runtime.drain();
        async move {
            // The wait cannot fail as long as the files are followed, and they are until the drain, which ends it.
            let certificate = drain.cancel(certificates.wait_for(Option::is_some));
            if certificate.await.is_none() {
                return;
            }
            tracing::info!("answers reviews");
            ready.ready();
            serve(server, handler, &drain).await;
        }
    });
    match runtime.run(task).await? {
        None => Ok(()),
        Some(ended) => Ok(ended?),
    }
}

async fn serve(server: Server, handler: Handler, drain: &Drain) {
    let (trigger, served) = drain::channel();
    let answer = move |request: Request<Incoming>| {
        let handler = handler.clone();
        async move { handler.answer(request).await }
    };
    let serving = tokio::spawn(server.serve(answer, served));
    drain.begun().await;
    tokio::time::sleep(LINGER).await;
    // `Runtime` holds the deadline for the whole.
    trigger.drain(Duration::MAX).await;
    let _ended = serving.await;
}
