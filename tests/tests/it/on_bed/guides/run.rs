//! Runs the commands and manifests of the guides, page by page and in order, against a real API server without a
//! node.

use super::page::{Page, Way, pages};
use crate::root;
use std::path::PathBuf;
use std::process::Command;
use tagalong_cluster::binaries::{Tool, ensure};
use tagalong_cluster::crds::CrdSet;
use tagalong_cluster::{Cluster, Result};

/// The page for clusters without Kong's operators, and so without their definitions.
const WITHOUT_OPERATOR: &str = "plain-kong.md";

#[tokio::test]
async fn beside_kongs_operator() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster
        .install_crds(&[
            CrdSet::GatewayApiStandard,
            CrdSet::KongIngressController,
            CrdSet::KongGatewayOperator,
        ])
        .await?;
    let pages: Vec<Page> = pages();
    let pages = pages.iter().filter(|page| page.name != WITHOUT_OPERATOR);
    try_all(&cluster, pages).await
}

#[tokio::test]
async fn without_it() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster
        .install_crds(&[CrdSet::GatewayApiStandard, CrdSet::KongIngressController])
        .await?;
    let pages: Vec<Page> = pages();
    let pages = pages.iter().filter(|page| page.name == WITHOUT_OPERATOR);
    try_all(&cluster, pages).await
}

async fn try_all(cluster: &Cluster, pages: impl Iterator<Item = &Page>) -> Result<()> {
    let mut tried = 0;
    for page in pages {
        for block in &page.blocks {
            let here = format!("{}:{}", page.name, block.line);
            if block.is(Way::Run) {
                run(cluster, &here, block.text.clone()).await;
            } else if block.is(Way::Manifest) {
                let dry = [
                    "apply",
                    "--server-side",
                    "--dry-run=server",
                    "--validate=strict",
                    "-f",
                    "-",
                ];
                let said = cluster.kubectl(&dry, &block.text).await;
                said.unwrap_or_else(|error| panic!("{here}: {error}"));
            } else {
                continue;
            }
            tried += 1;
        }
    }
    assert!(tried > 0, "nothing was tried");
    Ok(())
}

/// By a shell in the repository's root, with this cluster, and with nothing of this user's.
async fn run(cluster: &Cluster, here: &str, script: String) {
    let kubeconfig = cluster.kubeconfig().to_owned();
    let output = tokio::task::spawn_blocking(move || {
        let home = tempfile::tempdir().expect("a directory");
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(root())
            .env("KUBECONFIG", kubeconfig)
            .env("HOME", home.path())
            .env("PATH", path())
            .output()
            .expect("bash starts")
    })
    .await
    .expect("no panic");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{here}: {said}");
}

/// The commands of the guides in front of all others.
fn path() -> std::ffi::OsString {
    let tools = [Tool::Kubectl, Tool::Helm].map(|tool| {
        let program = ensure(tool).expect("the test bed's tools");
        program.parent().expect("a directory").to_owned()
    });
    let own = std::env::var_os("PATH").unwrap_or_default();
    let all = tools.into_iter().chain(std::env::split_paths(&own));
    std::env::join_paths(all.collect::<Vec<PathBuf>>()).expect("paths")
}
