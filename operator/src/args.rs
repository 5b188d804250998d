//! Flags. Each also comes as a `TAGALONG_*` variable.

use crate::collect::Aggregate;
use crate::custom_metrics::api_services::ServedAt;
use crate::installer::Installer;
use crate::network_peers::{self, Peers, PodLabels};
use crate::watch::LOGGED_TWICE;
use clap::{Args, Parser, Subcommand};
use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tagalong_runtime::RuntimeArgs;
use tagalong_signals::WindowSettings;

/// The version and the commit it was built from.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("TAGALONG_BUILD_COMMIT"),
    ")"
);

/// Pushes to each sidecar which Kong service is which Kubernetes Service, manages plugins and injection labels, and serves the
/// samples of all pods.
#[derive(Debug, Parser)]
#[command(name = "tagalong-operator", version = VERSION)]
pub struct Cli {
    /// A question or task to do once. Without one, run as the operator.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Flags of the running operator.
    #[command(flatten)]
    pub operate: OperateArgs,
}

/// Questions and tasks that are done once.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Explain which Service a Kong name stands for, and why, or why it stands for none.
    Explain {
        /// Name of a Kong service or upstream; or a Kubernetes Service as `service/NAME` or `service/NAMESPACE/NAME`.
        what: String,
    },
    /// Print the label table of a DataPlane, as the SNAPSHOT message that its sidecars receive.
    Table {
        /// The DataPlane, as `NAMESPACE/NAME`.
        dataplane: String,
    },
    /// Print what a HorizontalPodAutoscaler would be told of a Service or a DataPlane: each value, over which time and how old, or why
    /// it is not known.
    Values {
        /// `service/NAME` or `dataplane/NAME`, or with a namespace, `service/NAMESPACE/NAME`.
        what: String,
        /// Its namespace, where `what` names none.
        #[arg(short, long, default_value = "default")]
        namespace: String,
    },
    /// Wait until every URL answers 200, or fail after a minute.
    Ready {
        /// URLs of the form `http://HOST[:PORT]/PATH`.
        #[arg(required = true)]
        urls: Vec<http::Uri>,
    },
    /// Restore every object that tagalong changed, and delete the webhook's configuration and tagalong's Secrets and Lease.
    Uninstall(UninstallArgs),
}

/// How to take tagalong out of a cluster.
#[derive(Clone, Debug, Default, Args)]
pub struct UninstallArgs {
    /// Deployment of the operator in its namespace. It is scaled to 0 first, so that it does not redo the changes.
    #[arg(long, env = "TAGALONG_DEPLOYMENT")]
    pub deployment: Option<String>,

    /// Do nothing, and succeed, unless that Deployment was installed by this tool: for hooks, which other tools apply like any object.
    #[arg(long, value_name = "INSTALLER", requires = "deployment")]
    pub if_installed_by: Option<Installer>,
}

/// Flags of the running operator.
#[derive(Clone, Debug, Args)]
pub struct OperateArgs {
    /// Flags that every server has.
    #[command(flatten)]
    pub runtime: RuntimeArgs,

    /// Read the YAML files in this directory instead of a cluster. The label push then listens on loopback only.
    #[arg(long, env = "TAGALONG_MANIFESTS", global = true)]
    pub manifests: Option<PathBuf>,

    /// Address to serve `/metrics` on.
    #[arg(long, env = "TAGALONG_METRICS_ADDRESS", default_value = "[::]:8080")]
    pub metrics_address: SocketAddr,

    /// Which of the sidecars' samples `/metrics` serves.
    #[arg(
        long,
        env = "TAGALONG_AGGREGATE",
        value_enum,
        default_value = "enriched"
    )]
    pub aggregate: Aggregate,

    /// Address to push labels to sidecars on.
    #[arg(long, env = "TAGALONG_PUSH_ADDRESS", default_value = "[::]:8443")]
    pub push_address: SocketAddr,

    /// Maximum number of concurrent label streams.
    #[arg(long, env = "TAGALONG_PUSH_CONNECTIONS", default_value_t = 20_000)]
    pub push_connections: usize,

    /// Namespace of the operator.
    #[arg(long, env = "TAGALONG_NAMESPACE", default_value = "tagalong-system")]
    pub namespace: String,

    /// Identity of this replica (the pod's name).
    #[arg(long, env = "TAGALONG_POD_NAME", default_value = "tagalong-operator")]
    pub pod_name: String,

    /// UID of this replica's pod, so that `kubectl describe pod` shows its Events.
    #[arg(long, env = "TAGALONG_POD_UID")]
    pub pod_uid: Option<String>,

    /// Labels of the operator's pods. Where a NetworkPolicy isolates a DataPlane's pods, pods in the operator's namespace
    /// with these labels are allowed to reach the sidecar's port.
    #[arg(
        long,
        env = "TAGALONG_OWN_POD_LABELS",
        value_name = "KEY=VALUE,...",
        value_parser = network_peers::labels,
        default_value = "app.kubernetes.io/name=tagalong,app.kubernetes.io/component=operator"
    )]
    pub own_pod_labels: PodLabels,

    /// Other peers allowed to reach the sidecar's port, such as Prometheus: a JSON list, as under `from` in a NetworkPolicy.
    #[arg(
        long,
        env = "TAGALONG_SCRAPERS",
        value_name = "JSON",
        value_parser = network_peers::peers,
        default_value = "[]"
    )]
    pub scrapers: Peers,

    /// Lease by which the replicas elect a leader.
    #[arg(long, env = "TAGALONG_LEASE", default_value = "tagalong-operator")]
    pub lease: String,

    /// DNS names in the push server's certificate. They must include the one in the sidecars' labels URL.
    #[arg(
        long = "push-name",
        env = "TAGALONG_PUSH_NAMES",
        value_delimiter = ',',
        default_value = "tagalong-operator.tagalong-system.svc"
    )]
    pub push_names: Vec<String>,

    /// Directory with `tls.crt`, `tls.key` and `ca.crt` to use instead of issuing certificates. With `--manifests` only for
    /// metrics.
    #[arg(long, env = "TAGALONG_TLS_DIR")]
    pub tls_dir: Option<PathBuf>,

    /// Secret that holds the certificate authority.
    #[arg(long, env = "TAGALONG_CA_SECRET", default_value = "tagalong-ca")]
    pub ca_secret: String,

    /// Secret that holds the push server's certificate.
    #[arg(
        long,
        env = "TAGALONG_PUSH_SECRET",
        default_value = "tagalong-operator-tls"
    )]
    pub push_secret: String,

    /// Secret that holds the webhook's certificate.
    #[arg(
        long,
        env = "TAGALONG_WEBHOOK_SECRET",
        default_value = "tagalong-webhook-tls"
    )]
    pub webhook_secret: String,

    /// DNS names in the webhook's certificate. Leave empty if there is no webhook.
    #[arg(
        long = "webhook-name",
        env = "TAGALONG_WEBHOOK_NAMES",
        value_delimiter = ','
    )]
    pub webhook_names: Vec<String>,

    /// MutatingWebhookConfiguration whose `caBundle` is kept up to date.
    #[arg(long, env = "TAGALONG_WEBHOOK_CONFIGURATION")]
    pub webhook_configuration: Option<String>,

    /// Label selector of the pods to watch. The default is a label that Kong's operators set on DataPlane pods.
    /// Set it to the empty string to watch all pods, which is needed for Kong without Kong's operators.
    #[arg(
        long,
        env = "TAGALONG_POD_SELECTOR",
        default_value = "gateway-operator.konghq.com/selector"
    )]
    pub pod_selector: String,

    /// Seconds that pods of a DataPlane labelled for injection may run without a sidecar, as during a rollout. After that the
    /// operator reports it and rewrites the DataPlane, so that the webhook sees it again. It tries again
    /// at intervals five times as long.
    #[arg(
        long,
        env = "TAGALONG_MISSED_AFTER",
        default_value_t = 120,
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub missed_after: u64,

    /// Put the sidecar of a Gateway's DataPlane into the GatewayConfiguration that names the extension, from which Kong's operators copy
    /// it, instead of into the DataPlane, where they take it out again at each reconcile. Needs a webhook that is registered for
    /// GatewayConfigurations.
    #[arg(long, env = "TAGALONG_INJECT_AT_SOURCE", num_args = 0..=1, require_equals = true,
        default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub inject_at_source: bool,

    /// Label selector of the webhook's pods in the operator's namespace. No GatewayConfiguration is labelled for injection before all
    /// of them have `tagalong.dev/injects=gateway-configurations`. Without a selector, they are assumed to have it.
    #[arg(long, env = "TAGALONG_WEBHOOK_PODS")]
    pub webhook_pods: Option<String>,

    /// Flags of the metrics API.
    #[command(flatten)]
    pub custom_metrics: CustomMetricsArgs,

    /// Seconds between reconcile passes when no event arrives. For tests: a shorter interval finds nothing more.
    #[arg(
        long,
        env = "TAGALONG_RESYNC_SECONDS",
        default_value_t = 600,
        value_parser = clap::value_parser!(u64).range(1..),
        hide = true
    )]
    pub resync_seconds: u64,
}

/// Flags of the metrics API.
#[derive(Clone, Debug, Args)]
pub struct CustomMetricsArgs {
    /// Address to serve the metrics API (`custom.metrics.k8s.io`) on, by which HorizontalPodAutoscalers get the load of Services and of
    /// DataPlanes. Without one it is not served, and no sidecar is asked for it. Not with `--manifests`.
    #[arg(long, env = "TAGALONG_CUSTOM_METRICS_ADDRESS")]
    pub custom_metrics_address: Option<SocketAddr>,

    /// Service in the operator's namespace by which the API server reaches the metrics API. The operator creates and keeps its
    /// APIServices, unless another adapter's exist. Without this flag, they are left to you.
    #[arg(long, env = "TAGALONG_CUSTOM_METRICS_SERVICE")]
    pub custom_metrics_service: Option<String>,

    /// Port of that Service.
    #[arg(long, env = "TAGALONG_CUSTOM_METRICS_PORT", default_value_t = 6443)]
    pub custom_metrics_port: u16,

    /// ClusterRole that owns the APIServices, so that Kubernetes deletes them with it. APIServices that nobody answers keep namespaces
    /// from being deleted.
    #[arg(long, env = "TAGALONG_CUSTOM_METRICS_OWNER")]
    pub custom_metrics_owner: Option<String>,

    /// Seconds over which values are measured; longer where Kong is asked too rarely for that.
    #[arg(
        long,
        env = "TAGALONG_CUSTOM_METRICS_WINDOW",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(15..=300)
    )]
    pub custom_metrics_window: u64,

    /// Seconds between two requests to a sidecar. The sidecar asks Kong less often where more would cost Kong over 1 % of its time.
    #[arg(
        long,
        env = "TAGALONG_CUSTOM_METRICS_INTERVAL",
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(2..=60)
    )]
    pub custom_metrics_interval: u64,

    /// With fewer requests than this in a window, latency quantiles are reported as 0.
    #[arg(
        long,
        env = "TAGALONG_CUSTOM_METRICS_MIN_REQUESTS",
        default_value_t = 20
    )]
    pub custom_metrics_min_requests: u32,
}

impl CustomMetricsArgs {
    /// What values are made with.
    #[must_use]
    pub fn window(&self) -> WindowSettings {
        WindowSettings {
            window: Duration::from_secs(self.custom_metrics_window),
            interval: Duration::from_secs(self.custom_metrics_interval),
            min_requests: self.custom_metrics_min_requests,
            ..WindowSettings::default()
        }
    }
}

impl OperateArgs {
    /// Flags that every server has; in the log, nothing twice.
    #[must_use]
    pub fn runtime(&self) -> RuntimeArgs {
        let mut runtime = self.runtime.clone();
        if !runtime.log.log.contains(LOGGED_TWICE) {
            runtime.log.log += &format!(",{LOGGED_TWICE}=off");
        }
        runtime
    }

    /// Where the API server finds the metrics API; none if it is not to be told.
    #[must_use]
    pub fn served_at(&self) -> Option<ServedAt> {
        Some(ServedAt {
            namespace: self.namespace.clone(),
            service: self.custom_metrics.custom_metrics_service.clone()?,
            port: self.custom_metrics.custom_metrics_port.into(),
        })
    }

    /// Peers allowed to reach sidecars that a NetworkPolicy isolates.
    #[must_use]
    pub fn admitted(&self) -> Vec<NetworkPolicyPeer> {
        let mut admitted = vec![network_peers::operator(
            &self.namespace,
            &self.own_pod_labels,
        )];
        admitted.extend_from_slice(&self.scrapers.0);
        admitted
    }
}
