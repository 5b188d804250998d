//! Keeps `caBundle` in the MutatingWebhookConfiguration right, also after someone overwrites it: with a
//! wrong one, no DataPlane that is labelled for injection could be changed any more.
//!
//! While another installation works here, its webhook injects, and this one is asked about nothing: its selectors get a
//! label that no object has. A selector's other labels stay, so nothing needs to be remembered.

use crate::causes::in_words;
use crate::certificates::Bundle;
use crate::lease::installation::Standing;
use crate::lease::{Writes, patches};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{Api, Patch};
use serde_json::{Value, json};
use std::time::Duration;
use tagalong_runtime::Drain;
use tokio::sync::watch;

/// How often it is done at.
const EVERY: Duration = Duration::from_secs(10);
/// The label that no object has, and its value.
const NO_OBJECT: (&str, &str) = ("tagalong.dev/no-object", "another-installation-works");

/// Looks after the configuration `name` until the drain begins. It is this installation's own, whichever one works.
pub async fn keep(
    client: kube::Client,
    name: String,
    mut bundle: Bundle,
    mut standing: watch::Receiver<Standing>,
    writes: Writes,
    drain: Drain,
) {
    let api = Api::<MutatingWebhookConfiguration>::all(client);
    loop {
        if drain.cancel(writes.granted()).await.is_none() {
            return;
        }
        let asked = match *standing.borrow_and_update() {
            Standing::Unknown => None,
            Standing::Works { .. } => Some(true),
            Standing::Waits { .. } => Some(false),
        };
        let bundled = bundle.borrow_and_update().clone();
        if let (Some(bundle), Some(asked)) = (bundled, asked) {
            let desired = DesiredWebhooks { bundle, asked };
            let done = drain.cancel(set(&api, &name, &desired, &writes)).await;
            if let Some(Err(error)) = done {
                tracing::warn!(
                    name,
                    error,
                    "cannot write the webhook configuration, tries again"
                );
            }
        }
        let waited = drain.cancel(async {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _new_or_never = bundle.changed() => {}
                Ok(()) = standing.changed() => {}
            }
        });
        if waited.await.is_none() {
            return;
        }
    }
}

/// What each webhook is to have.
struct DesiredWebhooks {
    bundle: String,
    /// Whether it is to be asked about objects at all.
    asked: bool,
}

async fn set(
    api: &Api<MutatingWebhookConfiguration>,
    name: &str,
    desired: &DesiredWebhooks,
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
    let params = patches();
    let written = writes.run(api.patch(name, &params, &patch)).await;
    written
        .map_err(|error| error.to_string())?
        .map_err(|error| in_words(&error))?;
    let asked = desired.asked;
    tracing::info!(
        name,
        asked,
        "wrote caBundle and selectors of the webhook configuration"
    );
    Ok(())
}

/// What makes the webhooks right; none if they are. Each step first tests that the webhook is still the one that was
/// looked at.
fn patch(found: &MutatingWebhookConfiguration, desired: &DesiredWebhooks) -> Option<Value> {
    let mut steps = Vec::new();
    for (i, webhook) in found.webhooks.iter().flatten().enumerate() {
        let mut set = |path: &str, value: Value| {
            steps.push(
                json!({"op": "test", "path": format!("/webhooks/{i}/name"), "value": webhook.name}),
            );
            steps.push(
                json!({"op": "add", "path": format!("/webhooks/{i}/{path}"), "value": value}),
            );
        };
        let bundle = webhook.client_config.ca_bundle.as_ref();
        if bundle.is_none_or(|bundle| bundle.0 != desired.bundle.as_bytes()) {
            set(
                "clientConfig/caBundle",
                json!(STANDARD.encode(&desired.bundle)),
            );
        }
        if let Some(selector) = selector(webhook, desired.asked) {
            set("objectSelector", json!(selector));
        }
    }
    (!steps.is_empty()).then_some(Value::Array(steps))
}

/// The selector that a webhook is to have; none if it has it.
fn selector(webhook: &MutatingWebhook, asked: bool) -> Option<LabelSelector> {
    let (label, value) = NO_OBJECT;
    let mut selector = webhook.object_selector.clone().unwrap_or_default();
    let labels = selector.match_labels.get_or_insert_default();
    let changed = if asked {
        labels.remove(label).is_some()
    } else {
        labels.insert(label.to_owned(), value.to_owned()).as_deref() != Some(value)
    };
    changed.then_some(selector)
}

#[cfg(test)]
mod tests;
