//! What was put into a pod template, so that it can be taken out again without a trace.
//!
//! Containers, ports and volumes are known by their name. What their names do not tell stands in the annotation
//! [`INJECTED_ANNOTATION`]: which of the lists were not there before, and which annotations were added.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tagalong_wire::contract::{INJECTED_ANNOTATION, SIDECAR};

/// The lists and maps of a pod template that may have to be made first. Children stand before their parents.
const MADE: [&str; 5] = [
    "/metadata/annotations",
    "/metadata",
    "/spec/initContainers",
    "/spec/volumes",
    "/spec/imagePullSecrets",
];

/// The value of [`INJECTED_ANNOTATION`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    /// Which of [`MADE`] were not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    absent: Vec<String>,
    /// Which of [`MADE`] were `null`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    null: Vec<String>,
    /// The other annotations that were added.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
    /// Volumes that were added beside the sidecar's, by their mere names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) volumes: Vec<String>,
    /// Names that were added to the pull secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) pull_secrets: Vec<String>,
    /// When the webhook that put it in had started: [`InjectionSettings::started`](crate::InjectionSettings::started).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) since: u64,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(since: &u64) -> bool {
    *since == 0
}

impl Marker {
    /// The list or map at `path`, made if need be; `None` when something else is there.
    pub(super) fn make<'a>(
        &mut self,
        template: &'a mut Value,
        path: &str,
        empty: Value,
    ) -> Option<&'a mut Value> {
        let (parent, key) = path.rsplit_once('/')?;
        let parent = template.pointer_mut(parent)?.as_object_mut()?;
        match parent.get(key) {
            None => self.absent.push(path.to_owned()),
            Some(Value::Null) => self.null.push(path.to_owned()),
            Some(_) => return parent.get_mut(key),
        }
        parent.insert(key.to_owned(), empty);
        parent.get_mut(key)
    }

    /// Adds an annotation that removal shall take out again.
    pub(super) fn annotate(
        &mut self,
        annotations: &mut Map<String, Value>,
        name: &str,
        value: String,
    ) {
        annotations.insert(name.to_owned(), Value::String(value.clone()));
        self.annotations.insert(name.to_owned(), value);
    }

    /// Writes itself into the pod template's annotations.
    pub(super) fn write(&self, annotations: &mut Map<String, Value>) {
        // A struct of strings can always be written as JSON.
        let value = serde_json::to_string(self).unwrap_or_default();
        annotations.insert(INJECTED_ANNOTATION.to_owned(), Value::String(value));
    }

    pub(super) fn read(template: &Value) -> Option<Self> {
        let marker = template
            .pointer("/metadata/annotations")?
            .get(INJECTED_ANNOTATION)?;
        // A marker that somebody broke still says that the sidecar is ours.
        Some(
            marker
                .as_str()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default(),
        )
    }

    /// The same, but for the lists and maps that were not there.
    pub(super) fn with_absent(&self, absent: Vec<String>) -> Self {
        Self {
            absent,
            null: Vec::new(),
            ..self.clone()
        }
    }

    /// Nothing to be known.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The pod template without what it says was put there.
    pub(super) fn taken_out(&self, template: &Value) -> Value {
        let mut base = template.clone();
        for list in ["/spec/containers", "/spec/initContainers", "/spec/volumes"] {
            if let Some(Value::Array(list)) = base.pointer_mut(list) {
                list.retain(|item| item.get("name").and_then(Value::as_str) != Some(SIDECAR));
            }
        }
        // Whoever gave a volume a type since has made it theirs.
        for (list, names) in [
            ("/spec/volumes", &self.volumes),
            ("/spec/imagePullSecrets", &self.pull_secrets),
        ] {
            if let Some(Value::Array(list)) = base.pointer_mut(list) {
                list.retain(|item| !names.iter().any(|name| *item == json!({"name": name})));
            }
        }
        if let Some(Value::Object(annotations)) = base.pointer_mut("/metadata/annotations") {
            annotations.remove(INJECTED_ANNOTATION);
            for (name, value) in &self.annotations {
                // Whoever gave it another value since has made it theirs.
                if annotations.get(name).and_then(Value::as_str) == Some(value) {
                    annotations.remove(name);
                }
            }
        }
        self.unmake(&mut base, &MADE);
        base
    }

    /// Removes of `paths` what had to be made, where nobody has put anything there since. Children stand before their parents.
    pub(super) fn unmake(&self, object: &mut Value, paths: &[&str]) {
        let named = |paths: &[String], path: &str| paths.iter().any(|named| named == path);
        for path in paths {
            let Some((parent, key)) = path.rsplit_once('/') else {
                continue;
            };
            let Some(Value::Object(parent)) = object.pointer_mut(parent) else {
                continue;
            };
            let empty = match parent.get(key) {
                Some(Value::Array(list)) => list.is_empty(),
                Some(Value::Object(map)) => map.is_empty(),
                _ => false,
            };
            if empty && named(&self.absent, path) {
                parent.remove(key);
            } else if empty && named(&self.null, path) {
                parent.insert((*key).to_owned(), Value::Null);
            }
        }
    }
}

/// When the webhook that put the sidecar into this pod template had started; `None` where there is no sidecar of ours.
pub(super) fn since(template: &Value) -> Option<u64> {
    Some(Marker::read(template)?.since)
}

/// Dates the sidecar in `template`: as it was `before`, if nothing else about it changes; else as it `came` with the request, if
/// that is the same sidecar, which Kong's operators have copied from above; else by `started`. The date alone must replace no pod.
pub(super) fn date(template: &mut Value, before: Option<&Value>, came: &Value, started: u64) {
    for earlier in before.into_iter().chain([came]) {
        if let Some(since) = since(earlier) {
            write_date(template, since);
            if template == earlier {
                return;
            }
        }
    }
    write_date(template, started);
}

/// Dates the sidecar in `template`.
pub(super) fn write_date(template: &mut Value, since: u64) {
    let marker = Marker::read(template);
    let annotations = template.pointer_mut("/metadata/annotations");
    if let (Some(marker), Some(Value::Object(annotations))) = (marker, annotations) {
        Marker { since, ..marker }.write(annotations);
    }
}

/// The pod template without anything of ours: what the user wrote.
pub(super) fn removed(template: &Value) -> Value {
    match Marker::read(template) {
        Some(marker) => marker.taken_out(template),
        None => template.clone(),
    }
}
