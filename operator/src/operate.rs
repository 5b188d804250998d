//! The life of the process: start, serve, end.

use crate::args::OperateArgs;
use crate::collect::announce::Announcer;
use crate::collect::fetch::Limits;
use crate::collect::{Aggregate, Collector};
use crate::lease::Writes;
use crate::metrics::Metrics;
use crate::scrape::Scrape;
use crate::world::World;
use crate::{cluster, manifests, offline};
use std::process::ExitCode;
use tagalong_runtime::serve::{BindError, Server};
use tagalong_runtime::{Drain, EndError, Runtime, StartError};

/// Why the process ends otherwise than well.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No async runtime.
    #[error("cannot start the async runtime: {0}")]
    Tokio(#[from] std::io::Error),
    /// The admin server or the log.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A task that ended, or no signals.
    #[error(transparent)]
    End(#[from] EndError),
    /// The operator itself.
    #[error(transparent)]
    Operator(#[from] cluster::StartError),
    /// A port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// There is no cluster.
    #[error("cannot find a cluster ({0}); with --manifests DIR none is needed")]
    NoCluster(String),
    /// The lease was lost.
    #[error(transparent)]
    Lease(#[from] crate::lease::Lost),
    /// Manifests that cannot be read.
    #[error(transparent)]
    Manifests(#[from] manifests::Unreadable),
    /// A question that cannot be answered.
    #[error("{0}")]
    Ask(String),
}

impl Failure {
    /// Says it on standard error.
    #[must_use]
    #[allow(clippy::print_stderr, reason = "the last words of a command")]
    pub fn report(&self) -> ExitCode {
        eprintln!("tagalong-operator: {self}");
        ExitCode::FAILURE
    }
}

/// Runs `work` on a new async runtime.
pub(crate) fn on_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(work);
    // What still runs was told to end, and did not: it must not hold up the process.
    runtime.shutdown_background();
    done
}

/// A client for the cluster that this process is in, or that the kubeconfig names.
pub(crate) async fn client() -> Result<kube::Client, Failure> {
    let client = kube::Client::try_default().await;
    client.map_err(|error| Failure::NoCluster(error.to_string()))
}

/// Operates until told to end.
///
/// # Errors
///
/// When it cannot start, or has lost the lease.
pub fn run(args: &OperateArgs) -> Result<(), Failure> {
    on_runtime(async {
        // Before anything is begun: what cannot be read is the whole answer then.
        let dir = args.manifests.as_deref();
        let loaded = dir.map(|dir| manifests::load(dir).map(|loaded| (dir, loaded)));
        let loaded = loaded.transpose()?;
        let metrics = Metrics::default();
        let runtime = Runtime::start(&args.runtime, None).await?;
        let server = Server::bind(args.metrics_address).await?;
        let server = server.with_limits(Scrape::limits());
        tracing::info!(address = %server.address(), "metrics server listens");
        if let Some((dir, loaded)) = loaded {
            let world = offline::start(args, dir, loaded, &metrics, &runtime).await?;
            scrape(
                server,
                args,
                &world,
                &metrics,
                Writes::always(),
                None,
                &runtime.drain(),
            );
            runtime.run(std::future::pending::<()>()).await?;
            return Ok(());
        }
        let client = client().await?;
        let operator = cluster::start(
            client,
            args,
            metrics.clone(),
            runtime.readiness(),
            &runtime.drain(),
        )
        .await?;
        let writes = operator.writes.clone();
        scrape(
            server,
            args,
            &operator.world,
            &metrics,
            writes,
            Some(operator.announcer),
            &runtime.drain(),
        );
        match runtime.run(operator.lease).await? {
            Some(Ok(Err(lost))) => Err(lost.into()),
            Some(Err(panicked)) => Err(Failure::Ask(format!("the lease's task ended: {panicked}"))),
            Some(Ok(Ok(()))) | None => Ok(()),
        }
    })
}

fn scrape(
    server: Server,
    args: &OperateArgs,
    world: &World,
    metrics: &Metrics,
    writes: Writes,
    announcer: Option<Announcer>,
    drain: &Drain,
) {
    let collector = (args.aggregate != Aggregate::Off).then(|| {
        let (limits, counts) = (Limits::default(), metrics.collect.clone());
        (
            Collector::new(world.clone(), args.aggregate, limits, counts, announcer),
            writes,
        )
    });
    let metrics = metrics.clone();
    let scrape = Scrape { metrics, collector };
    let served = server.serve(move |request| scrape.clone().answer(request), drain.clone());
    drain.spawn("the metrics server", served);
}
