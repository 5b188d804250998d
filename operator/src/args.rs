//! Flags. Each also comes as a `TAGALONG_*` variable.

use crate::collect::Aggregate;
use clap::{Args, Parser, Subcommand};
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
}
