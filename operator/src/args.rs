//! Flags. Each also comes as a `TAGALONG_*` variable.

use crate::admission::{self, Labels, Peers};
use crate::collect::Aggregate;
use clap::{Args, Parser, Subcommand};
use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use std::net::SocketAddr;
use std::path::PathBuf;
use tagalong_runtime::RuntimeArgs;

/// The version and the commit it was built from.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("TAGALONG_BUILD_COMMIT"),
    ")"
);

/// Tells sidecars which Kong service is which Kubernetes Service, and looks after plugins and marks.
#[derive(Debug, Parser)]
#[command(name = "tagalong-operator", version = VERSION)]
pub struct Cli {
    /// What to do; without it, operate.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// How to operate.
    #[command(flatten)]
    pub operate: OperateArgs,
}

/// What is done once.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what a name maps to, and why, or why not.
    Explain {
        /// The name of a Kong service or upstream, or `service/NAME` or `service/NAMESPACE/NAME`.
        what: String,
    },
    /// Print the SNAPSHOT message that the sidecars of a DataPlane get.
    Table {
        /// `NAMESPACE/DATAPLANE`.
        dataplane: String,
    },
    /// Wait until each URL answers 200; fail after a minute.
    Ready {
        /// Plain `http://HOST[:PORT]/PATH`.
        #[arg(required = true)]
        urls: Vec<http::Uri>,
    },
    /// Take back what tagalong has put into the cluster's objects, the webhook's configuration, and
    /// tagalong's Secrets and Lease.
    Uninstall {
        /// The Deployment of the operators, which are stopped first, lest they put it back.
        #[arg(long, env = "TAGALONG_DEPLOYMENT")]
        deployment: Option<String>,
    },
}

/// How to operate.
#[derive(Clone, Debug, Args)]
pub struct OperateArgs {
    /// What all servers have.
    #[command(flatten)]
    pub runtime: RuntimeArgs,

    /// Read the YAML files of this directory instead of a cluster. Labels are pushed on loopback only then.
    #[arg(long, env = "TAGALONG_MANIFESTS", global = true)]
    pub manifests: Option<PathBuf>,

    /// Where `/metrics` answers.
    #[arg(long, env = "TAGALONG_METRICS_ADDRESS", default_value = "0.0.0.0:8080")]
    pub metrics_address: SocketAddr,

    /// Which samples of sidecars `/metrics` brings.
    #[arg(
        long,
        env = "TAGALONG_AGGREGATE",
        value_enum,
        default_value = "enriched"
    )]
    pub aggregate: Aggregate,

    /// Where sidecars get their labels.
    #[arg(long, env = "TAGALONG_PUSH_ADDRESS", default_value = "0.0.0.0:8443")]
    pub push_address: SocketAddr,

    /// Labels open at once.
    #[arg(long, env = "TAGALONG_PUSH_CONNECTIONS", default_value_t = 20_000)]
    pub push_connections: usize,

    /// The operator's own namespace.
    #[arg(long, env = "TAGALONG_NAMESPACE", default_value = "tagalong-system")]
    pub namespace: String,

    /// Who this replica is; the pod's name.
    #[arg(long, env = "TAGALONG_POD_NAME", default_value = "tagalong-operator")]
    pub pod_name: String,

    /// Labels of the operator's own pods: where a NetworkPolicy isolates a DataPlane's pods, pods of the operator's
    /// namespace with these labels are admitted to the sidecar's port.
    #[arg(
        long,
        env = "TAGALONG_OWN_POD_LABELS",
        value_name = "KEY=VALUE,...",
        value_parser = admission::labels,
        default_value = "app.kubernetes.io/name=tagalong,app.kubernetes.io/component=operator"
    )]
    pub own_pod_labels: Labels,

    /// Who else is admitted there, such as Prometheus: a JSON list of what a NetworkPolicy has under `from`.
    #[arg(
        long,
        env = "TAGALONG_SCRAPERS",
        value_name = "JSON",
        value_parser = admission::peers,
        default_value = "[]"
    )]
    pub scrapers: Peers,

    /// The Lease that replicas share.
    #[arg(long, env = "TAGALONG_LEASE", default_value = "tagalong-operator")]
    pub lease: String,

    /// Names of the push server, for its certificate: at least the one that sidecars are told.
    #[arg(
        long = "push-name",
        env = "TAGALONG_PUSH_NAMES",
        value_delimiter = ',',
        default_value = "tagalong-operator.tagalong-system.svc"
    )]
    pub push_names: Vec<String>,

    /// Use `tls.crt`, `tls.key` and `ca.crt` of this directory, and make no certificates.
    #[arg(long, env = "TAGALONG_TLS_DIR")]
    pub tls_dir: Option<PathBuf>,

    /// The Secret that the certificate authority is kept in.
    #[arg(long, env = "TAGALONG_CA_SECRET", default_value = "tagalong-ca")]
    pub ca_secret: String,

    /// The Secret that the push server's certificate is kept in.
    #[arg(
        long,
        env = "TAGALONG_PUSH_SECRET",
        default_value = "tagalong-operator-tls"
    )]
    pub push_secret: String,

    /// The Secret that the webhook's certificate is kept in.
    #[arg(
        long,
        env = "TAGALONG_WEBHOOK_SECRET",
        default_value = "tagalong-webhook-tls"
    )]
    pub webhook_secret: String,

    /// Names of the webhook, for its certificate; none if there is no webhook.
    #[arg(
        long = "webhook-name",
        env = "TAGALONG_WEBHOOK_NAMES",
        value_delimiter = ','
    )]
    pub webhook_names: Vec<String>,

    /// The MutatingWebhookConfiguration whose `caBundle` is looked after.
    #[arg(long, env = "TAGALONG_WEBHOOK_CONFIGURATION")]
    pub webhook_configuration: Option<String>,

    /// Labels of the pods that are watched: those of DataPlanes have one that Kong's operators set.
    /// Empty for all pods, which Kong without an operator needs.
    #[arg(
        long,
        env = "TAGALONG_POD_SELECTOR",
        default_value = "gateway-operator.konghq.com/selector"
    )]
    pub pod_selector: String,

    /// Seconds that pods of a marked DataPlane may run without a sidecar, as they do during a rollout, before that is told
    /// and the DataPlane is brought through the webhook again, which then happens once in five times as long.
    #[arg(
        long,
        env = "TAGALONG_MISSED_AFTER",
        default_value_t = 120,
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub missed_after: u64,

    /// Seconds until a pass over a world of which nothing was heard. For tests: a shorter one finds nothing more.
    #[arg(
        long,
        env = "TAGALONG_RESYNC_SECONDS",
        default_value_t = 600,
        value_parser = clap::value_parser!(u64).range(1..),
        hide = true
    )]
    pub resync_seconds: u64,
}

impl OperateArgs {
    /// Who is to reach sidecars that a NetworkPolicy isolates.
    #[must_use]
    pub fn admitted(&self) -> Vec<NetworkPolicyPeer> {
        let mut admitted = vec![admission::operator(&self.namespace, &self.own_pod_labels)];
        admitted.extend_from_slice(&self.scrapers.0);
        admitted
    }
}
