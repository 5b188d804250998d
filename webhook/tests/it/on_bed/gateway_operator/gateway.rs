//! A Gateway's DataPlane: the operator writes it again and again, without the sidecar each time.

use std::time::Duration;

use serde_json::{Value, json};
use tagalong_cluster::Seen;

use super::bed::{RESTARTS, operator_log, restart_operator};
use super::ground::{
    AUTOSCALERS, CONFIGURATIONS, DATAPLANES, DEPLOYMENTS, GATEWAYS, Ground, ROUTES, quiet,
    revision, version,
};
use super::traffic::Traffic;
use crate::support::node::{Tried, condition, get, has_sidecar, uids};
use crate::support::webhook::DATAPLANES as ASKED;

/// The Gateway of the published example; its DataPlane's name begins so.
pub const GATEWAY: &str = "kong";
const REPLICAS: usize = 2;

impl Ground {
    /// The published example, its DataPlane scaled by an HPA.
    pub async fn apply_example(&self) -> Tried<()> {
        let gateway = include_str!("../../../../../tests/data/published-example/gateway.yaml");
        let replicas = "      replicas: 1\n";
        assert!(gateway.contains(replicas), "the example has changed");
        let scaled = gateway.replace(
            replicas,
            &format!(
                "      scaling: {{horizontal: {{minReplicas: {REPLICAS}, maxReplicas: 3}}}}\n"
            ),
        );
        let echo = include_str!("../../../../../tests/data/published-example/echo.yaml");
        for text in [&scaled, echo] {
            let here = format!("namespace: {}", self.namespace.name());
            let text = text.replace("namespace: default", &here);
            self.cluster.kubectl(&["apply", "-f", "-"], &text).await?;
        }
        // One that sees the Gateway before its class passes it by: it is shown once more.
        self.until("the operator to see the Gateway", || async {
            if self.dataplane().await.is_ok() {
                return Ok(());
            }
            let shown = format!("{:?}", std::time::SystemTime::now());
            let annotation = json!({"metadata": {"annotations": {"example.com/shown": shown}}});
            let patched = self.patch(GATEWAYS, GATEWAY, annotation).await;
            patched.map_err(|error| Seen::from(error.to_string()))?;
            tokio::time::sleep(Duration::from_secs(5)).await;
            Err("no DataPlane".into())
        })
        .await
    }

    /// All are ready: the Gateway, its DataPlane, and the pods, which are returned.
    pub async fn until_ready(&self, with_sidecar: bool) -> Tried<Vec<Value>> {
        let what = format!("Gateway, DataPlane and pods to be ready, sidecar: {with_sidecar}");
        self.until(&what, || async {
            let gateway = self.get(GATEWAYS, GATEWAY).await;
            let dataplane = self.dataplane().await?;
            let told = ["replicas", "readyReplicas"];
            let settled = told.iter().all(|of| dataplane["status"][*of] == REPLICAS);
            if !condition(&gateway, "Programmed") || !condition(&dataplane, "Ready") || !settled {
                return Err(json!([gateway["status"], dataplane["status"]])
                    .to_string()
                    .into());
            }
            let deployment = self.one_of(GATEWAY, DEPLOYMENTS).await?;
            let status = &deployment["status"];
            if status["observedGeneration"] != deployment["metadata"]["generation"]
                || ["replicas", "updatedReplicas", "availableReplicas"]
                    .iter()
                    .any(|count| status[*count] != REPLICAS)
            {
                return Err(status.to_string().into());
            }
            self.pods(&deployment, REPLICAS, with_sidecar).await
        })
        .await
    }

    pub async fn dataplane(&self) -> Result<Value, Seen> {
        let all = self.list(DATAPLANES).await;
        all.into_iter().next().ok_or("no DataPlane".into())
    }

    /// Says how many replicas there may be at most, where a person says it.
    async fn allow(&self, replicas: u32) -> Tried<()> {
        let scaling = json!({"scaling": {"horizontal": {"maxReplicas": replicas}}});
        let patch = json!({"spec": {"dataPlaneOptions": {"deployment": scaling}}});
        self.patch(CONFIGURATIONS, GATEWAY, patch).await.map(drop)
    }

    /// Another way to the published backend.
    pub async fn create_route(&self, prefix: &str) -> Tried<()> {
        let rule = json!({
            "matches": [{"path": {"type": "PathPrefix", "value": prefix}}],
            "backendRefs": [{"name": "echo", "port": 80}],
        });
        let route = json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "late", "annotations": {"konghq.com/strip-path": "true"}},
            "spec": {"parentRefs": [{"name": GATEWAY}], "rules": [rule]},
        });
        self.create(ROUTES, route).await
    }

    async fn allowed(&self) -> Result<Value, Seen> {
        let autoscaler = self.one_of(GATEWAY, AUTOSCALERS).await?;
        Ok(autoscaler["spec"]["maxReplicas"].clone())
    }

    /// What [`Self::allow`] said has come through the DataPlane to the HPA.
    async fn until_allowed(&self, replicas: u32) -> Tried<()> {
        self.until("the HPA to follow", || async {
            let allowed = self.allowed().await?;
            if allowed == replicas {
                Ok(())
            } else {
                Err(allowed.to_string().into())
            }
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateways_dataplane_is_rolled_out_once_and_kong_answers_whatever_the_webhook_does()
-> Tried<()> {
    let _turn = RESTARTS.lock().await;
    let Some(ground) = Ground::new("example").await? else {
        return Ok(());
    };
    let _addresses = ground.cluster.load_balancers()?;
    ground.apply_example().await?;
    ground.until_ready(false).await?;
    let first = ground
        .one_of(GATEWAY, DEPLOYMENTS)
        .await
        .map_err(Seen::into_text)?;

    // The label brings the sidecar, by one rollout.
    let mut webhook = ground.webhook().await;
    webhook
        .set_failure_policy(&ground.client, ASKED, "Fail")
        .await;
    let dataplane = ground.dataplane().await.map_err(Seen::into_text)?;
    let name = dataplane["metadata"]["name"].as_str().unwrap_or_default();
    let label = json!({"metadata": {"labels": {"tagalong.dev/inject": "enabled"}}});
    ground.patch(DATAPLANES, name, label).await?;
    let pods = ground.until_ready(true).await?;
    let metrics = ground
        .until("metrics", || {
            get(ground.cluster, &pods[0], 9542, "/metrics")
        })
        .await?;
    for family in ["kong_nginx_connections_total", "tagalong_sidecar_"] {
        assert!(metrics.contains(family), "no {family} in {metrics}");
    }

    // Then nobody changes anything any more, and Kong answers.
    let door = ground.door(GATEWAY).await?;
    ground
        .until("answers from echo, by way of each pod", || async {
            for _ in 0..20 {
                ground.cluster.get(door, "/echo/hostname").await?;
            }
            Ok(())
        })
        .await?;
    let traffic = Traffic::start(ground.cluster, door, "/echo/hostname");
    let settled = ground
        .one_of(GATEWAY, DEPLOYMENTS)
        .await
        .map_err(Seen::into_text)?;
    let dataplane = ground.get(DATAPLANES, name).await;
    tokio::time::sleep(quiet()).await;
    let later = ground
        .one_of(GATEWAY, DEPLOYMENTS)
        .await
        .map_err(Seen::into_text)?;
    assert_eq!(version(&later), version(&settled), "{later}\n{settled}");
    assert_eq!(revision(&later), revision(&first) + 1, "one rollout");
    let dataplane_later = ground.get(DATAPLANES, name).await;
    assert_eq!(version(&dataplane_later), version(&dataplane));

    // The HPA is still reconciled, which the operator does last, and only when it is content with the Deployment.
    ground.until_allowed(3).await?;
    ground.allow(4).await?;
    ground.until_allowed(4).await?;

    // Without the webhook a change waits, though the operator looks at everything anew, and no pod is touched. The Gateway is not
    // programmed meanwhile, and Kong's controller takes no new route of such a one.
    webhook.down();
    restart_operator(ground.cluster).await?;
    ground.allow(5).await?;
    ground
        .until("the Gateway to be no longer programmed", || async {
            let gateway = ground.get(GATEWAYS, GATEWAY).await;
            if condition(&gateway, "Programmed") {
                Err(gateway["status"].to_string().into())
            } else {
                Ok(())
            }
        })
        .await?;
    ground.create_route("/late").await?;
    tokio::time::sleep(quiet()).await;
    assert_eq!(ground.allowed().await.map_err(Seen::into_text)?, 4);
    assert!(ground.cluster.get(door, "/late/hostname").await.is_err());
    webhook.up().await;
    ground.until_allowed(5).await?;
    ground
        .until("the route that came meanwhile", || async {
            Ok(ground.cluster.get(door, "/late/hostname").await?)
        })
        .await?;
    let after = ground.until_ready(true).await?;
    assert_eq!(uids(&after), uids(&pods), "{}", operator_log());
    let count = traffic.count();
    eprintln!(
        "{} requests answered, {} not",
        count.answered,
        count.failures.len()
    );
    assert!(count.answered > 0 && count.failures.is_empty(), "{count:?}");
    drop(traffic);

    // That is what `Fail` is for. With `Ignore`, the operator takes the sidecar out while the webhook is away,
    webhook
        .set_failure_policy(&ground.client, ASKED, "Ignore")
        .await;
    webhook.down();
    restart_operator(ground.cluster).await?;
    let bare = ground.until_ready(false).await?;
    assert!(uids(&bare).is_disjoint(&uids(&pods)));
    // and it is back only when somebody writes the DataPlane again: Kong's pods are replaced twice.
    webhook.up().await;
    let touch = json!({"metadata": {"annotations": {"touched": "yes"}}});
    ground.patch(DATAPLANES, name, touch).await?;
    let back = ground.until_ready(true).await?;
    assert!(uids(&back).is_disjoint(&uids(&bare)));

    // A Gateway that is to go goes, and all of it, webhook or not.
    webhook
        .set_failure_policy(&ground.client, ASKED, "Fail")
        .await;
    webhook.down();
    let dataplane = ground.dataplane().await.map_err(Seen::into_text)?;
    assert!(has_sidecar(
        &dataplane["spec"]["deployment"]["podTemplateSpec"]["spec"]
    ));
    ground.delete(GATEWAYS, GATEWAY).await?;
    ground
        .until("what the Gateway owns to be gone", || async {
            let left = [
                ground.list(DATAPLANES).await,
                ground.of(GATEWAY, DEPLOYMENTS).await,
            ];
            if left.iter().all(Vec::is_empty) {
                Ok(())
            } else {
                Err(json!(left).to_string().into())
            }
        })
        .await
}
