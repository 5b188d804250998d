//! Ways to break things.

use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::Tried;
use crate::cgroups::{processes, signal};
use crate::helm::NAMESPACE;
use crate::stage::Stage;

impl Stage {
    /// The operator's pod that holds the lease.
    ///
    /// # Errors
    ///
    /// When none holds it.
    pub async fn leader(&self) -> Tried<Value> {
        let path =
            format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/tagalong-operator");
        let lease = self.get(&path).await?;
        // The pod's name, and which of its processes.
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
        let name = holder.split('_').next().unwrap_or_default();
        let mut pods = self.ours("operator").await.into_iter();
        let leader = pods.find(|pod| pod["metadata"]["name"] == name);
        Ok(leader.ok_or_else(|| format!("the holder {holder} is no ready pod"))?)
    }

    /// Kills a container of these pods, and waits until it has been started again and the pods are ready.
    ///
    /// # Errors
    ///
    /// When it does not run, or does not come back.
    pub async fn kill(&self, pods: &[Value], container: &str) -> Tried<()> {
        for pod in pods {
            signal(pod, container, Signal::KILL)?;
        }
        for pod in pods {
            let path = path(pod);
            let before = restarts(pod, container);
            self.until(&format!("{container} to be started again"), || async {
                let pod = self.get(&path).await?;
                let again = restarts(&pod, container) > before;
                if again && crate::stage::condition(&pod, "Ready") {
                    Ok(())
                } else {
                    Err(pod["status"].to_string().into())
                }
            })
            .await?;
        }
        Ok(())
    }

    /// Lets nothing through from the operator's pods to the API server, or again everything.
    ///
    /// # Errors
    ///
    /// When a pod's rules cannot be changed.
    pub async fn cut_off(&self, cut: bool) -> Tried<()> {
        let api = self
            .get("/api/v1/namespaces/default/services/kubernetes")
            .await?;
        let api = api["spec"]["clusterIP"].as_str().unwrap_or_default();
        let path = format!(
            "/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app.kubernetes.io/component=operator"
        );
        for pod in self.list(&path).await {
            let process = processes(&pod, "operator")?;
            let process = process.first().ok_or("no process of the operator")?;
            let mut command = Command::new("nsenter");
            command
                .args(["--target", &process.as_raw_nonzero().to_string(), "--net"])
                .args(["iptables", if cut { "-A" } else { "-D" }])
                .args(["OUTPUT", "-d", api, "-j", "DROP"]);
            let output = command.output()?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into());
            }
        }
        Ok(())
    }
}

/// Where a pod stands in the API.
fn path(pod: &Value) -> String {
    let text = |name| pod["metadata"][name].as_str().unwrap_or_default();
    format!(
        "/api/v1/namespaces/{}/pods/{}",
        text("namespace"),
        text("name")
    )
}

/// How often a container of a pod has been started again.
#[must_use]
pub fn restarts(pod: &Value, container: &str) -> u64 {
    let lists = ["containerStatuses", "initContainerStatuses"];
    let mut statuses = lists
        .iter()
        .filter_map(|list| pod["status"][list].as_array())
        .flatten();
    let status = statuses.find(|status| status["name"] == container);
    status.map_or(0, |status| {
        status["restartCount"].as_u64().unwrap_or_default()
    })
}
