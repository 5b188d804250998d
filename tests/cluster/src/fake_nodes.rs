//! Nodes that exist in the API only: pods on them become ready at once, and nothing runs (kwok).

use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::binaries::{Tool, ensured, go_module};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::process::{Ground, Process};
use crate::wait::{TIMEOUT, until};

const KWOK: &str = "kwok";

impl Cluster {
    /// Sees to it that there are that many fake nodes (`fake-0`…), with room for 110 pods each, and that
    /// kwok plays kubelet for them.
    ///
    /// # Errors
    ///
    /// When the cluster is not ours (its nodes are none of our business), or kwok cannot be built.
    pub async fn fake_nodes(&self, count: usize) -> Result<()> {
        let directory = self.directory().ok_or_else(|| {
            Error::Unsupported("fake nodes are made only in a cluster of our own".to_owned())
        })?;
        let binary = ensured(Tool::Kwok).await?;
        let stages = crate::blocking(stages).await?;
        let mut command = Ground::Host.command(binary);
        command
            .arg("--manage-all-nodes=true")
            .args(stages)
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            // Its own settings file is the user's.
            .env("HOME", directory);
        self.adopt_once(KWOK, || Process::start(KWOK, command, directory))?;

        let nodes: Api<Node> = Api::all(self.client()?);
        for number in 0..count {
            let name = format!("fake-{number}");
            let room = json!({"cpu": "32", "memory": "64Gi", "pods": "110"});
            let node = json!({
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "annotations": {"kwok.x-k8s.io/node": "fake"}},
                "status": {"allocatable": room, "capacity": room},
            });
            let params = PatchParams::apply("tagalong-cluster");
            nodes.patch(&name, &params, &Patch::Apply(node)).await?;
            until(
                &format!("the fake node {name} to be ready"),
                TIMEOUT,
                || async {
                    self.running()?;
                    let status = nodes.get(&name).await?.status.unwrap_or_default();
                    let ready =
                        status.conditions.iter().flatten().any(|condition| {
                            condition.type_ == "Ready" && condition.status == "True"
                        });
                    if ready {
                        Ok(())
                    } else {
                        Err(serde_json::to_string(&status.conditions)?.into())
                    }
                },
            )
            .await?;
        }
        Ok(())
    }
}

/// What a kubelet would do to a node and a pod, step by step: kwok ships it beside its source and has
/// nothing of it built in.
fn stages() -> Result<Vec<String>> {
    let directory = go_module("kwok", "sigs.k8s.io/kwok")?.join("kustomize/stage");
    let files = [
        "node/fast/node-initialize.yaml",
        "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
        "pod/fast/pod-ready.yaml",
        "pod/fast/pod-complete.yaml",
        "pod/fast/pod-delete.yaml",
    ];
    Ok(files
        .iter()
        .map(|file| format!("--config={}", directory.join(file).display()))
        .collect())
}
