//! The operator without a cluster: it reads the example's files and pushes the labels to the sidecars.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::{Failure, pod};

/// Far longer than it takes, for a machine that is busy with other things.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A running operator; it ends when dropped.
pub struct Operator {
    address: String,
    _process: Child,
}

impl Operator {
    /// Starts it on the manifests of this folder, and waits until it listens.
    pub async fn start(manifests: &Path) -> Result<Self, Failure> {
        let binary = pod::beside("tagalong-operator")?;
        let mut process = Command::new(&binary)
            .args(["--log-format", "json", "--push-address", "127.0.0.1:0"])
            .args([
                "--metrics-address",
                "127.0.0.1:0",
                "--admin-address",
                "127.0.0.1:0",
            ])
            .arg("--manifests")
            .arg(manifests)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", binary.display()))?;
        let log = process
            .stderr
            .take()
            .ok_or("the operator has no standard error")?;
        let mut log = BufReader::new(log).lines();
        let address = timeout(TIMEOUT, listens(&mut log))
            .await
            .map_err(|_| "the operator does not listen")??;
        // Nobody reads the rest; a full pipe must not stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Ok(Self {
            address,
            _process: process,
        })
    }

    /// Where sidecars get their labels.
    pub fn labels_url(&self) -> String {
        format!("http://{}/v1/labels", self.address)
    }
}

/// The address that it says it pushes labels on.
async fn listens(log: &mut Lines<BufReader<ChildStderr>>) -> Result<String, Failure> {
    let mut said = String::new();
    while let Some(line) = log.next_line().await? {
        let entry: Value = serde_json::from_str(&line).unwrap_or_default();
        let pushes = entry["message"]
            .as_str()
            .is_some_and(|message| message.starts_with("pushes labels"));
        if let (true, Some(address)) = (pushes, entry["address"].as_str()) {
            return Ok(address.to_owned());
        }
        said.push_str(&line);
        said.push('\n');
    }
    Err(format!("the operator ended; it said:\n{said}").into())
}
