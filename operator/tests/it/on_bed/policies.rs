//! A NetworkPolicy of ours, where and as long as another one isolates a DataPlane's pods.

use crate::support;

use kube::api::{DeleteParams, ListParams};
use serde_json::json;
use support::policies::{isolate, ours, policies, until_ours};
use support::{KONG_ALPHA, Result, apply, delete, extension, gateway, operator, service};
use tagalong_cluster::Namespace;

/// What Kong's operators select.
const APP: &[(&str, &str)] = &[("app", "dp")];

async fn attached(prefix: &str) -> Result<Namespace> {
    let (cluster, _operator) = operator().await?;
    let namespace = gateway(cluster, prefix, &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "echo", None).await?;
    extension(&client, name, "x", &["echo"]).await?;
    let selector = format!("{name}-dp");
    apply(
        &client,
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": name, "name": "dp-1",
                "labels": {"app": "dp", "gateway-operator.konghq.com/selector": selector}},
            "spec": {"containers": [
                {"name": "proxy", "image": "kong:3.9"},
                {"name": "tagalong", "image": "tagalong-sidecar:1",
                    "ports": [{"name": "tagalong", "containerPort": 9542}]},
            ]},
        }),
    )
    .await?;
    Ok(namespace)
}

#[tokio::test]
async fn admits_as_long_as_another_policy_isolates() -> Result {
    let namespace = attached("policies").await?;
    let client = namespace.client();
    isolate(&namespace, "dp-limit-admin-api", APP).await?;
    until_ours(&namespace, 1).await?;
    let made = ours(&namespace).await?.remove(0);
    assert_eq!(
        made["spec"],
        json!({
            "podSelector": {"matchLabels": {"app": "dp"}, "matchExpressions": [{
                "key": "gateway-operator.konghq.com/selector", "operator": "In",
                "values": [format!("{}-dp", namespace.name())]}]},
            "policyTypes": ["Ingress"],
            "ingress": [{
                "from": [{
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": support::HOME}},
                    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "tagalong", "app.kubernetes.io/component": "operator"}},
                }],
                "ports": [{"port": 9542, "protocol": "TCP"}],
            }],
        })
    );
    let owners = &made["metadata"]["ownerReferences"];
    assert_eq!(owners[0]["kind"], "NetworkPolicy");
    assert_eq!(owners[0]["name"], "dp-limit-admin-api");
    // An unchanged world is not written to: what the API server made of ours is what is wanted.
    service(&client, namespace.name(), "other", Some("mine")).await?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let later = ours(&namespace).await?.remove(0);
    assert_eq!(
        later["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );

    policies(&namespace)
        .delete("dp-limit-admin-api", &DeleteParams::default())
        .await?;
    until_ours(&namespace, 0).await
}

#[tokio::test]
async fn goes_with_the_attachment_and_leaves_the_others() -> Result {
    let namespace = attached("policies-detached").await?;
    let client = namespace.client();
    isolate(&namespace, "one", APP).await?;
    isolate(&namespace, "two", APP).await?;
    until_ours(&namespace, 2).await?;
    delete(
        &client,
        namespace.name(),
        KONG_ALPHA,
        "DataPlaneMetricsExtension",
        "x",
    )
    .await?;
    until_ours(&namespace, 0).await?;
    let left = policies(&namespace).list(&ListParams::default()).await?;
    assert_eq!(left.items.len(), 2);
    Ok(())
}
