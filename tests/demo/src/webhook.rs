//! The webhook's patch for the example's DataPlane; its decision is a pure function, so no cluster is needed.

use serde_json::{Value, json};
use tagalong_webhook::{InjectionSettings, Verdict, inject};
use tagalong_wire::contract::{INJECT_ENABLED, INJECT_LABEL};

use crate::{Failure, example};

/// The JSON Patch, as a list of operations, for the DataPlane that an operator makes of the GatewayConfiguration, once it
/// is marked.
pub fn patch() -> Result<Vec<Value>, Failure> {
    let configuration = example::documents("gateway.yaml")?
        .into_iter()
        .find(|document| document["kind"] == "GatewayConfiguration")
        .ok_or("the example has no GatewayConfiguration")?;
    let data_plane = json!({
        "apiVersion": "gateway-operator.konghq.com/v1beta1",
        "kind": "DataPlane",
        "metadata": { "name": "kong", "namespace": "default", "labels": { INJECT_LABEL: INJECT_ENABLED } },
        "spec": configuration["spec"]["dataPlaneOptions"],
    });
    let settings = InjectionSettings::new(
        concat!("tagalong-sidecar:", env!("CARGO_PKG_VERSION")),
        "https://tagalong-operator.tagalong-system.svc:8443/v1/labels",
    );
    let outcome = inject(&data_plane, None, &settings);
    if outcome.verdict != Verdict::Injected {
        return Err(format!("the webhook does not inject: {:?}", outcome.verdict).into());
    }
    let Value::Array(operations) = serde_json::to_value(&outcome.patch)? else {
        return Err("a JSON Patch that is no list".into());
    };
    let proxy = "/spec/deployment/podTemplateSpec/spec/containers/0";
    if let Some(stray) = operations.iter().find(|one| {
        one["path"]
            .as_str()
            .is_some_and(|path| path.starts_with(proxy))
    }) {
        return Err(format!("the webhook touches Kong's own container: {stray}").into());
    }
    Ok(operations)
}
