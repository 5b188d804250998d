//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler as plain processes. No root needed.

use std::path::{Path, PathBuf};

use tagalong_ports::Reserved;

use crate::binaries::{Tool, ensure};
use crate::error::{Result, at};
use crate::kubeconfig::write_kubeconfig;
use crate::pki::{Authority, write, write_signing_key};
use crate::process::{Ground, Process};

/// The range that Services get their addresses from; its first address is the API server's.
pub(crate) const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The range that pods get their addresses from.
pub(crate) const POD_RANGE: &str = "10.244.0.0/16";
/// First address of [`SERVICE_RANGE`]: the Service `kubernetes`.
const API_SERVICE_ADDRESS: &str = "10.96.0.1";
/// The files with the keys that tokens of service accounts are signed by and checked by, without their endings.
pub(crate) const SERVICE_ACCOUNTS: &str = "service-accounts";

/// Where it all goes: which ports, which address others are told, which files.
pub(crate) struct Layout {
    pub ground: Ground,
    pub directory: PathBuf,
    /// etcd clients, etcd peers, API server. The others need none: nobody asks them.
    pub ports: [u16; 3],
    /// Those of them that others could take.
    pub _reserved: Vec<Reserved>,
    /// What the API server listens on, and what it says of itself. The second must not be a loopback
    /// address; without a node nobody uses it.
    pub bind: &'static str,
    pub advertise: &'static str,
}

/// What the API server's audit log holds: what service accounts asked, apart from those of Kubernetes itself.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, userGroups: ['system:serviceaccounts:kube-system']}
- {level: Metadata, userGroups: ['system:serviceaccounts']}
- {level: None}
";

/// The keys that sign for the cluster.
pub(crate) struct Authorities {
    pub cluster: Authority,
    front_proxy: Authority,
}

impl Authorities {
    pub fn new() -> Result<Self> {
        Ok(Self {
            cluster: Authority::new("tagalong-test-cluster")?,
            front_proxy: Authority::new("tagalong-test-front-proxy")?,
        })
    }
}

impl Layout {
    fn api_port(&self) -> u16 {
        self.ports[2]
    }

    /// The API server as processes on the same [`Ground`] reach it.
    pub fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_port())
    }

    /// The API server's audit log: one event of `audit.k8s.io/v1` a line.
    pub fn audit_log(&self) -> PathBuf {
        self.directory.join("audit.log")
    }

    fn file(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    /// A kubeconfig for a user of the cluster's authority, to be used on the same [`Ground`].
    pub fn kubeconfig(
        &self,
        authorities: &Authorities,
        user: &str,
        group: Option<&str>,
    ) -> Result<PathBuf> {
        let name = user.rsplit(':').next().unwrap_or(user);
        self.kubeconfig_for(authorities, name, &self.server(), (user, group))
    }

    /// The administrator's, for a place from which the API server has the address `server`.
    pub fn admin_kubeconfig(
        &self,
        authorities: &Authorities,
        name: &str,
        server: &str,
    ) -> Result<PathBuf> {
        self.kubeconfig_for(authorities, name, server, ("admin", Some("system:masters")))
    }

    fn kubeconfig_for(
        &self,
        authorities: &Authorities,
        name: &str,
        server: &str,
        (user, group): (&str, Option<&str>),
    ) -> Result<PathBuf> {
        let authority = &authorities.cluster;
        let issued = authority.client(user, group)?;
        let ca = authority.certificate();
        write_kubeconfig(&self.directory, name, server, &ca, &issued)
    }

    fn start(&self, tool: Tool, arguments: &[String]) -> Result<Process> {
        let mut command = self.ground.command(ensure(tool)?);
        command.args(arguments);
        Process::start(tool.name(), command, &self.directory)
    }
}

/// Writes every key, certificate and policy that the four processes name.
pub(crate) fn write_keys(layout: &Layout, authorities: &Authorities) -> Result<()> {
    let directory = &layout.directory;
    let Authorities {
        cluster,
        front_proxy,
    } = authorities;
    cluster.pair().write(directory, "ca")?;
    write(directory, "audit-policy.yaml", AUDIT_POLICY)?;
    write(directory, "front-proxy-ca.crt", &front_proxy.certificate())?;
    write_signing_key(directory, SERVICE_ACCOUNTS)?;
    cluster
        .server(&[
            "kube-apiserver",
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "127.0.0.1",
            API_SERVICE_ADDRESS,
            layout.advertise,
        ])?
        .write(directory, "kube-apiserver")?;
    cluster
        .client("kube-apiserver-kubelet-client", Some("system:masters"))?
        .write(directory, "kubelet-client")?;
    front_proxy
        .client("front-proxy-client", None)?
        .write(directory, "front-proxy-client")
}

/// Starts etcd and the API server. etcd comes first only in the list: the API server waits for it.
pub(crate) fn start_storage_and_api(layout: &Layout) -> Result<[Process; 2]> {
    Ok([layout.start(Tool::Etcd, &etcd(layout))?, start_api(layout)?])
}

/// Starts the API server alone.
pub(crate) fn start_api(layout: &Layout) -> Result<Process> {
    layout.start(Tool::KubeApiserver, &api_server(layout))
}

/// Starts the controller manager and the scheduler, which give up if there is no API server yet.
pub(crate) fn start_controllers(
    layout: &Layout,
    authorities: &Authorities,
) -> Result<[Process; 2]> {
    let kubeconfig = |user| layout.kubeconfig(authorities, user, None);
    let manager = kubeconfig("system:kube-controller-manager")?;
    let scheduler = kubeconfig("system:kube-scheduler")?;
    Ok([
        layout.start(
            Tool::KubeControllerManager,
            &controller_manager(layout, &manager),
        )?,
        layout.start(Tool::KubeScheduler, &component(&scheduler))?,
    ])
}

/// Fetches or builds what a control plane is made of.
pub(crate) fn ensure_binaries() -> Result<()> {
    for tool in [
        Tool::KubeApiserver,
        Tool::KubeControllerManager,
        Tool::KubeScheduler,
        Tool::Etcd,
    ] {
        ensure(tool)?;
    }
    Ok(())
}

fn etcd(layout: &Layout) -> Vec<String> {
    let [clients, peers, ..] = layout.ports;
    let clients = format!("http://127.0.0.1:{clients}");
    let peers = format!("http://127.0.0.1:{peers}");
    flags(&[
        ("name", "default".into()),
        ("data-dir", layout.file("etcd")),
        ("listen-client-urls", clients.clone()),
        ("advertise-client-urls", clients),
        ("listen-peer-urls", peers.clone()),
        ("initial-advertise-peer-urls", peers.clone()),
        ("initial-cluster", format!("default={peers}")),
        // The data need not outlive a power cut.
        ("unsafe-no-fsync", "true".into()),
    ])
}

fn api_server(layout: &Layout) -> Vec<String> {
    flags(&[
        (
            "etcd-servers",
            format!("http://127.0.0.1:{}", layout.ports[0]),
        ),
        ("bind-address", layout.bind.into()),
        ("secure-port", layout.api_port().to_string()),
        ("advertise-address", layout.advertise.into()),
        ("tls-cert-file", layout.file("kube-apiserver.crt")),
        ("tls-private-key-file", layout.file("kube-apiserver.key")),
        ("client-ca-file", layout.file("ca.crt")),
        (
            "service-account-issuer",
            "https://kubernetes.default.svc".into(),
        ),
        (
            "service-account-key-file",
            layout.file(&format!("{SERVICE_ACCOUNTS}.pub")),
        ),
        (
            "service-account-signing-key-file",
            layout.file(&format!("{SERVICE_ACCOUNTS}.key")),
        ),
        ("service-cluster-ip-range", SERVICE_RANGE.into()),
        ("authorization-mode", "Node,RBAC".into()),
        ("enable-admission-plugins", "NodeRestriction".into()),
        ("allow-privileged", "true".into()),
        ("audit-policy-file", layout.file("audit-policy.yaml")),
        ("audit-log-path", layout.audit_log().display().to_string()),
        // These make the aggregation layer: how an APIService knows that it is us who asks.
        (
            "requestheader-client-ca-file",
            layout.file("front-proxy-ca.crt"),
        ),
        ("requestheader-allowed-names", "front-proxy-client".into()),
        (
            "requestheader-extra-headers-prefix",
            "X-Remote-Extra-".into(),
        ),
        ("requestheader-group-headers", "X-Remote-Group".into()),
        ("requestheader-username-headers", "X-Remote-User".into()),
        (
            "proxy-client-cert-file",
            layout.file("front-proxy-client.crt"),
        ),
        (
            "proxy-client-key-file",
            layout.file("front-proxy-client.key"),
        ),
        (
            "kubelet-client-certificate",
            layout.file("kubelet-client.crt"),
        ),
        ("kubelet-client-key", layout.file("kubelet-client.key")),
        ("kubelet-certificate-authority", layout.file("ca.crt")),
        ("kubelet-preferred-address-types", "InternalIP".into()),
    ])
}

fn controller_manager(layout: &Layout, kubeconfig: &Path) -> Vec<String> {
    let mut arguments = component(kubeconfig);
    arguments.extend(flags(&[
        ("use-service-account-credentials", "true".into()),
        ("root-ca-file", layout.file("ca.crt")),
        (
            "service-account-private-key-file",
            layout.file(&format!("{SERVICE_ACCOUNTS}.key")),
        ),
        ("cluster-signing-cert-file", layout.file("ca.crt")),
        ("cluster-signing-key-file", layout.file("ca.key")),
        ("allocate-node-cidrs", "true".into()),
        ("cluster-cidr", POD_RANGE.into()),
        ("service-cluster-ip-range", SERVICE_RANGE.into()),
        (
            "requestheader-client-ca-file",
            layout.file("front-proxy-ca.crt"),
        ),
        // With the defaults (20/30) the token of each controller takes its turn, for 5 s.
        ("kube-api-qps", "500".into()),
        ("kube-api-burst", "1000".into()),
        // A test should not have to wait for the defaults, 15 s and 5 min.
        ("horizontal-pod-autoscaler-sync-period", "2s".into()),
        (
            "horizontal-pod-autoscaler-downscale-stabilization",
            "10s".into(),
        ),
    ]));
    arguments
}

/// What a controller manager and a scheduler have in common.
fn component(kubeconfig: &Path) -> Vec<String> {
    flags(&[
        ("kubeconfig", kubeconfig.display().to_string()),
        // Not served at all.
        ("secure-port", "0".into()),
        ("leader-elect", "false".into()),
    ])
}

pub(crate) fn flags(pairs: &[(&str, String)]) -> Vec<String> {
    pairs
        .iter()
        .map(|(name, value)| format!("--{name}={value}"))
        .collect()
}

/// A new directory, readable by its owner only.
pub(crate) fn run_directory() -> Result<PathBuf> {
    let base = std::env::temp_dir();
    tempfile::Builder::new()
        .prefix(crate::leftovers::PREFIX)
        .tempdir_in(&base)
        .map(tempfile::TempDir::keep)
        .map_err(at(base))
}
