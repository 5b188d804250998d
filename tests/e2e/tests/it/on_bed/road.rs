//! The whole road: `helm install`, the published example, the published guide, pods scaled on latency and back, `helm uninstall`.

use serde_json::Value;
use tagalong_e2e::Tried;
use tagalong_e2e::figures::say;
use tagalong_e2e::road::Road;
use tagalong_e2e::trickle::{Forgiven, Trickle};

fn pods(pods: &[Value]) -> Vec<String> {
    let uid = |pod: &Value| pod["metadata"]["uid"].to_string();
    pods.iter().map(uid).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_helm_install_to_pods_scaled_on_latency_and_back() -> Tried<()> {
    let Some(road) = Road::begin().await? else {
        return Ok(());
    };
    let (cluster, gateway) = (road.stage.cluster, road.gateway);
    let trickle = Trickle::start(cluster, gateway, "up and down", Forgiven::Nothing);
    let kongs = road.stage.kong_pods().await;
    road.up_and_down().await?;
    let series = road.monitoring.no_label_was_wrong(&road.stage).await?;
    assert!(series > 0, "no enriched series");
    let still = road.stage.kong_pods().await;
    assert_eq!(pods(&still), pods(&kongs), "Kong's pods were replaced");
    trickle.part("uninstall", Forgiven::Again);
    road.uninstall(&[]).await?;
    trickle.end().await;
    for stats in trickle.parts() {
        say(&format!("{stats:?}"));
    }
    trickle.verdict()
}
