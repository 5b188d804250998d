//! Definitions that are Kong's own, that are missing, and that come later.

use crate::support;

use kube::api::ListParams;
use serde_json::json;
use support::replica::Replica;
use support::sidecar::{Sidecar, pod, token, trust};
use support::{
    Definition, KONG_ALPHA, Result, api, cluster, equal, extension, gateway, get, plugins, route,
    service,
};
use tagalong_cluster::Cluster;
use tagalong_cluster::crds::CrdSet;

/// Kong's definition of the extension has no room for conditions: the state shows in Events.
#[tokio::test]
async fn kongs_own_definition_will_do() -> Result {
    let cluster = &cluster(Definition::Kongs).await?;
    let namespace = gateway(cluster, "kongs", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "a", None).await?;
    extension(&client, name, "x", &["a", "missing"]).await?;
    let replica = Replica::start(cluster, "only").await?;
    namespace
        .until("what can be said", || async {
            equal(
                &plugins(&client, name, "a").await?.as_deref(),
                &Some("x-metrics-prometheus"),
            )?;
            let object = get(&client, name, KONG_ALPHA, "DataPlaneMetricsExtension", "x").await?;
            equal(
                &object["status"],
                &json!({"controlPlaneRef": {"name": "cp", "namespace": name}}),
            )?;
            let events = api(&client, name, "events.k8s.io/v1", "Event")
                .list(&ListParams::default())
                .await?;
            let told = events
                .items
                .iter()
                .filter(|event| event.data["reason"] == "ServiceNotFound")
                .count();
            equal(&told, &1)?;
            Ok(())
        })
        .await?;
    // It does not try again and again to write conditions that are dropped without a word.
    let version = async || -> Result<_> {
        let object = get(&client, name, KONG_ALPHA, "DataPlaneMetricsExtension", "x").await?;
        Ok(object["metadata"]["resourceVersion"].clone())
    };
    let before = (version().await?, replica.metrics.encode());
    service(&client, name, "bystander", None).await?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let count = |text: &str| {
        text.lines()
            .find(|line| line.contains("writes_total{kind=\"DataPlaneMetricsExtension\""))
            .map(str::to_owned)
    };
    assert_eq!(version().await?, before.0);
    assert_eq!(count(&replica.metrics.encode()), count(&before.1));
    assert_eq!(replica.stop().await?, None);
    Ok(())
}

/// Without Gateway API it is ready; when the definitions come, routes are seen without a restart.
#[tokio::test]
async fn definitions_may_come_later() -> Result {
    let cluster = Cluster::start().await?;
    cluster
        .install_crds(&[CrdSet::KongIngressController, CrdSet::KongGatewayOperator])
        .await?;
    support::account(&cluster.client()?).await?;
    let replica = Replica::start(&cluster, "only").await?;
    let namespace = gateway(&cluster, "later", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "a", None).await?;
    extension(&client, name, "x", &["a"]).await?;
    let uid = pod(&client, name, "proxy", "dp").await?;
    let (trust, token) = (
        trust(&namespace).await?,
        token(
            &client,
            name,
            tagalong_wire::contract::AUDIENCE,
            Some(("proxy", &uid)),
        )
        .await?,
    );
    let open = namespace.until("the stream", || async {
        Ok(Sidecar::open(replica.push, &trust, &token).await?)
    });
    let mut sidecar = open.await?;
    cluster.install_crds(&[CrdSet::GatewayApiStandard]).await?;
    route(&client, name, "r", &["a"]).await?;
    sidecar
        .until(&format!("httproute.{name}.r.0"), Some(&format!("{name}/a")))
        .await?;
    assert_eq!(replica.stop().await?, None);
    Ok(())
}
