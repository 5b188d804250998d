//! An object in, a JSON Patch out.

mod before;
mod difference;
mod kind;
mod listen;
mod marker;
mod overrides;
mod pod;
mod ports;
mod refusal;
mod sidecar;

use json_patch::Patch;
use serde_json::{Value, json};
use tagalong_wire::contract::{INJECT_ENABLED, INJECT_LABEL};

use self::difference::difference;
use self::kind::Kind;
use self::marker::Marker;
use self::overrides::Overrides;
use self::pod::Pod;
pub use self::refusal::Refusal;
use crate::{InjectionSettings, sparse};

/// The first volume that Kong's operators give Kong's pods.
const CLUSTER_CERTIFICATE: &str = "cluster-certificate";

/// What becomes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has the sidecar, as these settings want it.
    Injected,
    /// It had the sidecar and no longer asks for it.
    Removed,
    /// It neither asks for the sidecar nor has it, or is being deleted.
    Untouched,
    /// The sidecar, or its absence, stays as it is until a later update: a blue/green promotion is under way, in which
    /// Kong's operators allow no change of spec; or a webhook that started later than this one has put it there.
    Kept,
    /// It asks for the sidecar and cannot have it. A sidecar that it had is taken out, so that the outcome does not
    /// depend on what was there before.
    Refused(Refusal),
}

impl Verdict {
    /// In one word, for logs and metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::Removed => "removed",
            Self::Untouched => "untouched",
            Self::Kept => "kept",
            Self::Refused(_) => "refused",
        }
    }
}

/// The answer for one object.
#[derive(Clone, Debug)]
pub struct Injection {
    /// What becomes of the object.
    pub verdict: Verdict,
    /// The change that brings it about. Empty when nothing is to change.
    pub patch: Patch,
    /// What the person who applies the object should read.
    pub warnings: Vec<String>,
}

impl Injection {
    fn unchanged(verdict: Verdict) -> Self {
        Self {
            verdict,
            patch: Patch::default(),
            warnings: Vec::new(),
        }
    }
}

/// Decides about `object`, a DataPlane or workload as the API server sent it, and about `old`, what it was before if
/// it is being updated.
///
/// The same arguments give the same bytes, and an object to which the patch was applied gives an empty one.
#[must_use]
pub fn inject(object: &Value, old: Option<&Value>, settings: &InjectionSettings) -> Injection {
    let wanted = object
        .pointer("/metadata/labels")
        .and_then(|labels| labels.get(INJECT_LABEL))
        == Some(&Value::from(INJECT_ENABLED));
    if object
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(|time| !time.is_null())
    {
        return Injection::unchanged(Verdict::Untouched);
    }
    let found = Kind::of(object).ok_or(Refusal::Kind).and_then(|kind| {
        Ok((
            kind,
            object
                .pointer(kind.template())
                .ok_or(Refusal::NoTemplate(kind.template_name()))?,
        ))
    });
    let (kind, template) = match found {
        Ok(found) => found,
        Err(refusal) if wanted => {
            let warnings = vec![refused(&refusal)];
            return Injection {
                warnings,
                ..Injection::unchanged(Verdict::Refused(refusal))
            };
        }
        Err(_) => return Injection::unchanged(Verdict::Untouched),
    };

    let mut warnings = Vec::new();
    let base = marker::removed(template);
    let (desired, verdict) = if let Some(before) = before::kept(kind, object, old, &base, settings)
    {
        (before.clone(), Verdict::Kept)
    } else if wanted {
        match added(&base, kind, object, settings, &mut warnings) {
            Ok(mut desired) => {
                let before = old.and_then(|old| old.pointer(kind.template()));
                marker::date(&mut desired, before, settings.started);
                (desired, Verdict::Injected)
            }
            Err(refusal) => {
                warnings.push(refused(&refusal));
                (base, Verdict::Refused(refusal))
            }
        }
    } else if base == *template {
        (base, Verdict::Untouched)
    } else {
        warnings.push("the sidecar is removed, because the object is not labelled for injection; its pods are replaced".to_owned());
        (base, Verdict::Removed)
    };
    let patch = difference(kind.template(), template, &desired);
    // Only a sidecar that is not of our making can be too large to be put back.
    if difference::values(&patch).any(sparse::is_partial) {
        return Injection::unchanged(Verdict::Kept);
    }
    Injection {
        patch,
        verdict,
        warnings,
    }
}

fn refused(refusal: &Refusal) -> String {
    format!("no sidecar: {refusal}")
}

/// The pod template with the sidecar, made from one without.
fn added(
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
    if kind == Kind::DataPlane {
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
