//! Prometheus and prometheus-adapter as processes beside the cluster.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use crate::binaries::{Tool, ensured};
use crate::cluster::Cluster;
use crate::control_plane::flags;
use crate::error::{Error, Result, at};
use crate::pki::Authority;
use crate::process::Process;

/// The namespace of the Service that stands for the adapter.
const NAMESPACE: &str = "kube-system";
const ADAPTER: &str = "prometheus-adapter";

/// A Prometheus on the cluster's [`Cluster::ground`].
#[derive(Clone, Copy, Debug)]
pub struct Prometheus {
    /// Where its API listens, for processes on the same ground; a test in another network uses
    /// [`Cluster::connect`].
    pub address: SocketAddr,
}

impl Cluster {
    /// Starts Prometheus with this configuration (`prometheus.yml`). `KUBECONFIG` in it stands for the path of
    /// a kubeconfig, for `kubernetes_sd_configs`.
    ///
    /// # Errors
    ///
    /// When the cluster is not ours, or Prometheus cannot be built or does not start.
    pub async fn start_prometheus(&self, configuration: &str) -> Result<Prometheus> {
        let directory = self.own_directory()?;
        let inside = self.inside_kubeconfig().display().to_string();
        let path = directory.join("prometheus.yml");
        std::fs::write(&path, configuration.replace("KUBECONFIG", &inside)).map_err(at(&path))?;
        let port = self.reserve()?;
        let address = port.address();
        let mut command = self.ground().command(ensured(Tool::Prometheus).await?);
        command.args(flags(&[
            ("config.file", path.display().to_string()),
            (
                "storage.tsdb.path",
                directory.join("prometheus").display().to_string(),
            ),
            ("web.listen-address", address.to_string()),
        ]));
        self.adopt(Process::start("prometheus", command, directory)?.keeping([port]));
        Ok(Prometheus { address })
    }

    /// Starts prometheus-adapter with these rules, registers it for `custom.metrics.k8s.io`, and lets the
    /// autoscaler ask it. One per cluster.
    ///
    /// # Errors
    ///
    /// When the cluster is not ours, or the adapter cannot be built or registered.
    pub async fn start_adapter(&self, prometheus: Prometheus, rules: &str) -> Result<()> {
        let directory = self.own_directory()?;
        let path = directory.join("adapter.yml");
        std::fs::write(&path, rules).map_err(at(&path))?;
        let authority = Authority::new("tagalong-test-adapter")?;
        authority
            .server(&[&format!("{ADAPTER}.{NAMESPACE}.svc")])?
            .write(directory, "adapter")?;
        let port = self.reserve()?;
        let file = |name: &str| directory.join(name).display().to_string();
        let kubeconfig = self.inside_kubeconfig().display().to_string();
        let mut command = self
            .ground()
            .command(ensured(Tool::PrometheusAdapter).await?);
        command.args(flags(&[
            ("prometheus-url", format!("http://{}", prometheus.address)),
            ("config", file("adapter.yml")),
            ("bind-address", "127.0.0.1".into()),
            ("secure-port", port.port().to_string()),
            ("tls-cert-file", file("adapter.crt")),
            ("tls-private-key-file", file("adapter.key")),
            ("lister-kubeconfig", kubeconfig.clone()),
            ("authentication-kubeconfig", kubeconfig.clone()),
            ("authorization-kubeconfig", kubeconfig),
            // A test should not have to wait for the defaults, 10 min and 10 min.
            ("metrics-relist-interval", "2s".into()),
            ("metrics-max-age", "1m".into()),
        ]));
        let ca = BASE64.encode(authority.certificate());
        let registration = registration(port.port(), &ca);
        self.adopt(Process::start(ADAPTER, command, directory)?.keeping([port]));
        self.kubectl(&["apply", "-f", "-"], &registration).await?;
        Ok(())
    }

    fn own_directory(&self) -> Result<&std::path::Path> {
        self.directory().ok_or_else(|| {
            Error::Unsupported("this cluster is not ours: start it there yourself".to_owned())
        })
    }
}

/// A Service that leads out of the cluster, the APIServices, and what the autoscaler may do.
fn registration(port: u16, ca: &str) -> String {
    let api = |version: &str, priority: u32| {
        json!({
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": format!("{version}.custom.metrics.k8s.io")},
            "spec": {
                "group": "custom.metrics.k8s.io", "version": version,
                "groupPriorityMinimum": 100, "versionPriority": priority,
                "service": {"name": ADAPTER, "namespace": NAMESPACE, "port": port},
                "caBundle": ca,
            },
        })
    };
    let name = "test:custom-metrics-reader";
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": ADAPTER, "namespace": NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": [{"apiGroups": ["custom.metrics.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "namespace": "kube-system", "name": "horizontal-pod-autoscaler"}],
        },
        api("v1beta1", 100),
        api("v1beta2", 200),
    ]})
    .to_string()
}
