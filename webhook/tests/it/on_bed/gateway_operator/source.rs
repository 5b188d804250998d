//! A Gateway whose GatewayConfiguration has the sidecar: Kong's operator copies it down, and nothing is asked of the webhook any more.

use serde_json::{Value, json};

use super::bed::{RESTARTS, operator_log, restart_operator};
use super::gateway::GATEWAY;
use super::ground::{
    CONFIGURATIONS, DATAPLANES, DEPLOYMENTS, GATEWAYS, Ground, quiet, revision, version,
};
use super::traffic::Traffic;
use crate::support::node::{Tried, condition, has_sidecar, uids};

const LABEL: &str = "tagalong.dev/inject";
const MARKER: &str = "/metadata/annotations/tagalong.dev~1injected";

impl Ground {
    /// What the reconciler writes to a DataPlane whose sidecar comes from above, as `operator/src/reconcile/diff/marks.rs` has it.
    async fn hand_over(&self, dataplane: &str) -> Tried<Value> {
        let patch = json!({"metadata": {
            "labels": {LABEL: null},
            "annotations": {"tagalong.dev/sidecar-source": "GatewayConfiguration"},
        }});
        self.patch(DATAPLANES, dataplane, patch).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_with_its_sidecar_from_above_needs_nobody_awake() -> Tried<()> {
    let _turn = RESTARTS.lock().await;
    let Some(ground) = Ground::new("above").await? else {
        return Ok(());
    };
    let _addresses = ground.cluster.load_balancers()?;
    ground.apply_example().await?;
    ground.until_ready(false).await?;
    let text = tagalong_cluster::Seen::into_text;

    // As before there were sidecars above: the DataPlane's own label brings it.
    let mut webhook = ground.webhook().await;
    let dataplane = ground.dataplane().await.map_err(text)?;
    let name = dataplane["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let label = json!({"metadata": {"labels": {LABEL: "enabled"}}});
    ground.patch(DATAPLANES, &name, label).await?;
    let pods = ground.until_ready(true).await?;
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
    let first = ground.one_of(GATEWAY, DEPLOYMENTS).await.map_err(text)?;

    // The configuration takes over what the DataPlane has; then the DataPlane loses its label, and not its sidecar.
    let dataplane = ground.get(DATAPLANES, &name).await;
    let template = &dataplane["spec"]["deployment"]["podTemplateSpec"];
    let marker = template.pointer(MARKER).cloned().unwrap_or_default();
    let mark = json!({"metadata": {
        "labels": {LABEL: "enabled"},
        "annotations": {"tagalong.dev/taken-over": marker},
    }});
    let configuration = ground.patch(CONFIGURATIONS, GATEWAY, mark).await?;
    let above = &configuration["spec"]["dataPlaneOptions"]["deployment"]["podTemplateSpec"];
    assert!(has_sidecar(&above["spec"]), "{above}");
    assert_eq!(above.pointer(MARKER), template.pointer(MARKER));
    tokio::time::sleep(quiet()).await;
    let handed = ground.hand_over(&name).await?;
    assert!(has_sidecar(
        &handed["spec"]["deployment"]["podTemplateSpec"]["spec"]
    ));
    tokio::time::sleep(quiet()).await;
    let settled = ground.get(DATAPLANES, &name).await;
    let moved = ground.one_of(GATEWAY, DEPLOYMENTS).await.map_err(text)?;
    assert_eq!(
        settled["metadata"]["generation"],
        handed["metadata"]["generation"]
    );
    assert_eq!(revision(&moved), revision(&first), "no rollout");
    assert_eq!(uids(&ground.until_ready(true).await?), uids(&pods));

    // The webhook is away, and Kong's operator starts anew: it finds nothing to change, and the Gateway is programmed.
    webhook.down();
    restart_operator(ground.cluster).await?;
    tokio::time::sleep(quiet()).await;
    ground
        .until("the Gateway to be programmed without a webhook", || async {
            let gateway = ground.get(GATEWAYS, GATEWAY).await;
            if condition(&gateway, "Programmed") {
                Ok(())
            } else {
                Err(gateway["status"].to_string().into())
            }
        })
        .await?;
    ground.create_route("/late").await?;
    ground
        .until("a route that came without a webhook", || async {
            Ok(ground.cluster.get(door, "/late/hostname").await?)
        })
        .await?;
    let (dataplane, deployment) = (
        ground.get(DATAPLANES, &name).await,
        ground.one_of(GATEWAY, DEPLOYMENTS).await.map_err(text)?,
    );
    tokio::time::sleep(quiet()).await;
    assert_eq!(
        version(&ground.get(DATAPLANES, &name).await),
        version(&dataplane)
    );
    let later = ground.one_of(GATEWAY, DEPLOYMENTS).await.map_err(text)?;
    assert_eq!(version(&later), version(&deployment));
    let after = ground.until_ready(true).await?;
    assert_eq!(uids(&after), uids(&pods), "{}", operator_log());

    // Whoever applies the configuration meanwhile is refused: half of the sidecar could go.
    let strip = json!({"spec": {"dataPlaneOptions": {"deployment": {"podTemplateSpec": {"spec": {"initContainers": null}}}}}});
    assert!(
        ground
            .patch(CONFIGURATIONS, GATEWAY, strip.clone())
            .await
            .is_err()
    );
    webhook.up().await;
    let stripped = ground.patch(CONFIGURATIONS, GATEWAY, strip).await?;
    assert_eq!(
        version(&stripped),
        version(&configuration),
        "put back in the same request"
    );
    let count = traffic.count();
    eprintln!(
        "{} requests answered, {} not",
        count.answered,
        count.failures.len()
    );
    assert!(count.answered > 0 && count.failures.is_empty(), "{count:?}");
    Ok(())
}
