//! A webhook's configuration, for the operator to look after.

use super::{HOME, Result};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::json;
use tagalong_cluster::Cluster;

/// What the operator is told of it.
pub const FLAGS: &[&str] = &[
    "--webhook-name=tagalong-webhook.tagalong-system.svc",
    "--webhook-configuration=tagalong",
];

/// Creates the configuration `tagalong`, without any `caBundle`.
pub async fn configuration(cluster: &Cluster) -> Result {
    configuration_of(&cluster.client()?).await
}

/// The same with a client.
pub async fn configuration_of(client: &Client) -> Result {
    let webhook = |name: &str| {
        json!({
            "name": name,
            "clientConfig": {"service": {"name": "tagalong-webhook", "namespace": HOME}},
            "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Ignore",
            "objectSelector": {"matchLabels": {"nobody": "has-this"}},
            "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}],
        })
    };
    let configuration = json!({
        "metadata": {"name": "tagalong"},
        "webhooks": [webhook("a.tagalong.dev"), webhook("b.tagalong.dev")],
    });
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    api.create(
        &PostParams::default(),
        &serde_json::from_value(configuration)?,
    )
    .await?;
    Ok(())
}
