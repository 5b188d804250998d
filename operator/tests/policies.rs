//! A NetworkPolicy of ours, where and as long as another one isolates a DataPlane's pods.

mod support;

use kube::api::{Api, DeleteParams, ListParams};
use kube::core::DynamicObject;
use serde_json::{Value, json};
use support::{
    KONG_ALPHA, Result, api, apply, delete, equal, extension, gateway, operator, service,
};
use tagalong_cluster::Namespace;

const POLICIES: &str = "networking.k8s.io/v1";

fn policies(namespace: &Namespace) -> Api<DynamicObject> {
    let client = namespace.client();
    api(&client, namespace.name(), POLICIES, "NetworkPolicy")
}

async fn ours(namespace: &Namespace) -> Result<Vec<Value>> {
    let policies = policies(namespace);
    let listed = policies
        .list(&ListParams::default().labels("app.kubernetes.io/managed-by=tagalong"))
        .await?;
    let objects = listed.items.into_iter().map(serde_json::to_value);
    Ok(objects.collect::<std::result::Result<_, _>>()?)
}

async fn isolate(namespace: &Namespace, name: &str) -> Result {
    // As Kong's operators write it for the DataPlane of a Gateway.
    apply(
        &namespace.client(),
        json!({
            "apiVersion": POLICIES, "kind": "NetworkPolicy",
            "metadata": {"namespace": namespace.name(), "name": name},
            "spec": {
                "podSelector": {"matchLabels": {"app": "dp"}},
                "policyTypes": ["Ingress"],
                "ingress": [{"ports": [{"port": 8000, "protocol": "TCP"}]}],
            },
        }),
    )
    .await?;
    Ok(())
}

async fn until_ours(namespace: &Namespace, count: usize) -> Result {
    namespace
        .until("ours to come or go", || async {
            equal(&ours(namespace).await?.len(), &count)?;
            Ok(())
        })
        .await?;
    Ok(())
}

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
    isolate(&namespace, "dp-limit-admin-api").await?;
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
    isolate(&namespace, "one").await?;
    isolate(&namespace, "two").await?;
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
