//! Helm, and our chart as a release.

use std::process::Command;

use tagalong_cluster::binaries::{Tool, ensured};
use tagalong_cluster::{Cluster, kong};

use crate::Tried;

/// The release's name, which the chart's objects then have too.
pub const RELEASE: &str = "tagalong";

/// Its namespace: the one that the published ServiceMonitor looks into.
pub const NAMESPACE: &str = kong::NAMESPACE;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/tagalong");

/// `helm install`, with what the chart has by itself.
///
/// # Errors
///
/// When not everything becomes ready.
pub async fn install(cluster: &Cluster) -> Tried<String> {
    let waiting = ["install", RELEASE, CHART, "--wait", "--timeout=4m"];
    run(cluster, &waiting).await
}

/// `helm upgrade` to other values. What others made becomes the release's.
///
/// # Errors
///
/// When not everything becomes ready again.
pub async fn upgrade(cluster: &Cluster, values: &[&str]) -> Tried<String> {
    let mut words = vec!["upgrade", RELEASE, CHART, "--wait", "--timeout=4m"];
    words.push("--take-ownership");
    for value in values {
        words.extend(["--set", value]);
    }
    run(cluster, &words).await
}

/// `helm uninstall`.
///
/// # Errors
///
/// When a hook fails or an object stays.
pub async fn uninstall(cluster: &Cluster) -> Tried<String> {
    run(cluster, &["uninstall", RELEASE, "--wait", "--timeout=4m"]).await
}

async fn run(cluster: &Cluster, words: &[&str]) -> Tried<String> {
    let home = tempfile::tempdir()?;
    let mut command = Command::new(ensured(Tool::Helm).await?);
    command
        .args(words)
        .arg(format!("--namespace={NAMESPACE}"))
        .env("KUBECONFIG", cluster.kubeconfig())
        .env("HOME", home.path());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("helm {}: {}", words.join(" "), text(&output.stderr)).into())
    }
}
