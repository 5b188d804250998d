//! The metrics API in a cluster: puts its parts together.

use crate::args::OperateArgs;
use crate::certificates::Serving;
use crate::custom_metrics::authentication::Authentication;
use crate::custom_metrics::authorization::Authorization;
use crate::custom_metrics::config_map;
use crate::custom_metrics::keeper::ApiServiceKeeper;
use crate::custom_metrics::server::{MetricsApi, limits};
use crate::error::Failure;
use crate::events::EventRecorder;
use crate::lease::Writes;
use crate::metrics::{CustomMetrics, Metrics, SummaryMetrics};
use crate::reviews::token::ApiServer;
use crate::summaries::LoadCollector;
use crate::world::World;
use k8s_openapi::api::core::v1::ObjectReference;
use std::net::SocketAddr;
use std::sync::Arc;
use tagalong_runtime::serve::Server;
use tagalong_runtime::{Drain, Readiness, tls};

/// Serves the metrics API, if it is to be served. Returns where.
///
/// # Errors
///
/// When the port cannot be had.
pub(super) async fn start(
    client: &kube::Client,
    args: &OperateArgs,
    (world, metrics): (&World, &Metrics),
    (serving, writes): (&Serving, &Writes),
    synced: &Readiness,
    drain: &Drain,
) -> Result<Option<SocketAddr>, Failure> {
    let flags = &args.custom_metrics;
    let Some(address) = flags.custom_metrics_address else {
        return Ok(None);
    };
    let (counts, collected) = (CustomMetrics::default(), SummaryMetrics::default());
    metrics.register(|registry| {
        counts.register(registry);
        collected.register(registry);
    });
    let summaries = LoadCollector::new(world.clone(), flags.window(), collected);
    let collected = summaries.clone().collect(synced.clone(), drain.clone());
    drain.spawn("the collection of summaries", collected);
    let asked = ApiServer {
        client: client.clone(),
        audience: None,
    };
    let api = MetricsApi::new(
        summaries,
        Authentication::new(config_map::follow(client.clone(), drain), asked.clone()),
        Authorization::new(asked, counts.access_reviews.clone()),
        counts.clone(),
    );
    let server = Server::bind(address)
        .await?
        .with_tls(tls::asking(serving.certificates.clone())?)
        .with_limits(limits());
    let address = server.address();
    let served = server.serve(
        move |request| Arc::clone(&api).answer(request),
        drain.clone(),
    );
    drain.spawn("the metrics API", served);
    tracing::info!(%address, "serves the metrics API");
    if let Some(at) = args.served_at() {
        let keeper = ApiServiceKeeper {
            client: client.clone(),
            at,
            owner: flags.custom_metrics_owner.clone(),
            bundle: serving.bundle.clone(),
            writes: writes.clone(),
            events: EventRecorder::new(client.clone(), &args.pod_name),
            lease: ObjectReference {
                api_version: Some("coordination.k8s.io/v1".to_owned()),
                kind: Some("Lease".to_owned()),
                namespace: Some(args.namespace.clone()),
                name: Some(args.lease.clone()),
                ..ObjectReference::default()
            },
            metrics: counts,
        };
        drain.spawn("the keeper of the APIServices", keeper.keep(drain.clone()));
    }
    Ok(Some(address))
}
