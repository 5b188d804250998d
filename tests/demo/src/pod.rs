//! A pod without a cluster: a stand-in Kong that replays a real capture, and a sidecar process beside it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use tagalong_kong::CaptureKong;
use tokio::process::{Child, Command};

use crate::operator::Operator;
use crate::{Failure, fetch};

/// A running pod; its processes end with it.
pub struct Pod {
    /// As it would be called in a cluster.
    pub name: &'static str,
    /// The name of the capture that its Kong replays.
    pub capture: &'static str,
    kong: CaptureKong,
    sidecar: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Pod {
    /// Starts Kong, then the sidecar, and waits until both answer.
    pub async fn start(
        name: &'static str,
        capture: &'static str,
        operator: &Operator,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let kong = CaptureKong::builder().capture(capture).start().await?;
        let address = free_address()?;
        let log = folder.join(format!("{name}.log"));
        let file = std::fs::File::create(&log)?;
        let binary = beside("tagalong-sidecar")?;
        // On loopback nobody asks for a token, and there is no certificate to check.
        let nothing = folder.join("nothing");
        std::fs::write(&nothing, "none\n")?;
        let sidecar = Command::new(&binary)
            .arg("--listen")
            .arg(address.to_string())
            .arg("--kong-metrics-url")
            .arg(kong.url())
            .arg("--labels-url")
            .arg(operator.labels_url())
            .arg("--token-file")
            .arg(&nothing)
            .arg("--ca-file")
            .arg(&nothing)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", binary.display()))?;
        let mut pod = Self {
            name,
            capture,
            kong,
            sidecar,
            address,
            log,
        };
        pod.ready().await?;
        Ok(pod)
    }

    /// Kong's own metrics.
    pub fn kong_url(&self) -> String {
        self.kong.url()
    }

    /// The same through the sidecar.
    pub fn sidecar_url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    async fn ready(&mut self) -> Result<(), Failure> {
        let healthz = format!("http://{}/healthz", self.address);
        // Far longer than it takes, for a machine that is busy with other things.
        for _ in 0..600 {
            if let Some(status) = self.sidecar.try_wait()? {
                return Err(self.ended(status));
            }
            if fetch::get(&healthz)
                .await
                .is_ok_and(|(status, _)| status.is_success())
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!(
            "{}: the sidecar does not answer {healthz}; it says:\n{}",
            self.name,
            self.said()
        )
        .into())
    }

    /// The sidecar's metrics, once the operator's labels have reached it.
    pub async fn enriched(&mut self) -> Result<Bytes, Failure> {
        for _ in 0..600 {
            let body = fetch::body(&self.sidecar_url()).await?;
            if memchr::memmem::find(&body, b"kong_service=").is_some() {
                return Ok(body);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!(
            "{}: no labels reach the sidecar; it says:\n{}",
            self.name,
            self.said()
        )
        .into())
    }

    fn ended(&self, status: ExitStatus) -> Failure {
        format!(
            "{}: the sidecar ended ({status}); it said:\n{}",
            self.name,
            self.said()
        )
        .into()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// Waits until a sidecar ends by itself, which is always a failure.
pub async fn first_to_end(pods: &mut [Pod]) -> Result<(), Failure> {
    loop {
        for pod in &mut *pods {
            if let Some(status) = pod.sidecar.try_wait()? {
                return Err(pod.ended(status));
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// A program of this house, built beside this one.
pub fn beside(name: &str) -> Result<PathBuf, Failure> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!(
            "{} is not there; `make demo` builds it first",
            path.display()
        )
        .into())
    }
}

fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
