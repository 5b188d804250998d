//! Ways to break things.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::Tried;
use crate::cgroups::{processes, signal};
use crate::helm::NAMESPACE;
use crate::stage::{Stage, condition};

const CONFIGURATION: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/tagalong";

/// A container that was killed, and how often it had been started again before.
pub struct Killed {
    path: String,
    container: &'static str,
    restarts: u64,
}

impl Stage {
    /// Kills a container of these pods.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn kill(&self, pods: &[Value], container: &'static str) -> Tried<Vec<Killed>> {
        let mut killed = Vec::new();
        for pod in pods {
            if signal(pod, container, Signal::KILL)? == 0 {
                return Err(format!("no process of {container}").into());
            }
            killed.push(Killed {
                path: path(pod),
                container,
                restarts: restarts(pod, container),
            });
        }
        if killed.is_empty() {
            return Err(format!("nothing to kill: no {container}").into());
        }
        Ok(killed)
    }

    /// Waits until what was killed has been started again, and its pod is ready.
    ///
    /// # Errors
    ///
    /// When that does not come.
    pub async fn started_again(&self, killed: &[Killed]) -> Tried<()> {
        for one in killed {
            let what = format!("{} to be started again", one.container);
            self.until(&what, || async {
                let pod = self.get(&one.path).await?;
                if restarts(&pod, one.container) > one.restarts && condition(&pod, "Ready") {
                    Ok(())
                } else {
                    Err(pod["status"].to_string().into())
                }
            })
            .await?;
        }
        Ok(())
    }

    /// Deletes the certificate authority, and waits until the webhook's configuration has another.
    ///
    /// # Errors
    ///
    /// When no other comes.
    pub async fn replace_authority(&self) -> Tried<()> {
        let before = self.bundle().await?;
        let namespace = format!("--namespace={}", NAMESPACE);
        let words = ["delete", "secret", "tagalong-ca", &namespace];
        self.cluster.kubectl(&words, "").await?;
        let what = "another authority in the webhook's configuration";
        self.until(what, || async {
            let now = self.bundle().await?;
            if now.is_string() && now != before {
                Ok(())
            } else {
                Err("still the one of before".into())
            }
        })
        .await
    }

    async fn bundle(&self) -> Tried<Value> {
        let configuration = self.get(CONFIGURATION).await?;
        Ok(configuration["webhooks"][0]["clientConfig"]["caBundle"].clone())
    }

    /// Lets nothing through from the operator's pods to the API server, for so long.
    ///
    /// # Errors
    ///
    /// When a pod's rules cannot be changed, or a lease is renewed all the same.
    pub async fn cut_off(&self, time: Duration) -> Tried<()> {
        let path = "/api/v1/namespaces/default/services/kubernetes";
        let api = self.get(path).await?;
        let api = api["spec"]["clusterIP"].as_str().ok_or("no API server")?;
        let mut networks = Vec::new();
        for pod in self.ours("operator").await {
            let process = processes(&pod, "operator")?;
            let process = process.first().ok_or("no process of the operator")?;
            // Held open: the pod's network outlives its processes, and so must the way to it.
            let path = format!("/proc/{}/ns/net", process.as_raw_nonzero());
            networks.push(File::open(path)?);
        }
        for network in &networks {
            filter(network, "-A", api)?;
        }
        // What was under way may still have arrived.
        tokio::time::sleep(time / 4).await;
        let before = self.lease().await?;
        tokio::time::sleep(time - time / 4).await;
        let after = self.lease().await?;
        for network in &networks {
            filter(network, "-D", api)?;
        }
        if networks.is_empty() || before != after {
            return Err(format!("nobody was cut off: {before}, then {after}").into());
        }
        Ok(())
    }

    /// The holder of the lease, and when it was renewed: what the Lease says.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn lease(&self) -> Tried<Value> {
        let path =
            format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/tagalong-operator");
        Ok(self.get(&path).await?["spec"].take())
    }

    /// The operator's pod that holds the lease.
    ///
    /// # Errors
    ///
    /// When none holds it.
    pub async fn leader(&self) -> Tried<Value> {
        let lease = self.lease().await?;
        // The pod's name, and which of its processes.
        let holder = lease["holderIdentity"].as_str().unwrap_or_default();
        let name = holder.split('_').next().unwrap_or_default();
        let mut pods = self.ours("operator").await.into_iter();
        let leader = pods.find(|pod| pod["metadata"]["name"] == name);
        Ok(leader.ok_or_else(|| format!("the holder {holder} is no ready pod"))?)
    }
}

/// Adds or deletes, in a network, the rule that drops what goes to an address.
fn filter(network: &File, change: &str, address: &str) -> Tried<()> {
    let path = format!("/proc/{}/fd/{}", std::process::id(), network.as_raw_fd());
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net={path}"))
        .args(["iptables", change, "OUTPUT", "-d", address, "-j", "DROP"]);
    let output = command.output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into())
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
