//! The cluster that a test sees, be it ours or the user's own.

use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::process::Command;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tokio::sync::OnceCell;

use crate::binaries::{Tool, ensured};
use crate::control_plane::{self, Authorities, Layout};
use crate::error::{Error, Result};
use crate::namespace::Namespace;
use crate::ports;
use crate::process::{Ground, Process, Reaper};
use crate::wait::{PATIENCE, until};

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
}

/// What is ours to end. The order of the fields is the order of the end: processes before files.
struct Own {
    processes: Mutex<Vec<Process>>,
    directory: PathBuf,
    _reaper: Mutex<Reaper>,
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
                    None => Self::start().await,
                }
            })
            .await
    }

    /// A control plane of its own, without any node: pods stay `Pending`.
    ///
    /// # Errors
    ///
    /// When it cannot be built or started.
    pub async fn start() -> Result<Self> {
        let (layout, authorities, processes, reaper) = crate::blocking(|| {
            control_plane::ensure_binaries()?;
            let mut reaper = Reaper::start()?;
            let directory = control_plane::run_directory()?;
            reaper.directory(&directory)?;
            let layout = Layout {
                ground: Ground::Host,
                directory,
                ports: ports::free()?,
                bind: "127.0.0.1",
                advertise: NOBODY,
            };
            let authorities = Authorities::new()?;
            control_plane::write_keys(&layout, &authorities)?;
            let processes = control_plane::start_storage_and_api(&layout)?;
            Ok((layout, authorities, processes, reaper))
        })
        .await?;

        let kubeconfig = layout.kubeconfig(&authorities, "admin", Some("system:masters"))?;
        let cluster = Self {
            config: read(&kubeconfig).await?,
            kubeconfig,
            own: Some(Own {
                processes: Mutex::new(processes.into()),
                directory: layout.directory.clone(),
                _reaper: Mutex::new(reaper),
            }),
        };
        cluster.until_ready().await?;
        let controllers =
            crate::blocking(move || control_plane::start_controllers(&layout, &authorities))
                .await?;
        for controller in controllers {
            cluster.adopt(controller);
        }
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
        Some(&self.own.as_ref()?.directory)
    }

    /// An error with the log of the first process that ended, if one did.
    pub(crate) fn running(&self) -> Result<()> {
        let Some(own) = &self.own else { return Ok(()) };
        let mut processes = own.processes.lock();
        processes.iter_mut().try_for_each(Process::running)
    }

    async fn until_ready(&self) -> Result<()> {
        let client = self.client()?;
        let ready = until("the API server's /readyz", PATIENCE, || async {
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
        let ready = until("the service account default/default", PATIENCE, || async {
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
    use std::io::Write as _;
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
