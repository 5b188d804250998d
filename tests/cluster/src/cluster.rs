//! The cluster that a test sees, be it ours or the user's own.

use parking_lot::Mutex;
mod get;
mod on_node;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tagalong_ports::Reserved;
use tokio::sync::{OnceCell, OwnedSemaphorePermit};

use crate::binaries::{Tool, ensured};
use crate::control_plane::{self, Authorities, Layout};
use crate::error::{Error, Result, at};
use crate::leftovers;
use crate::namespace::Namespace;
use crate::node::{self, Node};
use crate::process::{Ground, Process, Reaper};
use crate::slots;
use crate::wait::{TIMEOUT, until};

/// Names a kubeconfig of the user's own, to be used instead of a cluster of ours.
const OWN: &str = "TAGALONG_TEST_KUBECONFIG";

/// Documentation address (RFC 5737): the API server must advertise one that is not loopback, and
/// without a node nobody asks for it.
const NOBODY: &str = "198.51.100.1";

/// A Kubernetes API server with what stands behind it.
pub struct Cluster {
    kubeconfig: PathBuf,
    config: Config,
    own: Option<Own>,
    /// Given back last, when the processes are gone.
    slot: Option<OwnedSemaphorePermit>,
}

/// What is ours to end. The order of the fields is the order of the end: processes before the namespaces
/// they run in, and files last.
struct Own {
    processes: Mutex<Vec<Process>>,
    node: Option<Node>,
    layout: Layout,
    authorities: Authorities,
    inside: PathBuf,
    _claim: File,
    _reaper: Reaper,
}

/// `None` where this user or kernel cannot have it, which is said loudly; with `CI=true` that is an error.
fn unless_unsupported<T>(started: Result<T>) -> Result<Option<T>> {
    match started {
        Ok(cluster) => Ok(Some(cluster)),
        Err(Error::Unsupported(why)) if std::env::var("CI").as_deref() != Ok("true") => {
            // Not through the test harness, which hides what a passing test prints.
            let _ = writeln!(std::io::stderr(), "NOT RUN, and nothing shown by it: {why}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Cluster {
    /// The control plane that all tests of this binary share, started by the first that asks. With
    /// `TAGALONG_TEST_KUBECONFIG` set it is that cluster.
    ///
    /// # Errors
    ///
    /// When it cannot be built or started.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED
            .get_or_try_init(|| async {
                match std::env::var_os(OWN) {
                    Some(kubeconfig) => Self::existing(kubeconfig).await,
                    None => Self::launch(false).await,
                }
            })
            .await
    }

    /// The cluster with a node that all tests of this binary share. `None` where this user or kernel
    /// cannot have one, which it says loudly.
    ///
    /// # Errors
    ///
    /// When it cannot be built or started; and instead of `None` if `CI=true`, where a test that was not
    /// run must not look like one that passed.
    pub async fn shared_with_node() -> Result<Option<&'static Self>> {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        unless_unsupported(SHARED.get_or_try_init(Self::launch_with_node).await)
    }

    /// As [`Self::start_with_node`], for a test that nobody else's may run beside: `None` as with [`Self::shared_with_node`]. It
    /// ends with the process.
    ///
    /// # Errors
    ///
    /// As with [`Self::shared_with_node`].
    pub async fn own_with_node() -> Result<Option<&'static Self>> {
        let own = unless_unsupported(Self::start_with_node().await)?;
        Ok(own.map(|cluster| &*Box::leak(Box::new(cluster))))
    }

    /// A control plane of its own, without any node: pods stay `Pending`. Waits while this process has as many as the
    /// machine has room for; `TAGALONG_CLUSTERS` says how many.
    ///
    /// # Errors
    ///
    /// When it cannot be built or started.
    pub async fn start() -> Result<Self> {
        let slot = slots::take().await;
        let mut cluster = Self::launch(false).await?;
        cluster.slot = Some(slot);
        Ok(cluster)
    }

    /// A control plane of its own and a node that runs pods. Takes root.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] where this user or kernel cannot have one; others when it cannot be built
    /// or started.
    pub async fn start_with_node() -> Result<Self> {
        let slot = slots::take().await;
        let mut cluster = Self::launch_with_node().await?;
        cluster.slot = Some(slot);
        Ok(cluster)
    }

    async fn launch_with_node() -> Result<Self> {
        node::check_machine()?;
        let cluster = Self::launch(true).await?;
        cluster.until_node_is_ready().await?;
        Ok(cluster)
    }

    async fn launch(with_node: bool) -> Result<Self> {
        let own = crate::blocking(move || Own::start(with_node)).await?;
        let server = match &own.node {
            Some(node) => node.api_server(),
            None => own.layout.server(),
        };
        let kubeconfig = own
            .layout
            .admin_kubeconfig(&own.authorities, "admin", &server)?;
        let cluster = Self {
            config: read(&kubeconfig).await?,
            kubeconfig,
            own: Some(own),
            slot: None,
        };
        cluster.until_ready().await?;
        let cluster = crate::blocking(move || {
            if let Some(own) = &cluster.own {
                own.start_rest()?;
            }
            Ok(cluster)
        })
        .await?;
        cluster.until_pods_can_be_created().await?;
        Ok(cluster)
    }

    /// A cluster that someone else runs.
    ///
    /// # Errors
    ///
    /// When the kubeconfig cannot be read.
    pub async fn existing(kubeconfig: impl Into<PathBuf>) -> Result<Self> {
        let kubeconfig = kubeconfig.into();
        Ok(Self {
            config: read(&kubeconfig).await?,
            kubeconfig,
            own: None,
            slot: None,
        })
    }

    /// An administrator's client. A new one for each call: a client dies with the async runtime that it
    /// was made on, and each test has its own.
    ///
    /// # Errors
    ///
    /// When the kubeconfig's certificates cannot be used.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::try_from(self.config.clone())?)
    }

    /// The administrator's configuration, to be changed: another user, another server name.
    #[must_use]
    pub fn config(&self) -> Config {
        self.config.clone()
    }

    /// The administrator's kubeconfig file.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The administrator's kubeconfig for processes on the cluster's [`Cluster::ground`].
    #[must_use]
    pub fn inside_kubeconfig(&self) -> &Path {
        self.own
            .as_ref()
            .map_or(&self.kubeconfig, |own| &own.inside)
    }

    /// Where the cluster's processes run, and where one must run that has to reach pods.
    #[must_use]
    pub fn ground(&self) -> Ground {
        self.own
            .as_ref()
            .map_or(Ground::Host, |own| own.layout.ground)
    }

    /// Whether this crate started it, so that a test may stop parts of it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.own.is_some()
    }

    /// A new namespace, deleted when dropped.
    ///
    /// # Errors
    ///
    /// When the API server refuses.
    pub async fn namespace(&self, prefix: &str) -> Result<Namespace> {
        Namespace::create(&self.config, prefix).await
    }

    /// Runs kubectl against it, with `stdin` as its input, and returns what it printed.
    ///
    /// # Errors
    ///
    /// When it fails, with what it said.
    pub async fn kubectl(&self, arguments: &[&str], stdin: &str) -> Result<String> {
        let mut command = Command::new(ensured(Tool::Kubectl).await?);
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig);
        let what = format!("kubectl {}", arguments.join(" "));
        let stdin = stdin.to_owned();
        crate::blocking(move || run(&what, command, &stdin)).await
    }

    /// A port of 127.0.0.1 on the cluster's [`Cluster::ground`], for a process that must be told one.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn reserve(&self) -> Result<Reserved> {
        let node = self.own.as_ref().and_then(|own| own.node.as_ref());
        node.map_or_else(Reserved::new, Node::reserve)
            .map_err(at("a port of 127.0.0.1"))
    }

    /// Runs a process for as long as the cluster lives, with its log beside the others.
    pub fn adopt(&self, process: Process) {
        if let Some(own) = &self.own {
            own.processes.lock().push(process);
        }
    }

    /// Starts a process unless one of its name is there already.
    pub(crate) fn adopt_once(
        &self,
        name: &str,
        start: impl FnOnce() -> Result<Process>,
    ) -> Result<()> {
        if let Some(own) = &self.own {
            let mut processes = own.processes.lock();
            if !processes.iter().any(|process| process.name() == name) {
                processes.push(start()?);
            }
        }
        Ok(())
    }

    /// A directory that goes when the cluster goes: logs, keys, data. `None` for someone else's cluster.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        Some(&self.own.as_ref()?.layout.directory)
    }

    /// An error with the log of the first process that ended, if one did.
    pub(crate) fn running(&self) -> Result<()> {
        let Some(own) = &self.own else { return Ok(()) };
        let mut processes = own.processes.lock();
        processes.iter_mut().try_for_each(Process::running)
    }

    /// What service accounts asked of the API server, apart from those of Kubernetes itself: one event of
    /// `audit.k8s.io/v1` a line, without bodies. `None` for someone else's cluster.
    #[must_use]
    pub fn audit_log(&self) -> Option<PathBuf> {
        Some(self.own.as_ref()?.layout.audit_log())
    }

    /// Ends the API server as SIGKILL does, and starts another. What it told its watchers it has forgotten: who goes on from
    /// where they were is told 410 Gone. Nothing happens to someone else's cluster.
    ///
    /// # Errors
    ///
    /// When the new one does not become ready.
    pub async fn restart_api_server(&self) -> Result<()> {
        if let Some(own) = &self.own {
            let mut processes = own.processes.lock();
            let name = Tool::KubeApiserver.name();
            processes.retain(|process| process.name() != name);
            processes.push(control_plane::start_api(&own.layout)?);
        }
        self.until_ready().await
    }

    async fn until_ready(&self) -> Result<()> {
        let client = self.client()?;
        let ready = until("the API server's /readyz", TIMEOUT, || async {
            if let Err(error) = self.running() {
                return Ok(Err(error));
            }
            let request = http::Request::get("/readyz").body(Vec::new())?;
            client.request_text(request).await?;
            Ok(Ok(()))
        });
        self.explained(ready.await.and_then(|ended| ended))
    }

    async fn until_pods_can_be_created(&self) -> Result<()> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client()?, "default");
        let ready = until("the service account default/default", TIMEOUT, || async {
            if let Err(error) = self.running() {
                return Ok(Err(error));
            }
            Ok(accounts.get("default").await.map(|_| Ok(()))?)
        });
        self.explained(ready.await.and_then(|ended| ended))
    }

    /// Adds the ends of all logs to a deadline that passed.
    fn explained<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| match error {
            Error::Deadline {
                what,
                seconds,
                state,
            } => Error::Deadline {
                what,
                seconds,
                state: format!("{state}\n{}", self.logs()),
            },
            other => other,
        })
    }

    /// The end of every process's log.
    #[must_use]
    pub fn logs(&self) -> String {
        let Some(own) = &self.own else {
            return String::new();
        };
        let processes = own.processes.lock();
        processes
            .iter()
            .map(|process| format!("--- log of {}\n{}\n", process.name(), process.log_tail()))
            .collect()
    }
}

impl Own {
    /// Everything up to an API server that is about to listen.
    fn start(with_node: bool) -> Result<Self> {
        control_plane::ensure_binaries()?;
        if with_node {
            node::ensure_binaries()?;
        }
        let mut reaper = Reaper::start()?;
        let directory = control_plane::run_directory()?;
        reaper.directory(&directory)?;
        let claim = leftovers::claim(&directory)?;
        let node = with_node
            .then(|| Node::prepare(&directory, &mut reaper))
            .transpose()?;
        let layout = match &node {
            None => {
                let reserve = || Reserved::new().map_err(at("a port of 127.0.0.1"));
                let reserved = [reserve()?, reserve()?, reserve()?];
                Layout {
                    ground: Ground::Host,
                    directory,
                    ports: reserved.each_ref().map(Reserved::port),
                    _reserved: reserved.into(),
                    bind: "127.0.0.1",
                    advertise: NOBODY,
                }
            }
            Some(node) => Layout {
                ground: node.ground(),
                directory,
                // In a network of our own every port is free.
                ports: [2379, 2380, node::API_PORT],
                _reserved: Vec::new(),
                bind: "0.0.0.0",
                advertise: node::ADDRESS_TEXT,
            },
        };
        let authorities = Authorities::new()?;
        control_plane::write_keys(&layout, &authorities)?;
        let inside = layout.admin_kubeconfig(&authorities, "inside", &layout.server())?;
        Ok(Self {
            processes: Mutex::new(control_plane::start_storage_and_api(&layout)?.into()),
            node,
            layout,
            authorities,
            inside,
            _claim: claim,
            _reaper: reaper,
        })
    }

    /// What needs an API server that answers.
    fn start_rest(&self) -> Result<()> {
        let controllers = control_plane::start_controllers(&self.layout, &self.authorities)?;
        self.processes.lock().extend(controllers);
        if let Some(node) = &self.node {
            let started = node.start(&self.layout, &self.authorities)?;
            self.processes.lock().extend(started);
        }
        Ok(())
    }
}

async fn read(kubeconfig: &Path) -> Result<Config> {
    let failed = |detail: String| Error::Command {
        what: format!("reading {}", kubeconfig.display()),
        detail,
    };
    let parsed = Kubeconfig::read_from(kubeconfig).map_err(|error| failed(error.to_string()))?;
    Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default())
        .await
        .map_err(|error| failed(error.to_string()))
}

/// Runs a short command to its end.
pub(crate) fn run(what: &str, mut command: Command, stdin: &str) -> Result<String> {
    use std::process::Stdio;
    let failed = |detail: String| Error::Command {
        what: what.to_owned(),
        detail,
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let pipe = child.stdin.take();
    let input = stdin.to_owned();
    // A thread, since a command that prints before it has read everything would block us both.
    let writer = std::thread::spawn(move || pipe.map(|mut pipe| pipe.write_all(input.as_bytes())));
    let output = child
        .wait_with_output()
        .map_err(|error| failed(error.to_string()))?;
    let _ = writer.join();
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(failed(String::from_utf8_lossy(&said).trim_end().to_owned()))
}
