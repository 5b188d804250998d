//! Those who look after Kong are away or start anew, in any combination, while requests flow.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::helm::NAMESPACE;
use crate::stage::{Stage, condition};
use crate::trickle::{Forgiven, Trickle};
use crate::{Tried, helm};

/// What the API server knows of Kong's pods.
const DATAPLANES: &str = "/apis/gateway-operator.konghq.com/v1beta1/namespaces/default/dataplanes";

/// What happens in one combination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Absence {
    /// No webhook is there all the while.
    pub webhook: bool,
    /// Kong's operator starts anew.
    pub operator: bool,
    /// The pod of Kong's controller is deleted.
    pub controller: bool,
    /// The API server is killed and starts anew.
    pub api_server: bool,
}

impl Absence {
    /// Every combination in which something happens.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let bit = |number: u8, place: u8| number >> place & 1 == 1;
        let all = (1..16).map(|number| Self {
            webhook: bit(number, 0),
            operator: bit(number, 1),
            controller: bit(number, 2),
            api_server: bit(number, 3),
        });
        all.collect()
    }

    /// Of the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        let parts = [
            (self.webhook, "webhook away"),
            (self.operator, "Kong's operator"),
            (self.controller, "controller's pod"),
            (self.api_server, "API server"),
        ];
        let parts: Vec<_> = parts
            .iter()
            .filter(|(happens, _)| *happens)
            .map(|(_, name)| *name)
            .collect();
        parts.join(", ").leak()
    }
}

/// What must be as it was: Kong's pods, and what their operator made them of.
#[derive(Debug, PartialEq, Eq)]
struct Pods {
    uids: Vec<String>,
    generations: Vec<Value>,
}

impl Stage {
    /// The release, the example, and a sidecar in it that comes from the GatewayConfiguration. `None` where there can be no node.
    ///
    /// # Errors
    ///
    /// When a step fails, or the DataPlane is labelled itself.
    pub async fn with_sidecar_from_above() -> Tried<Option<Self>> {
        let Some(stage) = Self::set_apart().await? else {
            return Ok(None);
        };
        stage.explained(helm::install(stage.cluster).await).await?;
        stage.apply_example().await?;
        stage.kongs(true).await?;
        for dataplane in stage.list(DATAPLANES).await {
            let label = &dataplane["metadata"]["labels"]["tagalong.dev/inject"];
            if !label.is_null() {
                return Err(format!("the DataPlane is labelled itself: {dataplane}").into());
            }
        }
        Ok(Some(stage))
    }

    /// Lets it all happen, one after the other, each for `time` at least, while `trickle` flows.
    ///
    /// # Errors
    ///
    /// When something does not come back, or a pod of Kong's was replaced.
    pub async fn endure(&self, absences: &[Absence], time: Duration) -> Tried<()> {
        let gateway = self.gateway().await?;
        let path = crate::traffic::STEADY;
        let probe = || async { Ok(self.cluster.get(gateway, path).await?) };
        self.until("an answer", probe).await?;
        let pods = self.pods().await?;
        let first = absences.first().copied().unwrap_or_default();
        let trickle = Trickle::start(self.cluster, gateway, first.name(), Forgiven::Nothing);
        let mut result = Ok(());
        for (at, absence) in absences.iter().enumerate() {
            if at > 0 {
                trickle.part(absence.name(), Forgiven::Nothing);
            }
            let begun = Instant::now();
            result = self.happens(*absence, time, &pods).await;
            crate::figures::say(&format!(
                "{:5.1} s  {}",
                begun.elapsed().as_secs_f64(),
                absence.name()
            ));
            if result.is_err() {
                break;
            }
        }
        trickle.end().await;
        for stats in trickle.parts() {
            crate::figures::say(&format!("{stats:?}"));
        }
        self.explained(result).await?;
        trickle.verdict()
    }

    async fn happens(&self, absence: Absence, time: Duration, pods: &Pods) -> Tried<()> {
        let begun = Instant::now();
        if absence.webhook {
            self.scale_webhook(0).await?;
            self.delete_our_operators().await?;
        }
        if absence.api_server {
            self.cluster.restart_api_server().await?;
        }
        if absence.operator {
            self.restart_kongs_operator().await?;
        }
        if absence.controller {
            self.delete_controller().await?;
        }
        tokio::time::sleep(time.saturating_sub(begun.elapsed())).await;
        // The Gateway is programmed, by a controller that is ready, without anybody's help.
        self.kongs(true).await?;
        self.is_as_before(pods).await?;
        if absence.webhook {
            self.scale_webhook(2).await?;
            self.kongs(true).await?;
            self.is_as_before(pods).await?;
        }
        Ok(())
    }

    async fn is_as_before(&self, before: &Pods) -> Tried<()> {
        let now = self.pods().await?;
        if now == *before {
            Ok(())
        } else {
            Err(format!("{before:?}, then {now:?}").into())
        }
    }

    async fn pods(&self) -> Tried<Pods> {
        let pods = self.kongs(true).await?;
        let mut uids: Vec<_> = pods
            .iter()
            .map(|pod| pod["metadata"]["uid"].to_string())
            .collect();
        uids.sort();
        let dataplanes = self.list(DATAPLANES).await;
        let generation = |one: &Value| one["metadata"]["generation"].clone();
        Ok(Pods {
            uids,
            generations: dataplanes.iter().map(generation).collect(),
        })
    }

    async fn scale_webhook(&self, replicas: usize) -> Tried<()> {
        let (namespace, replicas_flag) = (
            format!("--namespace={NAMESPACE}"),
            format!("--replicas={replicas}"),
        );
        let words = [
            "scale",
            "deployment/tagalong-webhook",
            &namespace,
            &replicas_flag,
        ];
        self.cluster.kubectl(&words, "").await?;
        self.until("as many webhooks", || async {
            match self.ours("webhook").await.len() {
                seen if seen == replicas => Ok(()),
                seen => Err(seen.to_string().into()),
            }
        })
        .await
    }

    /// Those that start while there is no webhook know nothing of any. (Killed ones would be kept waiting by the kubelet, the longer
    /// the more often.)
    async fn delete_our_operators(&self) -> Tried<()> {
        let some = || async {
            match self.ours("operator").await {
                none if none.is_empty() => Err("none is ready".into()),
                some => Ok(some),
            }
        };
        let operators = self.until("tagalong's operators", some).await?;
        self.delete_pods(NAMESPACE, &names(&operators)).await
    }

    async fn delete_pods(&self, namespace: &str, names: &[&str]) -> Tried<()> {
        let namespace = format!("--namespace={namespace}");
        let mut words = vec!["delete", "pod", &namespace, "--wait=false"];
        words.extend(names);
        self.cluster.kubectl(&words, "").await?;
        Ok(())
    }

    async fn delete_controller(&self) -> Tried<()> {
        let before = self.controllers().await;
        let names = names(&before);
        if names.is_empty() {
            return Err("no pod of Kong's controller".into());
        }
        self.delete_pods("default", &names).await?;
        self.until("another pod of Kong's controller", || async {
            let now = self.controllers().await;
            let new = |pod: &Value| {
                condition(pod, "Ready")
                    && !names.iter().any(|name| pod["metadata"]["name"] == *name)
            };
            if now.iter().any(new) {
                Ok(())
            } else {
                Err(json!(now).to_string().into())
            }
        })
        .await
    }

    async fn controllers(&self) -> Vec<Value> {
        let mut pods = self.list("/api/v1/namespaces/default/pods").await;
        pods.retain(|pod| {
            let containers = pod["spec"]["containers"].as_array();
            let mut containers = containers.into_iter().flatten();
            containers.any(|container| container["name"] == "controller")
        });
        pods
    }
}

fn names(pods: &[Value]) -> Vec<&str> {
    let names = pods.iter().map(|pod| pod["metadata"]["name"].as_str());
    names.flatten().collect()
}
