//! Keeps `caBundle` in the MutatingWebhookConfiguration right, also after someone overwrites it: with a
//! wrong one, no DataPlane that is labelled for injection could be changed any more.

use crate::causes::in_words;
use crate::certificates::Bundle;
use crate::lease::Writes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;
use tagalong_runtime::Drain;

/// How often it is done at.
const EVERY: Duration = Duration::from_secs(10);

/// Looks after the configuration `name` until the drain begins.
pub async fn keep(
    client: kube::Client,
    name: String,
    mut bundle: Bundle,
    writes: Writes,
    drain: Drain,
) {
    let api = Api::<MutatingWebhookConfiguration>::all(client);
    loop {
        if drain.cancel(writes.granted()).await.is_none() {
            return;
        }
        let desired = bundle.borrow_and_update().clone();
        if let Some(desired) = desired {
            let done = drain.cancel(set(&api, &name, &desired, &writes)).await;
            if let Some(Err(error)) = done {
                tracing::warn!(
                    name,
                    error,
                    "caBundle of the webhook configuration: will try again"
                );
            }
        }
        let waited = drain.cancel(async {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _new_or_never = bundle.changed() => {}
            }
        });
        if waited.await.is_none() {
            return;
        }
    }
}

async fn set(
    api: &Api<MutatingWebhookConfiguration>,
    name: &str,
    desired: &str,
    writes: &Writes,
) -> Result<(), String> {
    let Some(found) = api.get_opt(name).await.map_err(|error| in_words(&error))? else {
        return Ok(());
    };
    let Some(patch) = patch(&found, desired) else {
        return Ok(());
    };
    let patch: json_patch::Patch =
        serde_json::from_value(patch).map_err(|error| error.to_string())?;
    let patch = Patch::Json::<()>(patch);
    let params = PatchParams::default();
    let written = writes.run(api.patch(name, &params, &patch)).await;
    written
        .map_err(|error| error.to_string())?
        .map_err(|error| in_words(&error))?;
    tracing::info!(name, "set caBundle of the webhook configuration");
    Ok(())
}

/// What sets the bundle where it is not right; none if it is right everywhere. Each step first tests
/// that the webhook is still the one that was done at.
fn patch(found: &MutatingWebhookConfiguration, desired: &str) -> Option<Value> {
    let mut steps = Vec::new();
    for (i, webhook) in found.webhooks.iter().flatten().enumerate() {
        let bundle = webhook.client_config.ca_bundle.as_ref();
        if bundle.is_none_or(|bundle| bundle.0 != desired.as_bytes()) {
            steps.push(
                json!({"op": "test", "path": format!("/webhooks/{i}/name"), "value": webhook.name}),
            );
            steps.push(json!({
                "op": "add",
                "path": format!("/webhooks/{i}/clientConfig/caBundle"),
                "value": STANDARD.encode(desired),
            }));
        }
    }
    (!steps.is_empty()).then_some(Value::Array(steps))
}
