//! Certificates in a cluster: kept, mended, handed on, and in the webhook's configuration.

use crate::support;

use base64::Engine as _;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use std::time::Duration;
use support::replica::Replica;
use support::sidecar::{Sidecar, pod, token, trust};
use support::webhook::{FLAGS, configuration};
use support::{Definition, HOME, Result, cluster, equal, extension, gateway, operator_config};
use tagalong_cluster::{Cluster, until};

const TIMEOUT: Duration = Duration::from_secs(120);

#[tokio::test]
async fn certificates() -> Result {
    let cluster = &cluster(Definition::Ours).await?;
    configuration(cluster).await?;
    // Someone left a half-written Secret behind.
    let secrets: Api<Secret> = Api::namespaced(cluster.client()?, HOME);
    let half = json!({"metadata": {"name": "tagalong-ca"}, "stringData": {"authority.json": "{\"current\": {\"na"}});
    secrets
        .create(&PostParams::default(), &serde_json::from_value(half)?)
        .await?;
    let replica = Replica::with(operator_config(cluster).await?, "only", FLAGS).await?;
    let first = bundle(&secrets, "tagalong-ca").await?;
    ca_bundle_is(cluster, &first).await?;
    equal(&bundle(&secrets, "tagalong-webhook-tls").await?, &first)?;

    let namespace = gateway(cluster, "trust", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    extension(&client, name, "x", &[]).await?;
    let uid = pod(&client, name, "proxy", "dp").await?;
    let token = token(
        &client,
        name,
        tagalong_wire::contract::AUDIENCE,
        Some(("proxy", &uid)),
    )
    .await?;
    equal(&trust(&namespace).await?, &first)?;
    Sidecar::open(replica.push, &first, &token).await?;

    // Someone overwrites caBundle: with a wrong one, no marked DataPlane could be changed any more.
    let api: Api<MutatingWebhookConfiguration> = Api::all(cluster.client()?);
    let wrong = json!([{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": encoded(&trust(&namespace).await?[1..])}]);
    let wrong = Patch::Json::<()>(serde_json::from_value(wrong)?);
    api.patch("tagalong", &PatchParams::default(), &wrong)
        .await?;
    ca_bundle_is(cluster, &first).await?;

    // Someone empties the serving certificate, and then the authority itself.
    let empty = Patch::Merge(json!({"data": {"tls.crt": encoded("")}}));
    secrets
        .patch("tagalong-operator-tls", &PatchParams::default(), &empty)
        .await?;
    until("a new serving certificate", TIMEOUT, || async {
        let secret = secrets
            .get("tagalong-operator-tls")
            .await?
            .data
            .unwrap_or_default();
        let certificate = secret
            .get("tls.crt")
            .map(|bytes| bytes.0.len())
            .unwrap_or_default();
        if certificate > 0 {
            Ok(())
        } else {
            Err("still empty".into())
        }
    })
    .await?;
    Sidecar::open(replica.push, &first, &token).await?;
    secrets.delete("tagalong-ca", &Default::default()).await?;
    let second = until("a new authority", TIMEOUT, || async {
        let second = bundle(&secrets, "tagalong-ca").await?;
        if second == first {
            Err("the old one".into())
        } else {
            Ok(second)
        }
    })
    .await?;
    namespace
        .until("the sidecars to be told", || async {
            equal(&trust(&namespace).await?, &second)?;
            Sidecar::open(replica.push, &second, &token).await?;
            Ok(())
        })
        .await?;
    ca_bundle_is(cluster, &second).await?;
    assert_eq!(replica.stop().await?, None);
    Ok(())
}

fn encoded(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

async fn bundle(secrets: &Api<Secret>, name: &str) -> Result<String> {
    let data = secrets.get(name).await?.data.unwrap_or_default();
    let bundle = data.get("ca.crt").ok_or("no ca.crt")?;
    Ok(String::from_utf8(bundle.0.clone())?)
}

async fn ca_bundle_is(cluster: &Cluster, wanted: &str) -> Result {
    let api: Api<MutatingWebhookConfiguration> = Api::all(cluster.client()?);
    until("caBundle", TIMEOUT, || async {
        for webhook in api.get("tagalong").await?.webhooks.unwrap_or_default() {
            let bundle = webhook.client_config.ca_bundle.unwrap_or_default().0;
            equal(&String::from_utf8(bundle)?.as_str(), &wanted)?;
        }
        Ok(())
    })
    .await?;
    Ok(())
}
