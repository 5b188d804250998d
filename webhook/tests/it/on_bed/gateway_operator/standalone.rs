//! DataPlanes that a person wrote: one with an HPA and a PodDisruptionBudget, one with blue/green rollouts.

use serde_json::{Value, json};
use tagalong_cluster::Seen;

use super::bed::KONG;
use super::ground::{AUTOSCALERS, BUDGETS, DATAPLANES, DEPLOYMENTS, Ground, revision};
use crate::support::node::{Tried, condition, has_sidecar, uids};
use crate::support::webhook::DATAPLANES as ASKED;

const STATE: &str = "gateway-operator.konghq.com/dataplane-deployment-state";
const PROMOTE: &str = "gateway-operator.konghq.com/promote-when-ready";

/// A DataPlane without a control plane, so Kong has no routes to wait for before it is ready.
fn dataplane(name: &str, deployment: &Value, resources: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "gateway-operator.konghq.com/v1beta1",
        "kind": "DataPlane",
        "metadata": {"name": name},
        "spec": {
            "deployment": deployment,
            "resources": resources,
            "network": {"services": {"ingress": {"type": "ClusterIP"}}},
        },
    });
    object["spec"]["deployment"]["podTemplateSpec"] = json!({"spec": {
        "terminationGracePeriodSeconds": 5,
        "containers": [{
            "name": "proxy",
            "image": KONG,
            "readinessProbe": {"httpGet": {"path": "/status", "port": 8100}, "periodSeconds": 1},
        }],
    }});
    object
}

fn marked() -> Value {
    json!({"metadata": {"labels": {"tagalong.dev/inject": "enabled"}}})
}

impl Ground {
    /// The DataPlane is ready, with a Deployment of this state and so many pods.
    async fn until_state(
        &self,
        name: &str,
        state: &str,
        pods: usize,
        with_sidecar: bool,
    ) -> Tried<(Value, Vec<Value>)> {
        let what = format!("{name}'s {state} pods, sidecar: {with_sidecar}");
        self.until(&what, || async {
            let dataplane = self.get(DATAPLANES, name).await;
            if !condition(&dataplane, "Ready") {
                return Err(dataplane["status"].to_string().into());
            }
            let mut deployments = self.of(name, DEPLOYMENTS).await;
            deployments.retain(|one| one["metadata"]["labels"][STATE] == state);
            let deployment = deployments.pop().ok_or("no Deployment")?;
            let pods = self.pods(&deployment, pods, with_sidecar).await?;
            Ok((deployment, pods))
        })
        .await
    }

    async fn until_rollout(&self, name: &str, wanted: &str) -> Tried<()> {
        self.until(&format!("{name}'s rollout to be {wanted}"), || async {
            let dataplane = self.get(DATAPLANES, name).await;
            let rollout = &dataplane["status"]["rollout"];
            let reason = &rollout["conditions"][0]["reason"];
            if reason == wanted {
                Ok(())
            } else {
                Err(rollout.to_string().into())
            }
        })
        .await
    }

    /// What the operator made of scaling and budget.
    async fn limits(&self, name: &str) -> Result<(Value, Value), Seen> {
        let autoscaler = self.one_of(name, AUTOSCALERS).await?;
        let budget = self.one_of(name, BUDGETS).await?;
        Ok((
            autoscaler["spec"]["maxReplicas"].clone(),
            budget["spec"]["minAvailable"].clone(),
        ))
    }
}

/// The template of a Deployment's pods, without the name that the operator made up for the Secret of Kong's certificate.
fn without_certificate(deployment: &Value) -> Value {
    let mut template = deployment["spec"]["template"].clone();
    for volume in template["spec"]["volumes"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        if volume["name"] == "cluster-certificate" {
            volume["secret"]["secretName"].take();
        }
    }
    template
}

#[tokio::test(flavor = "multi_thread")]
async fn budget_autoscaler_and_promotion_work_and_nothing_is_held_up_on_its_way_out() -> Tried<()> {
    let Some(ground) = Ground::new("standalone").await? else {
        return Ok(());
    };
    let mut webhook = ground.webhook().await;
    webhook
        .set_failure_policy(&ground.client, ASKED, "Fail")
        .await;
    let budget = |least: u32| json!({"podDisruptionBudget": {"spec": {"minAvailable": least}}});
    let scaling =
        |most: u32| json!({"scaling": {"horizontal": {"minReplicas": 2, "maxReplicas": most}}});
    let blue_green = json!({"rollout": {"strategy": {"blueGreen": {"promotion": {"strategy": "BreakBeforePromotion"}}}}});
    for object in [
        dataplane("scaled", &scaling(3), &budget(1)),
        dataplane("promoted", &blue_green, &json!({})),
    ] {
        ground.create(DATAPLANES, object).await?;
    }

    // Injected, then scaling and budget are changed: the operator follows, and replaces no pod for that.
    let (before, _) = ground.until_state("scaled", "live", 2, false).await?;
    ground.patch(DATAPLANES, "scaled", marked()).await?;
    let (after, pods) = ground.until_state("scaled", "live", 2, true).await?;
    assert_eq!(revision(&after), revision(&before) + 1, "one rollout");
    let change = json!({"spec": {"deployment": scaling(4), "resources": budget(2)}});
    ground.patch(DATAPLANES, "scaled", change).await?;
    ground
        .until("HPA and PodDisruptionBudget to follow", || async {
            let limits = ground.limits("scaled").await?;
            if limits == (json!(4), json!(2)) {
                Ok(())
            } else {
                Err(format!("{limits:?}").into())
            }
        })
        .await?;
    let (_, same) = ground.until_state("scaled", "live", 2, true).await?;
    assert_eq!(uids(&same), uids(&pods));

    // With blue/green the sidecar comes by the preview, beside Kong as it is,
    let (blue, blues) = ground.until_state("promoted", "live", 1, false).await?;
    ground.patch(DATAPLANES, "promoted", marked()).await?;
    ground
        .until_rollout("promoted", "AwaitingPromotion")
        .await?;
    let (green, _) = ground.until_state("promoted", "preview", 1, true).await?;
    let (same, pods) = ground.until_state("promoted", "live", 1, false).await?;
    assert_eq!(uids(&[same]), uids(std::slice::from_ref(&blue)));
    assert_eq!(uids(&pods), uids(&blues));
    // and by promotion into service: the same Deployment as it was, but for the certificate's Secret, of which the operator
    // makes one for each Service. Where the promoted one gets another, its pod is replaced.
    let promote = json!({"metadata": {"annotations": {PROMOTE: "true"}}});
    ground.patch(DATAPLANES, "promoted", promote).await?;
    let (live, _) = ground.until_state("promoted", "live", 1, true).await?;
    assert_eq!(
        uids(std::slice::from_ref(&live)),
        uids(std::slice::from_ref(&green))
    );
    assert_eq!(without_certificate(&live), without_certificate(&green));
    ground
        .until("the old Deployment to be gone", || async {
            let mut left = ground.of("promoted", DEPLOYMENTS).await;
            left.retain(|one| uids(std::slice::from_ref(one)) == uids(std::slice::from_ref(&blue)));
            if left.is_empty() {
                Ok(())
            } else {
                Err(json!(left).to_string().into())
            }
        })
        .await?;

    // Webhook down and policy `Fail`: a change is refused, but what is to go goes, the whole namespace at last.
    webhook.down();
    let change = json!({"spec": {"resources": budget(1)}});
    let refused = ground.patch(DATAPLANES, "scaled", change).await;
    let refused = refused.err().map(|error| error.to_string());
    assert!(
        refused
            .as_ref()
            .is_some_and(|text| text.contains("dataplanes.tagalong.dev")),
        "{refused:?}"
    );
    ground.delete(DATAPLANES, "scaled").await?;
    let promoted = ground.get(DATAPLANES, "promoted").await;
    assert!(has_sidecar(
        &promoted["spec"]["deployment"]["podTemplateSpec"]["spec"]
    ));
    Ok(ground.namespace.delete().await?)
}
