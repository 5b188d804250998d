//! The pod template with the sidecar, made from one without.

use serde_json::{Value, json};

use super::kind::{self, Kind};
use super::marker::Marker;
use super::overrides::Overrides;
use super::pod::{self, Pod};
use super::refusal::Refusal;
use super::{listen, ports, sidecar};
use crate::{InjectionSettings, sparse};

/// The first volume that Kong's operators give Kong's pods.
const CLUSTER_CERTIFICATE: &str = "cluster-certificate";

/// Adds the sidecar to the pod template `base` of `object`, which has none.
pub(super) fn added(
    base: &Value,
    kind: Kind,
    object: &Value,
    settings: &InjectionSettings,
    warnings: &mut Vec<String>,
) -> Result<Value, Refusal> {
    if kind == Kind::Workload && kind::owned_by_data_plane(object) {
        return Err(Refusal::OwnedByDataPlane);
    }
    let konnect = object.pointer("/spec/network/konnectCertificate");
    if kind == Kind::DataPlane && konnect.is_some_and(|konnect| !konnect.is_null()) {
        return Err(Refusal::KonnectCertificate);
    }
    if sparse::is_passed_over(base) {
        return Err(Refusal::TooLarge);
    }
    let pod = Pod::read(base)?;
    let proxy = pod.proxy(kind)?;
    pod.names_are_free()?;
    let overrides = Overrides::read(object, settings, warnings);
    let kong = listen::status(kind, proxy)?;
    ports::free(overrides.listen_port, kind, &pod, proxy)?;
    if pod.host_network {
        warnings.push(format!(
            "the pod is on the host's network: the sidecar listens on port {} of each node",
            overrides.listen_port
        ));
    }

    let mut template = base.clone();
    let mut marker = Marker::default();
    let container = sidecar::container(&overrides, settings, &pod, &kong);
    // Last of the init containers: the user's own have done their work, or run, when it starts; and it runs before
    // Kong does. Never the first of the containers: Kong's CRD checks `containers[0]` only if that is `proxy`.
    let containers = if settings.native {
        "/spec/initContainers"
    } else {
        "/spec/containers"
    };
    append(&mut template, &mut marker, containers, container);
    append(
        &mut template,
        &mut marker,
        "/spec/volumes",
        sidecar::volume(),
    );
    if kind.is_operated() {
        put_certificates_first(&mut template, &mut marker);
    }

    add_pull_secrets(&mut template, &mut marker, settings, warnings);
    marker.make(&mut template, "/metadata", json!({}));
    if let Some(Value::Object(annotations)) =
        marker.make(&mut template, "/metadata/annotations", json!({}))
    {
        if settings.scrape_annotations {
            let ours = sidecar::scrape_annotations(overrides.listen_port);
            if let Some((name, _)) = ours
                .iter()
                .find(|(name, _)| annotations.contains_key(*name))
            {
                warnings.push(format!("the pod template already has annotation {name}, so no prometheus.io/* annotation is added"));
            } else {
                for (name, value) in ours {
                    marker.annotate(annotations, name, value);
                }
            }
        }
        marker.write(annotations);
    }
    Ok(template)
}

fn append(template: &mut Value, marker: &mut Marker, path: &str, item: Value) {
    if let Some(Value::Array(list)) = marker.make(template, path, json!([])) {
        list.push(item);
    }
}

/// A pod template that names any pull secret does not get those of its ServiceAccount, and Kong's own image may need them.
fn add_pull_secrets(
    template: &mut Value,
    marker: &mut Marker,
    settings: &InjectionSettings,
    warnings: &mut Vec<String>,
) {
    const PATH: &str = "/spec/imagePullSecrets";
    let named = |template: &Value, secret: &str| {
        let list = template.pointer(PATH).and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|item| pod::name(item) == secret))
    };
    let is_empty = match template.pointer(PATH) {
        None | Some(Value::Null) => true,
        Some(list) => list.as_array().is_some_and(Vec::is_empty),
    };
    if settings.pull_secrets.is_empty() || is_empty && !settings.pull_secrets_always {
        return;
    }
    if is_empty {
        warnings.push("the pod template now names imagePullSecrets, so those of its ServiceAccount are no longer used".to_owned());
    }
    for secret in &settings.pull_secrets {
        if !named(template, secret) {
            append(template, marker, PATH, json!({"name": secret}));
            marker.pull_secrets.push(secret.clone());
        }
    }
}

/// Kong's operators lay their pod template and this one over each other: what they have in the first volume is then found in
/// the first of the result, too, which so has two types and is refused
/// (<https://github.com/Kong/kong-operator/issues/128>). Their first volume, by its mere name, as our first keeps them apart,
/// and they leave it out when they fill in defaults (`SetDefaultsVolume` in their `strategicmerge.go`).
fn put_certificates_first(template: &mut Value, marker: &mut Marker) {
    let Some(Value::Array(volumes)) = template.pointer_mut("/spec/volumes") else {
        return;
    };
    if volumes
        .iter()
        .all(|volume| pod::name(volume) != CLUSTER_CERTIFICATE)
    {
        volumes.insert(0, json!({"name": CLUSTER_CERTIFICATE}));
        marker.volumes.push(CLUSTER_CERTIFICATE.to_owned());
    }
}
