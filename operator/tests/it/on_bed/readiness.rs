//! Ready, and writing, once every watch has synced: what is not seen yet would look as if it were gone.

use crate::support;

use kube::Client;
use serde_json::{Value, json};
use std::time::Duration;
use support::replica::Replica;
use support::{
    CLUSTER_RULES, Definition, HOME, KONG_ALPHA, Result, apply, cluster, equal, extension, gateway,
    get, operator_config, plugins, rules, service,
};
use tagalong_operator::metrics::KindLabel;

/// One that the API server keeps from the operator for a while.
const KEPT: (&str, &str) = ("GRPCRoute", "grpcroutes");

#[tokio::test]
async fn one_watch_that_has_not_synced_keeps_everything_back() -> Result {
    let cluster = &cluster(Definition::Ours).await?;
    let namespace = gateway(cluster, "unsynced", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "a", None).await?;
    extension(&client, name, "x", &["a"]).await?;
    permit(&client, Some(KEPT.1)).await?;
    let replica = Replica::begin(operator_config(cluster).await?, "only", &[])?;
    let synced = |kind| {
        let synced = &replica.metrics.watches.synced;
        synced.get_or_create(&KindLabel { kind }).get()
    };
    let others = [
        "ControlPlane",
        "DataPlane",
        "DataPlaneMetricsExtension",
        "HTTPRoute",
        "KongPlugin",
        "Pod",
        "Service",
    ];
    let all_others = namespace.until("all others, and the lease", || async {
        for kind in others {
            equal(&(kind, synced(kind)), &(kind, 1))?;
        }
        equal(&replica.leads(), &true)?;
        let lease = get(
            &client,
            HOME,
            "coordination.k8s.io/v1",
            "Lease",
            support::NAME,
        )
        .await?;
        equal(&lease["spec"]["holderIdentity"].is_string(), &true)?;
        Ok(())
    });
    all_others.await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(synced(KEPT.0), 0);
    assert!(
        !replica.readiness.missing().is_empty(),
        "it says it is ready"
    );
    assert_eq!(replica.metrics.reconcile.passes.get(), 0);
    assert_eq!(plugins(&client, name, "a").await?, None);
    let object = get(&client, name, KONG_ALPHA, "DataPlaneMetricsExtension", "x").await?;
    assert_eq!(object["metadata"]["finalizers"], Value::Null);

    permit(&client, None).await?;
    let ready = namespace.until("it to be ready, and to write", || async {
        equal(&replica.readiness.missing(), &Vec::new())?;
        let seen = plugins(&client, name, "a").await?;
        equal(&seen.as_deref(), &Some("x-metrics-prometheus"))?;
        Ok(())
    });
    ready.await?;
    assert_eq!(replica.stop().await?, None);
    Ok(())
}

/// What the chart permits, but for one resource.
async fn permit(client: &Client, but: Option<&str>) -> Result {
    let mut rules = rules(CLUSTER_RULES)?;
    for rule in rules.as_array_mut().into_iter().flatten() {
        if let Some(resources) = rule["resources"].as_array_mut() {
            resources.retain(|resource| resource.as_str() != but);
        }
    }
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": support::NAME}, "rules": rules});
    apply(client, role).await?;
    Ok(())
}
