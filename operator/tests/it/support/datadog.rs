//! Datadog's own OpenMetrics check, as a process.

use super::Result;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One run of the check.
#[derive(Deserialize)]
pub struct Run {
    /// Why it sends nothing; empty if it does.
    pub refused: String,
    pub sent: Vec<Metric>,
}

/// What the agent would send.
#[derive(Debug, Deserialize)]
pub struct Metric {
    pub name: String,
    pub value: f64,
    tags: Vec<String>,
}

impl Metric {
    /// The value of a tag, or `none`.
    pub fn tag(&self, name: &str) -> &str {
        let found = self
            .tags
            .iter()
            .find_map(|tag| tag.strip_prefix(name)?.strip_prefix(':'));
        found.unwrap_or("none")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The instance that the annotation in `docs/guides/datadog.md` configures, at this address instead of a pod's.
pub fn instance(address: std::net::SocketAddr) -> Result<Value> {
    let page = std::fs::read_to_string(root().join("docs/guides/datadog.md"))?;
    let block = page.split("```yaml\n").nth(1).ok_or("no block")?;
    let block = block.split("```").next().ok_or("no end")?;
    let values: Value = serde_saphyr::from_str(block)?;
    let annotation = &values["operator"]["podAnnotations"]["ad.datadoghq.com/operator.checks"];
    let checks: Value = serde_json::from_str(annotation.as_str().ok_or("no annotation")?)?;
    let mut instance = checks["openmetrics"]["instances"][0].clone();
    let endpoint = instance["openmetrics_endpoint"]
        .as_str()
        .ok_or("no endpoint")?;
    let own = endpoint.replace("%%host%%:8080", &address.to_string());
    instance["openmetrics_endpoint"] = json!(own);
    Ok(instance)
}

/// Runs the check on each instance, once.
pub async fn check(instances: Vec<Value>) -> Result<Vec<Run>> {
    let count = instances.len();
    let runs = tokio::task::spawn_blocking(move || run(&instances)).await??;
    super::equal(&runs.len(), &count)?;
    Ok(runs)
}

fn run(instances: &[Value]) -> Result<Vec<Run>> {
    let mut process = Command::new(root().join("tests/datadog/run"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = process.stdin.take().ok_or("no pipe")?;
    stdin.write_all(json!(instances).to_string().as_bytes())?;
    drop(stdin);
    let output = process.wait_with_output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
