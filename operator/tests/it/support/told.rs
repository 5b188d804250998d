//! What people are told, and what they see done.

use super::{Result, api, condition, equal, plugins};
use kube::Client;
use kube::api::ListParams;
use serde_json::Value;
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
