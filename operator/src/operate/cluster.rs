//! Operation in a cluster: puts the parts together.

use crate::args::OperateArgs;
use crate::certificates::keeper::{self, Places};
use crate::certificates::{self, Serving, files, webhook};
use crate::collect::announce::{self, Announcer};
use crate::error::Failure;
use crate::events::EventRecorder;
use crate::lease::installation::{Standing, Watchman};
use crate::lease::mark::KubeMarks;
use crate::lease::turn::{self, Told};
use crate::lease::{self, Lost, Writes};
use crate::metrics::Metrics;
use crate::names;
use crate::names::report::RouteReporter;
use crate::names::survey::Unlabelled;
use crate::operate::custom_metrics;
use crate::push::server::{Access, PushServer};
use crate::push::tokens::Tokens;
use crate::reconcile::gate::Gate;
use crate::reconcile::report::StatusReporter;
use crate::reconcile::sources::Sources;
use crate::reconcile::uninjected::Uninjected;
use crate::reconcile::write::Writer;
use crate::reconcile::{self, Inputs};
use crate::reviews::token::ApiServer;
use crate::watch::Context;
use crate::world::World;
use crate::world::{readings, watched};
use k8s_openapi::api::core::v1::ObjectReference;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tagalong_index::{Key, Settings};
use tagalong_runtime::serve::{Limits, Server};
use tagalong_runtime::{Drain, Readiness, tls};
use tagalong_wire::contract::AUDIENCE;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A running operator.
pub struct Operator {
    /// Where labels are pushed.
    pub push_address: SocketAddr,
    /// Where the metrics API is served, if it is.
    pub custom_metrics: Option<SocketAddr>,
    /// What it knows.
    pub world: World,
    /// Its metrics.
    pub metrics: Metrics,
    /// Its certificates.
    pub serving: Serving,
    /// Whether it may write, and answers for all pods.
    pub writes: Writes,
    /// Takes what is to be told of pods that cannot be collected.
    pub announcer: Announcer,
    /// Ends with the lease: at the drain, or when it is lost.
    pub lease: JoinHandle<Result<(), Lost>>,
}

/// Starts everything. The returned lease must be awaited: when it is lost, the process must end.
///
/// # Errors
///
/// When a port cannot be had.
pub async fn start(
    client: kube::Client,
    args: &OperateArgs,
    metrics: Metrics,
    readiness: &Readiness,
    drain: &Drain,
) -> Result<Operator, Failure> {
    let settings = Settings {
        wait_for_kong: true,
        ..Settings::default()
    };
    let world = World::new(settings, metrics.push.clone());
    let ended = readings::end(world.clone(), drain.clone());
    drain.spawn("the end of older readings", ended);
    // Reconcilers wait for the watches only: certificates are theirs to make.
    let synced = Readiness::default();
    let context = Context {
        client: client.clone(),
        sink: world.clone(),
        metrics: metrics.watches.clone(),
        selectors: selectors(args),
    };
    watched::watch(watched::kinds(), context, &synced, drain);

    let (namespace, name) = (&args.namespace, &args.lease);
    let (lease, leads) = lease::claim(&client, namespace, name, &args.pod_name, drain);
    let standing = stand(&client, args, &leads, readiness, drain);
    let writes = leads.of_the_working(standing.clone());
    // Its own Secrets an installation keeps whether it works or waits.
    let serving = serve(&client, args, &leads, drain);
    let reporter = StatusReporter::new(
        client.clone(),
        &args.pod_name,
        writes.clone(),
        world.clone(),
        metrics.reconcile.clone(),
    );
    let (unlabelled, names) = watch::channel(Unlabelled::default());
    let surveyed = names::run(
        world.clone(),
        metrics.names.clone(),
        unlabelled,
        Some(RouteReporter::new(
            client.clone(),
            &args.pod_name,
            writes.clone(),
        )),
        synced.clone(),
        drain.clone(),
    );
    drain.spawn("the survey of names", surveyed);
    let writer = Writer {
        client: client.clone(),
        writes: writes.clone(),
        world: world.clone(),
        metrics: metrics.reconcile.clone(),
        admitted: args.admitted().into(),
    };
    let sources = args.inject_at_source.then(|| {
        let selector = args.webhook_pods.as_deref();
        let gate = Gate::new(&client, &args.namespace, selector);
        (Sources::new(Duration::from_secs(args.missed_after)), gate)
    });
    let reconciled = reconcile::run(
        writer,
        reporter,
        Inputs {
            bundle: serving.bundle.clone(),
            sources,
            unlabelled: names,
            standing: standing.clone(),
        },
        Uninjected::new(Duration::from_secs(args.missed_after)),
        synced.clone(),
        Duration::from_secs(args.resync_seconds),
        drain.clone(),
    );
    drain.spawn("the reconciler", reconciled);
    if let Some(name) = &args.webhook_configuration {
        let kept = webhook::keep(
            client.clone(),
            name.clone(),
            serving.bundle.clone(),
            standing,
            leads,
            drain.clone(),
        );
        drain.spawn("the keeper of the webhook's configuration", kept);
    }

    let (announcer, uncollected) = announce::channel();
    let recorded = announce::record(
        client.clone(),
        args.pod_name.clone(),
        writes.clone(),
        uncollected,
        drain.clone(),
    );
    let end = drain.clone();
    drain.spawn("the recorder of Events", async move {
        recorded.await;
        // It ends at once where nobody collects, since nobody has anything to tell then.
        end.begun().await;
    });

    let custom_metrics = custom_metrics::start(
        &client,
        args,
        (&world, &metrics),
        (&serving, &writes),
        &synced,
        drain,
    );
    let custom_metrics = custom_metrics.await?;
    let limits = Limits {
        connections: args.push_connections,
        // Streams have a limit of their own, and a first table may be large.
        stall: Duration::from_secs(60),
        ..Limits::default()
    };
    let server = Server::bind(args.push_address)
        .await?
        .with_tls(tls::config(serving.certificates.clone())?)
        .with_limits(limits);
    let push_address = server.address();
    let push = PushServer::new(
        world.clone(),
        Access::Pods(Tokens::new(ApiServer {
            client,
            audience: Some(AUDIENCE),
        })),
        drain.clone(),
        metrics.push.clone(),
    );
    let served = server.serve(move |request| push.clone().answer(request), drain.clone());
    drain.spawn("the push server", served);
    tracing::info!(address = %push_address, "pushes labels");
    ready_when(readiness, &synced, &serving, drain);
    Ok(Operator {
        push_address,
        custom_metrics,
        world,
        metrics,
        serving,
        writes,
        announcer,
        lease,
    })
}

/// Keeps looking whether this installation works here, or another one does.
fn stand(
    client: &kube::Client,
    args: &OperateArgs,
    leads: &Writes,
    readiness: &Readiness,
    drain: &Drain,
) -> watch::Receiver<Standing> {
    let us = Key::new(args.namespace.as_str(), args.lease.as_str());
    let watchman = Watchman::new(KubeMarks::new(client.clone()), us);
    let (sender, standing) = watch::channel(Standing::default());
    let told = Told {
        standing: sender,
        readiness: readiness.clone(),
        events: EventRecorder::new(client.clone(), &args.pod_name),
        pod: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: Some(args.namespace.clone()),
            name: Some(args.pod_name.clone()),
            uid: args.pod_uid.clone(),
            ..ObjectReference::default()
        },
    };
    let kept = turn::keep(watchman, leads.clone(), told, drain.clone());
    drain.spawn("the look-out for other installations", kept);
    standing
}

fn selectors(args: &OperateArgs) -> BTreeMap<&'static str, String> {
    let mut selectors = BTreeMap::new();
    if !args.pod_selector.is_empty() {
        selectors.insert("pods", args.pod_selector.clone());
    }
    selectors
}

fn serve(client: &kube::Client, args: &OperateArgs, writes: &Writes, drain: &Drain) -> Serving {
    if let Some(dir) = &args.tls_dir {
        return files::follow(dir, drain.clone());
    }
    let webhook = (!args.webhook_names.is_empty())
        .then(|| (args.webhook_secret.clone(), args.webhook_names.clone()));
    let places = Places {
        namespace: args.namespace.clone(),
        authority: args.ca_secret.clone(),
        push: (args.push_secret.clone(), args.push_names.clone()),
        webhook,
        lifetimes: certificates::authority::Lifetimes::default(),
    };
    keeper::keep(client, places, writes.clone(), drain.clone())
}

/// Ready once every watch has synced and there is a certificate to serve with.
fn ready_when(readiness: &Readiness, synced: &Readiness, serving: &Serving, drain: &Drain) {
    let watches = readiness.handle("watches");
    let certificate = readiness.handle("a serving certificate");
    let (synced, drain) = (synced.clone(), drain.clone());
    let mut certificates = serving.certificates.clone();
    tokio::spawn(async move {
        let waits = async {
            synced.complete().await;
            watches.ready();
            if certificates.wait_for(Option::is_some).await.is_ok() {
                certificate.ready();
                tracing::info!("ready");
            }
        };
        drain.cancel(waits).await;
    });
}
