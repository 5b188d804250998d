//! What people and Kong's controller say, and what is seen done.

use super::{GATEWAY, Result, api, condition, equal, get, plugins};
use kube::Client;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tagalong_cluster::Namespace;

/// Waits until a condition of an extension says so.
pub async fn says(namespace: &Namespace, extension: &str, kind: &str, wanted: &str) -> Result {
    let client = namespace.client();
    namespace
        .until(&format!("{kind} of {extension} to be {wanted}"), || async {
            let seen = condition(&client, namespace.name(), extension, kind).await?;
            equal(&seen.as_str(), &wanted)?;
            Ok(())
        })
        .await?;
    Ok(())
}

/// Waits until a Service names just these plugins.
pub async fn named(namespace: &Namespace, service: &str, wanted: Option<&str>) -> Result {
    let client = namespace.client();
    namespace
        .until(&format!("{service} to name {wanted:?}"), || async {
            equal(
                &plugins(&client, namespace.name(), service)
                    .await?
                    .as_deref(),
                &wanted,
            )?;
            Ok(())
        })
        .await?;
    Ok(())
}

/// The Events of a namespace that have this reason.
pub async fn events(client: &Client, namespace: &str, reason: &str) -> Result<Vec<Value>> {
    let events = api(client, namespace, "events.k8s.io/v1", "Event")
        .list(&ListParams::default())
        .await?;
    let events = events
        .items
        .into_iter()
        .map(serde_json::to_value)
        .collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(events
        .into_iter()
        .filter(|event| event["reason"] == reason)
        .collect())
}

/// As Kong's controller says whether Kong has the route as it is.
pub async fn programmed(client: &Client, namespace: &str, name: &str, status: &str) -> Result {
    let object = get(client, namespace, GATEWAY, "HTTPRoute", name).await?;
    let generation = &object["metadata"]["generation"];
    let condition = |kind: &str, status: &str| {
        json!({
            "type": kind, "status": status, "reason": kind, "message": "",
            "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    // Accepted is written before Kong has anything.
    let conditions = [
        condition("Accepted", "True"),
        condition("Programmed", status),
    ];
    let parent = json!({
        "parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "kong"},
        "controllerName": "konghq.com/kic-gateway-controller", "conditions": conditions,
    });
    api(client, namespace, GATEWAY, "HTTPRoute")
        .patch_status(
            name,
            &PatchParams::default(),
            &Patch::Merge(json!({"status": {"parents": [parent]}})),
        )
        .await?;
    Ok(())
}
