//! The life of the process: start, serve, end.

pub mod cluster;
pub mod custom_metrics;
pub mod offline;

use crate::args::OperateArgs;
use crate::certificates::files;
use crate::collect::announce::Announcer;
use crate::collect::fetch::PodLimits;
use crate::collect::{Aggregate, Collector};
use crate::error::Failure;
use crate::lease::Writes;
use crate::metrics::Metrics;
use crate::process::{client, on_runtime};
use crate::serve::metrics::Scrape;
use crate::world::{World, manifests};
use tagalong_runtime::serve::Server;
use tagalong_runtime::{Drain, Runtime, tls};

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
        let runtime = Runtime::start(&args.runtime(), None).await?;
        let server = Server::bind(args.metrics_address).await?;
        let server = server.with_limits(Scrape::limits());
        tracing::info!(address = %server.address(), "metrics server listens");
        if let Some((dir, loaded)) = loaded {
            let server = match &args.tls_dir {
                Some(tls_dir) => {
                    let serving = files::follow(tls_dir, runtime.drain());
                    server.with_tls_beside_plain(tls::config(serving.certificates)?)
                }
                None => server,
            };
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
        // Monitors written for Gateway Operator 1.2 to 1.4 scrape by HTTPS, later ones by HTTP.
        let certificates = operator.serving.certificates.clone();
        let server = server.with_tls_beside_plain(tls::config(certificates)?);
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
            Some(Err(panicked)) => Err(Failure::LeaseTask(panicked)),
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
        let (limits, counts) = (PodLimits::default(), metrics.collect.clone());
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
