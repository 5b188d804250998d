//! Faults injected while requests flow: none is lost because of us, no label is ever wrong, and the autoscaler
//! recovers by itself. `make e2e-faults` runs it.

use std::time::Duration;

use serde_json::Value;
use tagalong_e2e::example::{address, sidecar_image};
use tagalong_e2e::faults::restarts;
use tagalong_e2e::ledger::Ledger;
use tagalong_e2e::road::Road;
use tagalong_e2e::stage::Stage;
use tagalong_e2e::trickle::{Forgiven, Trickle};
use tagalong_e2e::{Tried, helm, images};

/// For how long the operators do not reach the API server: longer than a lease lasts.
const CUT_OFF: Duration = Duration::from_secs(40);

/// What the values say is kept, if the release has it.
const DEFINITION: &str =
    "CustomResourceDefinition /dataplanemetricsextensions.gateway-operator.konghq.com";

fn uids(pods: &[Value]) -> Vec<String> {
    let uid = |pod: &Value| pod["metadata"]["uid"].to_string();
    pods.iter().map(uid).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes: make e2e-faults"]
async fn nothing_is_lost_for_our_sake() -> Tried<()> {
    let Some(road) = Road::begin().await? else {
        return Ok(());
    };
    let mut ledger = Ledger::open(&road);
    let result = all_faults(&road, &mut ledger).await;
    ledger.close().await;
    result?;
    ledger.verdict()
}

async fn all_faults(road: &Road, ledger: &mut Ledger<'_>) -> Tried<()> {
    ours(road, ledger).await?;
    kongs(road, ledger).await?;
    while_scaled(road, ledger).await?;
    upgrade(road, ledger).await?;
    ledger.part("uninstall", Forgiven::Again);
    road.uninstall(&[DEFINITION]).await
}

/// What stands beside Kong breaks: Kong's pods are not touched.
async fn ours(road: &Road, ledger: &mut Ledger<'_>) -> Tried<()> {
    let stage = &road.stage;
    let nothing = Forgiven::Nothing;
    let kongs = stage.kongs(true).await?;
    let webhooks = stage.ours("webhook").await;
    ledger
        .fault("all webhooks killed", nothing, None, async {
            stage.kill(&webhooks, "webhook")
        })
        .await?;
    // Whoever connects anew from here on needs the new one.
    ledger
        .fault("authority replaced", nothing, None, async {
            stage.replace_authority().await?;
            Ok(Vec::new())
        })
        .await?;
    let (lease, leader) = (stage.lease().await?, stage.leader().await?);
    ledger
        .fault("leader killed", nothing, Some(lease), async {
            stage.kill(&[leader], "operator")
        })
        .await?;
    let (lease, operators) = (stage.lease().await?, stage.ours("operator").await);
    ledger
        .fault("all operators killed", nothing, Some(lease), async {
            stage.kill(&operators, "operator")
        })
        .await?;
    let (lease, cut_off) = (
        stage.lease().await?,
        "operators cut off from the API server",
    );
    ledger
        .fault(cut_off, nothing, Some(lease), async {
            stage.cut_off(CUT_OFF).await?;
            Ok(Vec::new())
        })
        .await?;
    let now = stage.kongs(true).await?;
    assert_eq!(uids(&now), uids(&kongs), "Kong's pods were replaced");
    for container in ["proxy", "tagalong"] {
        assert_eq!(restarts(&now[0], container), 0, "{container} was restarted");
    }
    Ok(())
}

/// What runs in Kong's one pod breaks.
async fn kongs(road: &Road, ledger: &mut Ledger<'_>) -> Tried<()> {
    let stage = &road.stage;
    let kongs = stage.kongs(true).await?;
    // The pod is not ready while its sidecar is away, and its Service leads nowhere then; but Kong serves on.
    let pod = address(&kongs[0]["status"]["podIP"], 8000)?;
    let direct = Trickle::start(stage.cluster, pod, "at the pod", Forgiven::Nothing);
    ledger
        .fault("sidecar killed", Forgiven::Unreached, None, async {
            stage.kill(&kongs, "tagalong")
        })
        .await?;
    direct.end().await;
    direct.verdict()?;
    let kongs = stage.kongs(true).await?;
    ledger
        .fault("Kong killed", Forgiven::Everything, None, async {
            stage.kill(&kongs, "proxy")
        })
        .await?;
    let now = stage.kongs(true).await?;
    assert_eq!(uids(&now), uids(&kongs), "Kong's pods were replaced");
    assert_eq!(restarts(&now[0], "tagalong"), 1, "only the kill before");
    Ok(())
}

/// The leader is killed as latency rises; the autoscaler goes all the way up and down.
async fn while_scaled(road: &Road, ledger: &mut Ledger<'_>) -> Tried<()> {
    let stage = &road.stage;
    let (lease, leader) = (stage.lease().await?, stage.leader().await?);
    let load = road.load().await?;
    let (name, nothing) = ("leader killed, under load", Forgiven::Nothing);
    ledger
        .fault(name, nothing, Some(lease), async {
            stage.kill(&[leader], "operator")
        })
        .await?;
    ledger.part("to ten pods and back", nothing);
    road.to_ten_and_back(load).await
}

/// To new images. Kong's pods get theirs when their owner next writes the DataPlane, which it may do at any time.
async fn upgrade(road: &Road, ledger: &mut Ledger<'_>) -> Tried<()> {
    let stage = &road.stage;
    let tag = |program| format!("{program}.image.tag={}", images::NEXT);
    let (operator, webhook, sidecar) = (tag("operator"), tag("webhook"), tag("sidecar"));
    let lease = stage.lease().await?;
    ledger
        .fault("helm upgrade", Forgiven::Again, Some(lease), async {
            let values = [&operator, &webhook, &sidecar, "crds.enabled=true"];
            let upgraded = helm::upgrade(stage.cluster, &values).await;
            stage.explained(upgraded).await?;
            Ok(Vec::new())
        })
        .await?;
    for component in ["operator", "webhook"] {
        for pod in stage.ours(component).await {
            let image = pod["spec"]["containers"][0]["image"].as_str();
            assert!(image.is_some_and(|image| image.ends_with(images::NEXT)));
        }
    }
    ledger
        .fault(
            "DataPlane written, new sidecar",
            Forgiven::Again,
            None,
            async {
                let words = ["annotate", "dataplanes", "--all", "example.com/written=1"];
                stage.cluster.kubectl(&words, "").await?;
                has_new_sidecar(stage).await?;
                Ok(Vec::new())
            },
        )
        .await
}

async fn has_new_sidecar(stage: &Stage) -> Tried<()> {
    stage
        .until("the new sidecar in Kong's pods", || async {
            let pods = stage.kong_pods().await;
            let new =
                |pod: &Value| sidecar_image(pod).is_some_and(|image| image.ends_with(images::NEXT));
            if !pods.is_empty() && pods.iter().all(new) {
                Ok(())
            } else {
                Err(format!("{} pods", pods.len()).into())
            }
        })
        .await?;
    stage.kongs(true).await?;
    Ok(())
}
