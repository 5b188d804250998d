//! How each binary is built: its Go package, its flags, and how to see that it runs.

/// A program that the test bed builds from a pinned Go module (`modules/`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tool {
    /// The end-to-end test image of Kubernetes; Kong's examples use it as a backend.
    Agnhost,
    /// Cluster DNS.
    CoreDns,
    /// The API server's store.
    Etcd,
    /// The package manager our chart is for.
    Helm,
    /// The API server.
    KubeApiserver,
    /// The controller manager.
    KubeControllerManager,
    /// The service proxy of a node.
    KubeProxy,
    /// The scheduler.
    KubeScheduler,
    /// Kong's older operator for DataPlanes, ControlPlanes and Gateways.
    KongGatewayOperator,
    /// Configures Kong from HTTPRoutes and Ingresses.
    KongIngressController,
    /// That controller's translator alone: objects in, Kong's services and upstreams out.
    KongTranslator,
    /// The command line.
    Kubectl,
    /// The node agent.
    Kubelet,
    /// Fake nodes and pods in numbers.
    Kwok,
    /// Scrapes and stores.
    Prometheus,
    /// Serves custom metrics from Prometheus.
    PrometheusAdapter,
    /// Checks rules, configuration and expositions.
    Promtool,
    /// Reads expositions as Prometheus does when it scrapes (a few Go files of ours around its parser).
    TextParse,
    /// Scrapes and writes on.
    Vmagent,
}

/// The fixed part of a tool's build.
pub(super) struct Recipe {
    pub name: &'static str,
    /// The directory below `modules/`.
    pub module: &'static str,
    /// The Go module whose version is the tool's.
    pub requires: &'static str,
    pub package: &'static str,
    /// Go files of ours (a directory beside the go.mod) that are the package `package` of the tool's own module: Go lets
    /// nobody else import what is internal there, so they are built in a copy of it.
    pub inside: Option<&'static str>,
    pub tags: &'static str,
    /// Arguments with which it prints something and exits with 0.
    pub check: &'static [&'static str],
    /// Seconds that a cold build took on two cores, to tell the waiting what to expect.
    pub seconds: u32,
}

const KUBERNETES: &str = "k8s.io/kubernetes";
const KONG_INGRESS_CONTROLLER: &str = "github.com/kong/kubernetes-ingress-controller/v3";
const VERSION: &[&str] = &["--version"];

macro_rules! recipe {
    ($name:literal, $module:literal, $requires:expr, $package:literal, $check:expr, $seconds:literal) => {
        Recipe {
            name: $name,
            module: $module,
            requires: $requires,
            package: $package,
            inside: None,
            tags: "",
            check: $check,
            seconds: $seconds,
        }
    };
}

impl Tool {
    /// All of them, in the order in which a cold build is shortest: what shares packages is adjacent.
    pub const ALL: [Self; 19] = [
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::KubeScheduler,
        Self::Kubelet,
        Self::KubeProxy,
        Self::Kubectl,
        Self::Agnhost,
        Self::Etcd,
        Self::CoreDns,
        Self::Helm,
        Self::Prometheus,
        Self::Promtool,
        Self::TextParse,
        Self::PrometheusAdapter,
        Self::Vmagent,
        Self::Kwok,
        Self::KongIngressController,
        Self::KongTranslator,
        Self::KongGatewayOperator,
    ];

    /// The binary's file name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.recipe().name
    }

    pub(super) fn in_kubebuilder_assets(self) -> bool {
        matches!(self, Self::Etcd | Self::KubeApiserver | Self::Kubectl)
    }

    /// Stamps, without which kubectl, Helm and operators read the version `v0.0.0-master`.
    pub(super) fn ldflags(self, version: &str) -> String {
        let stamps = match self.recipe().requires {
            KUBERNETES => {
                let mut parts = version.trim_start_matches('v').split('.');
                let (major, minor) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
                format!(
                    "-X k8s.io/component-base/version.gitVersion={version} \
                     -X k8s.io/component-base/version.gitMajor={major} \
                     -X k8s.io/component-base/version.gitMinor={minor} \
                     -X k8s.io/client-go/pkg/version.gitVersion={version}"
                )
            }
            "helm.sh/helm/v3" => format!("-X helm.sh/helm/v3/internal/version.version={version}"),
            "sigs.k8s.io/kwok" => format!("-X sigs.k8s.io/kwok/pkg/consts.Version={version}"),
            "github.com/kong/gateway-operator" => {
                format!(
                    "-X github.com/kong/gateway-operator/modules/manager/metadata.release={version}"
                )
            }
            KONG_INGRESS_CONTROLLER => {
                format!("-X {KONG_INGRESS_CONTROLLER}/internal/manager/metadata.Release={version}")
            }
            "github.com/VictoriaMetrics/VictoriaMetrics" => {
                format!(
                    "-X github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo.Version=vmagent-{version}"
                )
            }
            "github.com/prometheus/prometheus" => {
                // The Go module v0.314.0 is the release 3.14.0.
                let minor = version.trim_start_matches("v0.").replacen("3", "3.", 1);
                format!("-X github.com/prometheus/common/version.Version={minor}")
            }
            _ => String::new(),
        };
        format!("-s -w {stamps}").trim_end().to_owned()
    }

    pub(super) fn recipe(self) -> Recipe {
        match self {
            Self::Agnhost => recipe!(
                "agnhost",
                "kubernetes",
                KUBERNETES,
                "k8s.io/kubernetes/test/images/agnhost",
                VERSION,
                10
            ),
            Self::CoreDns => recipe!(
                "coredns",
                "coredns",
                "github.com/coredns/coredns",
                "github.com/coredns/coredns",
                &["-version"],
                90
            ),
            Self::Etcd => recipe!(
                "etcd",
                "etcd",
                "go.etcd.io/etcd/server/v3",
                "go.etcd.io/etcd/server/v3",
                VERSION,
                20
            ),
            Self::Helm => recipe!(
                "helm",
                "helm",
                "helm.sh/helm/v3",
                "helm.sh/helm/v3/cmd/helm",
                &["version"],
                60
            ),
            Self::KubeApiserver => recipe!(
                "kube-apiserver",
                "kubernetes",
                KUBERNETES,
                "k8s.io/kubernetes/cmd/kube-apiserver",
                VERSION,
                180
            ),
            Self::KubeControllerManager => recipe!(
                "kube-controller-manager",
                "kubernetes",
                KUBERNETES,
                "k8s.io/kubernetes/cmd/kube-controller-manager",
                VERSION,
                40
            ),
            Self::KubeProxy => recipe!(
                "kube-proxy",
                "kubernetes",
                KUBERNETES,
                "k8s.io/kubernetes/cmd/kube-proxy",
                VERSION,
                10
            ),
            Self::KubeScheduler => recipe!(
                "kube-scheduler",
                "kubernetes",
                KUBERNETES,
                "k8s.io/kubernetes/cmd/kube-scheduler",
                VERSION,
                10
            ),
            Self::KongGatewayOperator => recipe!(
                "kong-gateway-operator",
                "gateway-operator",
                "github.com/kong/gateway-operator",
                "github.com/kong/gateway-operator/cmd",
                &["-version"],
                150
            ),
            Self::KongIngressController => recipe!(
                "kong-ingress-controller",
                "kic",
                KONG_INGRESS_CONTROLLER,
                "github.com/kong/kubernetes-ingress-controller/v3/internal/cmd",
                &["version"],
                90
            ),
            Self::KongTranslator => Recipe {
                inside: Some("translator"),
                ..recipe!(
                    "kong-translator",
                    "kic",
                    KONG_INGRESS_CONTROLLER,
                    "./internal/cmd/translator",
                    VERSION,
                    30
                )
            },
            Self::Kubectl => recipe!(
                "kubectl",
                "kubernetes",
                KUBERNETES,
                "k8s.io/kubernetes/cmd/kubectl",
                &["version", "--client"],
                20
            ),
            Self::Kubelet => recipe!(
                "kubelet",
                "kubernetes",
                KUBERNETES,
                "k8s.io/kubernetes/cmd/kubelet",
                VERSION,
                20
            ),
            Self::Kwok => recipe!(
                "kwok",
                "kwok",
                "sigs.k8s.io/kwok",
                "sigs.k8s.io/kwok/cmd/kwok",
                VERSION,
                30
            ),
            Self::Prometheus => Recipe {
                tags: KUBERNETES_DISCOVERY_ONLY,
                ..recipe!(
                    "prometheus",
                    "prometheus",
                    "github.com/prometheus/prometheus",
                    "github.com/prometheus/prometheus/cmd/prometheus",
                    VERSION,
                    120
                )
            },
            Self::PrometheusAdapter => recipe!(
                "prometheus-adapter",
                "prometheus-adapter",
                "sigs.k8s.io/prometheus-adapter",
                "sigs.k8s.io/prometheus-adapter/cmd/adapter",
                &["--help"],
                60
            ),
            Self::Promtool => Recipe {
                tags: KUBERNETES_DISCOVERY_ONLY,
                ..recipe!(
                    "promtool",
                    "prometheus",
                    "github.com/prometheus/prometheus",
                    "github.com/prometheus/prometheus/cmd/promtool",
                    VERSION,
                    10
                )
            },
            Self::TextParse => recipe!(
                "textparse",
                "prometheus",
                "github.com/prometheus/prometheus",
                "./textparse",
                VERSION,
                10
            ),
            Self::Vmagent => recipe!(
                "vmagent",
                "vmagent",
                "github.com/VictoriaMetrics/VictoriaMetrics",
                "github.com/VictoriaMetrics/VictoriaMetrics/app/vmagent",
                VERSION,
                30
            ),
        }
    }
}

/// Leaves every cloud's SDK out of Prometheus.
const KUBERNETES_DISCOVERY_ONLY: &str = "remove_all_sd,enable_kubernetes_sd";
