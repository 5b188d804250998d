//! Operation in a cluster: puts the parts together.

use crate::args::OperateArgs;
use crate::certificates::keeper::{self, Places};
use crate::certificates::{self, Serving, files, webhook};
use crate::collect::announce::{self, Announcer};
use crate::lease::{self, KubeStore, Lease, Lost, Writes};
use crate::metrics::Metrics;
use crate::push::server::{Access, Push};
use crate::push::tokens::{ApiServer, Tokens};
use crate::reconcile;
use crate::reconcile::missed::Missed;
use crate::reconcile::tell::Teller;
use crate::reconcile::write::Writer;
use crate::watches::{self, Context, Watched};
use crate::world::{CaConfigMaps, Policies, World};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tagalong_crds as crds;
use tagalong_index::Settings;
use tagalong_runtime::serve::{BindError, Limits, Server};
use tagalong_runtime::{Drain, Readiness, tls};
use tagalong_wire::contract::CA_CONFIG_MAP;
use tokio::task::JoinHandle;

/// Why the operator could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port that cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// A running operator.
pub struct Operator {
    /// Where labels are pushed.
    pub push_address: SocketAddr,
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

/// All kinds that may be watched.
#[must_use]
pub fn kinds() -> Vec<Watched<World>> {
    macro_rules! all {
        ($($name:ident($type:ident) $written:ident,)+) => {
            vec![$(Watched::new::<crds::$type>(),)+]
        };
    }
    tagalong_index::for_each_kind!(all)
}

/// The kinds of them that the reconcilers write.
#[must_use]
pub fn written() -> Vec<Watched<World>> {
    let mut watched = Vec::new();
    macro_rules! written {
        ($($name:ident($type:ident) $written:ident,)+) => {
            $(written!(@$written $type);)+
        };
        (@written $type:ident) => { watched.push(Watched::new::<crds::$type>()); };
        (@read $type:ident) => {};
    }
    tagalong_index::for_each_kind!(written);
    watched
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
) -> Result<Operator, StartError> {
    let world = World::new(Settings::default(), metrics.push.clone());
    // Reconcilers wait for the watches only: certificates are theirs to make.
    let synced = Readiness::default();
    let watched = Context {
        client: client.clone(),
        sink: world.clone(),
        metrics: metrics.watches.clone(),
        selectors: selectors(args),
    };
    watch(kinds(), watched, &synced, drain);

    let (lease, writes) = claim(&client, args, drain);
    let serving = serve(&client, args, &writes, drain);
    let teller = Teller::new(
        client.clone(),
        &args.pod_name,
        writes.clone(),
        world.clone(),
        metrics.reconcile.clone(),
    );
    let writer = Writer {
        client: client.clone(),
        writes: writes.clone(),
        world: world.clone(),
        metrics: metrics.reconcile.clone(),
        admitted: args.admitted().into(),
    };
    let reconciled = reconcile::run(
        writer,
        teller,
        serving.bundle.clone(),
        Missed::new(Duration::from_secs(args.missed_after)),
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
            writes.clone(),
            drain.clone(),
        );
        drain.spawn("the keeper of the webhook's caBundle", kept);
    }

    let (announcer, troubles) = announce::channel();
    let recorded = announce::record(
        client.clone(),
        args.pod_name.clone(),
        writes.clone(),
        troubles,
        drain.clone(),
    );
    let end = drain.clone();
    drain.spawn("the recorder of Events", async move {
        recorded.await;
        // It ends at once where nobody collects, since nobody has anything to tell then.
        end.begun().await;
    });

    let limits = Limits {
        connections: args.push_connections,
        ..Limits::default()
    };
    let server = Server::bind(args.push_address)
        .await?
        .with_tls(tls::config(serving.certificates.clone())?)
        .with_limits(limits);
    let push_address = server.address();
    let push = Push::new(
        world.clone(),
        Access::Pods(Tokens::new(ApiServer(client))),
        drain.clone(),
        metrics.push.clone(),
    );
    let served = server.serve(move |request| push.clone().answer(request), drain.clone());
    drain.spawn("the push server", served);
    tracing::info!(address = %push_address, "pushes labels");
    ready_when(readiness, &synced, &serving, drain);
    Ok(Operator {
        push_address,
        world,
        metrics,
        serving,
        writes,
        announcer,
        lease,
    })
}

fn selectors(args: &OperateArgs) -> BTreeMap<&'static str, String> {
    let mut selectors = BTreeMap::new();
    if !args.pod_selector.is_empty() {
        selectors.insert("pods", args.pod_selector.clone());
    }
    selectors
}

/// Watches `kinds`, and the authority's ConfigMaps.
pub(crate) fn watch(
    kinds: Vec<Watched<World>>,
    context: Context<World>,
    synced: &Readiness,
    drain: &Drain,
) {
    let ca = Context {
        client: context.client.clone(),
        sink: CaConfigMaps(context.sink.clone()),
        metrics: context.metrics.clone(),
        selectors: BTreeMap::new(),
    };
    let ready = synced.handle("ConfigMap");
    let named = Some(CA_CONFIG_MAP);
    let watched = watches::core(ca, named, ready, drain.clone());
    drain.spawn("the watch of ConfigMaps", watched);
    let policies = Context {
        client: context.client.clone(),
        sink: Policies(context.sink.clone()),
        metrics: context.metrics.clone(),
        selectors: BTreeMap::new(),
    };
    let ready = synced.handle("NetworkPolicy");
    let watched = watches::core(policies, None, ready, drain.clone());
    drain.spawn("the watch of NetworkPolicies", watched);
    let watched = watches::run(kinds, context, synced.clone(), drain.clone());
    drain.spawn("discovery", watched);
}

/// Claims the lease that the replicas share.
pub(crate) fn claim(
    client: &kube::Client,
    args: &OperateArgs,
    drain: &Drain,
) -> (JoinHandle<Result<(), Lost>>, Writes) {
    let store = KubeStore::new(client.clone(), &args.namespace, args.lease.clone());
    // A container that is restarted has the same name and must not take its predecessor's claim for its own.
    let since = jiff::Timestamp::now().as_nanosecond();
    let identity = format!("{}_{since:x}", args.pod_name);
    let (lease, writes) = Lease::new(store, lease::Settings::new(identity));
    (tokio::spawn(lease.run(drain.clone())), writes)
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
            let mut said = String::new();
            loop {
                let missing = synced.missing().join(", ");
                if missing.is_empty() {
                    break;
                }
                if missing != said {
                    tracing::debug!(missing, "waits for watches");
                    said = missing;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            watches.ready();
            if certificates.wait_for(Option::is_some).await.is_ok() {
                certificate.ready();
                tracing::info!("ready");
            }
        };
        drain.cancel(waits).await;
    });
}
