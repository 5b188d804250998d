//! The sidecar in a GatewayConfiguration, from which Kong's operators copy it to the DataPlanes of its Gateways.
//!
//! It is the pod template of those DataPlanes, one object up, where much may be left out: what is missing is made, down to a
//! bare `{name: proxy}`, which the operators fill up as they would an absent one (`setDataPlaneOptionsDefaults` in their
//! `controller/gateway/controller.go`).
//!
//! What removal must know stands in the configuration's own annotation, and not in the pod template's: there stands what the
//! DataPlanes shall have, which may be what one of them had before.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tagalong_wire::contract::{INJECTED_ANNOTATION, TAKEN_OVER_ANNOTATION};

use super::before;
use super::kind::Kind;
use super::marker::{self, Marker};
use super::outcome::{self, Injection, Verdict};
use super::pod;
use super::refusal::Refusal;
use super::template;
use crate::{InjectionSettings, sparse};

const TEMPLATE: &str = "/spec/dataPlaneOptions/deployment/podTemplateSpec";
const CONTAINERS: &str = "/spec/dataPlaneOptions/deployment/podTemplateSpec/spec/containers";
const ANNOTATIONS: &str = "/metadata/annotations";

/// What may have to be made around the sidecar. Children stand before their parents.
const MADE: [&str; 7] = [
    CONTAINERS,
    "/spec/dataPlaneOptions/deployment/podTemplateSpec/spec",
    TEMPLATE,
    "/spec/dataPlaneOptions/deployment",
    "/spec/dataPlaneOptions",
    "/spec",
    ANNOTATIONS,
];

/// The value of [`INJECTED_ANNOTATION`] on a GatewayConfiguration.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Made {
    /// What was made around the pod template.
    #[serde(default, skip_serializing_if = "Marker::is_empty")]
    object: Marker,
    /// What was put into the pod template.
    #[serde(default, skip_serializing_if = "Marker::is_empty")]
    template: Marker,
    /// Whether the container `proxy` was made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    proxy: bool,
}

impl Made {
    /// What was made in `object`; `None` where nothing is ours. Whoever replaced all annotations has left the pod template's.
    fn read(object: &Value) -> Option<Self> {
        let noted = object.pointer(ANNOTATIONS)?.get(INJECTED_ANNOTATION);
        noted.map(|noted| {
            let text = noted.as_str().unwrap_or_default();
            serde_json::from_str(text).unwrap_or_default()
        })
    }

    /// As [`Self::read`], or what the pod template alone tells.
    fn found(object: &Value) -> Option<Self> {
        Self::read(object).or_else(|| {
            let template = Marker::read(object.pointer(TEMPLATE)?)?;
            Some(Self {
                template,
                ..Self::default()
            })
        })
    }
}

/// Decides about a GatewayConfiguration, as [`inject`](super::inject) does about others.
pub(super) fn inject(
    object: &Value,
    old: Option<&Value>,
    wanted: bool,
    settings: &InjectionSettings,
) -> Injection {
    let mut warnings = Vec::new();
    let base = removed(object);
    let (desired, verdict) = if wanted {
        match added(&base, object, old, settings, &mut warnings) {
            Ok(done) => done,
            Err(refusal) => {
                warnings.push(outcome::refused(&refusal));
                (base, Verdict::Refused(refusal))
            }
        }
    } else if base == *object {
        (base, Verdict::Untouched)
    } else {
        warnings.push(outcome::removed());
        (base, Verdict::Removed)
    };
    Injection::change("", (object, &desired), verdict, warnings)
}

/// The configuration without anything of ours.
fn removed(object: &Value) -> Value {
    let mut base = object.clone();
    let Some(made) = Made::found(object) else {
        return base;
    };
    if let Some(template) = base.pointer_mut(TEMPLATE) {
        *template = made.template.taken_out(template);
    }
    // Whoever gave the container anything since has made it theirs.
    if made.proxy
        && let Some(Value::Array(containers)) = base.pointer_mut(CONTAINERS)
    {
        containers.retain(|container| *container != bare_proxy());
    }
    if let Some(Value::Object(annotations)) = base.pointer_mut(ANNOTATIONS) {
        annotations.remove(INJECTED_ANNOTATION);
    }
    made.object.unmake(&mut base, &MADE);
    base
}

/// The configuration with the sidecar, made from one without.
fn added(
    base: &Value,
    object: &Value,
    old: Option<&Value>,
    settings: &InjectionSettings,
    warnings: &mut Vec<String>,
) -> Result<(Value, Verdict), Refusal> {
    if base.pointer(TEMPLATE).is_some_and(sparse::is_passed_over) {
        return Err(Refusal::TooLarge);
    }
    let mut desired = base.clone();
    let mut made = Made::default();
    for path in MADE.into_iter().rev() {
        let empty = if path == CONTAINERS {
            json!([])
        } else {
            json!({})
        };
        let place = made.object.make(&mut desired, path, empty);
        let is_right = |place: &&mut Value| match path {
            CONTAINERS => place.is_array(),
            _ => place.is_object(),
        };
        let place = place.filter(is_right).ok_or(Refusal::Unfit(path))?;
        if let Value::Array(containers) = place
            && !containers.iter().any(|one| pod::name(one) == "proxy")
        {
            containers.push(bare_proxy());
            made.proxy = true;
        }
    }
    let bare = desired.pointer(TEMPLATE).ok_or(Refusal::Unfit(TEMPLATE))?;
    let (template, verdict) = match kept(base, object, old, settings) {
        Some((template, marker)) => {
            made.template = marker;
            (template, Verdict::Kept)
        }
        None => {
            let mut with = template::added(bare, Kind::Configuration, object, settings, warnings)?;
            made.template = Marker::read(&with).unwrap_or_default();
            let marker = below(&made.template, bare, settings);
            date(&mut with, marker, object, old, settings);
            (with, Verdict::Injected)
        }
    };
    if let Some(place) = desired.pointer_mut(TEMPLATE) {
        *place = template;
    }
    if let Some(Value::Object(annotations)) = desired.pointer_mut(ANNOTATIONS) {
        // A struct of strings can always be written as JSON.
        let text = serde_json::to_string(&made).unwrap_or_default();
        annotations.insert(INJECTED_ANNOTATION.to_owned(), Value::String(text));
    }
    Ok((desired, verdict))
}

/// The marker for the pod template as the operators will write it in a DataPlane: without null, without empty lists, and with
/// metadata. So it is the same bytes however the configuration leaves out what it leaves out.
fn below(marker: &Marker, bare: &Value, settings: &InjectionSettings) -> Marker {
    let lists = [
        ("/spec/initContainers", settings.native),
        ("/spec/volumes", true),
        ("/spec/imagePullSecrets", !marker.pull_secrets.is_empty()),
        ("/metadata/annotations", true),
    ];
    let is_empty = |path: &str| match bare.pointer(path) {
        None | Some(Value::Null) => true,
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
        Some(_) => false,
    };
    let absent = lists
        .into_iter()
        .filter(|(path, added)| *added && is_empty(path));
    marker.with_absent(absent.map(|(path, _)| path.to_owned()).collect())
}

/// Gives the pod template the marker that its DataPlanes are to have: that which one of them had, if the configuration says so, else
/// `marker`; dated as [`marker::date`] does.
fn date(
    with: &mut Value,
    marker: Marker,
    object: &Value,
    old: Option<&Value>,
    settings: &InjectionSettings,
) {
    let taken_over = object
        .pointer(ANNOTATIONS)
        .and_then(|annotations| annotations.get(TAKEN_OVER_ANNOTATION)?.as_str())
        .and_then(|text| serde_json::from_str::<Marker>(text).ok());
    let is_taken_over = taken_over.is_some();
    if let Some(Value::Object(annotations)) = with.pointer_mut(ANNOTATIONS) {
        taken_over.unwrap_or(marker).write(annotations);
    }
    let before = old.and_then(|old| old.pointer(TEMPLATE));
    let since = before.and_then(marker::since);
    match since {
        None if is_taken_over => {}
        None => marker::write_date(with, settings.started),
        Some(_) => marker::date(with, before, &Value::Null, settings.started),
    }
}

/// The pod template before the update, and what is ours in it, if that has to stay: see [`before::is_later`].
fn kept(
    base: &Value,
    object: &Value,
    old: Option<&Value>,
    settings: &InjectionSettings,
) -> Option<(Value, Marker)> {
    let old = old?;
    let before = old.pointer(TEMPLATE)?;
    let same = removed(old).pointer(TEMPLATE) == base.pointer(TEMPLATE);
    (same && before::is_later(before, object, old, settings))
        .then(|| Some((before.clone(), Made::found(old)?.template)))?
}

fn bare_proxy() -> Value {
    json!({"name": "proxy"})
}
