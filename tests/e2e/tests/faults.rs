//! What breaks on the road, requests flowing all the time: none is lost for our sake, no label is ever wrong, and the
//! autoscaler recovers by itself. `make e2e-faults` runs it.

use std::time::Duration;

use serde_json::{Value, json};
use tagalong_e2e::faults::restarts;
use tagalong_e2e::road::Road;
use tagalong_e2e::stage::Stage;
use tagalong_e2e::traffic::{ECHO, Trickle, get};
use tagalong_e2e::{Tried, helm, images};

/// For how long the operators do not reach the API server: longer than a lease lasts.
const CUT_OFF: Duration = Duration::from_secs(40);

const CONFIGURATION: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/tagalong";

fn uids(pods: &[Value]) -> Vec<String> {
    let uid = |pod: &Value| pod["metadata"]["uid"].to_string();
    pods.iter().map(uid).collect()
}

/// A request that only an answering webhook lets through; nothing is kept of it.
async fn webhook_answers(stage: &Stage) -> Tried<()> {
    let words = [
        "annotate",
        "dataplanes",
        "--all",
        "tagalong.dev/probe=1",
        "--dry-run=server",
    ];
    let probe = || async { Ok(stage.cluster.kubectl(&words, "").await?) };
    stage.until("the webhook to answer", probe).await?;
    Ok(())
}

/// All is well: a leader, a webhook, requests that become enriched samples.
async fn is_well(road: &Road) -> Tried<()> {
    let stage = &road.stage;
    stage
        .until("a leader", || async { Ok(stage.leader().await?) })
        .await?;
    webhook_answers(stage).await?;
    get(stage.cluster, road.gateway, ECHO).await?;
    stage.enriched_at_operator().await?;
    road.monitoring.no_label_was_wrong(stage).await?;
    Ok(())
}

async fn rotate(stage: &Stage) -> Tried<()> {
    let bundle = || async {
        let configuration = stage.get(CONFIGURATION).await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(
            configuration["webhooks"][0]["clientConfig"]["caBundle"].clone(),
        )
    };
    let before = bundle().await?;
    let secret = [
        "delete",
        "secret",
        "tagalong-ca",
        "--namespace",
        helm::NAMESPACE,
    ];
    stage.cluster.kubectl(&secret, "").await?;
    stage
        .until(
            "another authority in the webhook's configuration",
            || async {
                let now = bundle().await?;
                if now == before || now == json!(null) {
                    Err("still the one of before".into())
                } else {
                    Ok(())
                }
            },
        )
        .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes: make e2e-faults"]
async fn nothing_is_lost_for_our_sake() -> Tried<()> {
    let Some(road) = Road::begin().await? else {
        return Ok(());
    };
    let stage = &road.stage;
    let kongs = stage.kongs(true).await?;
    let trickle = Trickle::start(stage.cluster, road.gateway, "leader killed");
    stage.kill(&[stage.leader().await?], "operator").await?;
    is_well(&road).await?;

    trickle.part("all operators killed");
    stage
        .kill(&stage.ours("operator").await, "operator")
        .await?;
    is_well(&road).await?;

    trickle.part("all webhooks killed");
    stage.kill(&stage.ours("webhook").await, "webhook").await?;
    is_well(&road).await?;

    trickle.part("authority replaced");
    rotate(stage).await?;
    is_well(&road).await?;

    trickle.part("operators cut off from the API server");
    stage.cut_off(true).await?;
    tokio::time::sleep(CUT_OFF).await;
    stage.cut_off(false).await?;
    is_well(&road).await?;

    assert_eq!(
        uids(&stage.kong_pods().await),
        uids(&kongs),
        "Kong's pods were replaced"
    );

    // The one pod is not ready while its sidecar is away, and its Service leads nowhere then: what is asked is the pod.
    trickle.part("sidecar killed, through the Service");
    let pod = tagalong_e2e::example::address(&kongs[0]["status"]["podIP"], 8000)?;
    let direct = Trickle::start(stage.cluster, pod, "sidecar killed, at the pod");
    stage.kill(&kongs, "tagalong").await?;
    direct.end(&[])?;
    is_well(&road).await?;

    trickle.part("Kong killed");
    stage.kill(&kongs, "proxy").await?;
    let echo = || async { Ok(get(stage.cluster, road.gateway, ECHO).await?) };
    stage.until("Kong to be configured again", echo).await?;
    is_well(&road).await?;
    let now = stage.kongs(true).await?;
    assert_eq!(restarts(&now[0], "tagalong"), 1, "only the kill before");

    trickle.part("autoscaler");
    road.up_and_down().await?;

    trickle.part("upgrade");
    let tag = |program| format!("{program}.image.tag={}", images::NEXT);
    let (operator, webhook, sidecar) = (tag("operator"), tag("webhook"), tag("sidecar"));
    let upgraded = helm::upgrade(stage.cluster, &[&operator, &webhook, &sidecar]).await;
    stage.explained(upgraded).await?;
    stage.kongs(true).await?;
    is_well(&road).await?;

    trickle.part("uninstall");
    road.uninstall().await?;
    trickle.end(&["sidecar killed, through the Service", "Kong killed"])
}
