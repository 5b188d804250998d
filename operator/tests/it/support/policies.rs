//! NetworkPolicies: others' and the operator's.

use super::{Result, api, apply, equal};
use kube::api::{Api, ListParams};
use kube::core::DynamicObject;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tagalong_cluster::Namespace;

const POLICIES: &str = "networking.k8s.io/v1";

/// All policies of a namespace.
pub fn policies(namespace: &Namespace) -> Api<DynamicObject> {
    let client = namespace.client();
    api(&client, namespace.name(), POLICIES, "NetworkPolicy")
}

/// Those that the operator made.
pub async fn ours(namespace: &Namespace) -> Result<Vec<Value>> {
    let policies = policies(namespace);
    let listed = policies
        .list(&ListParams::default().labels("app.kubernetes.io/managed-by=tagalong"))
        .await?;
    let objects = listed.items.into_iter().map(serde_json::to_value);
    Ok(objects.collect::<std::result::Result<_, _>>()?)
}

/// Another policy, which lets Kong's port in and nothing else.
pub async fn isolate(namespace: &Namespace, name: &str, pods: &[(&str, &str)]) -> Result {
    let labels: BTreeMap<_, _> = pods.iter().copied().collect();
    // As Kong's operators write it for the DataPlane of a Gateway.
    apply(
        &namespace.client(),
        json!({
            "apiVersion": POLICIES, "kind": "NetworkPolicy",
            "metadata": {"namespace": namespace.name(), "name": name},
            "spec": {
                "podSelector": {"matchLabels": labels},
                "policyTypes": ["Ingress"],
                "ingress": [{"ports": [{"port": 8000, "protocol": "TCP"}]}],
            },
        }),
    )
    .await?;
    Ok(())
}

/// Waits until the operator has made just so many.
pub async fn until_ours(namespace: &Namespace, count: usize) -> Result {
    namespace
        .until("ours to come or go", || async {
            equal(&ours(namespace).await?.len(), &count)?;
            Ok(())
        })
        .await?;
    Ok(())
}
