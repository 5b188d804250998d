//! Reads an object as far as somebody looks at it.
//!
//! A review has up to 4 MiB of JSON, and as `serde_json::Value` they can take a hundred times as much memory. So only
//! what decides is built. Of the rest of the pod template one thing must be known, whether an update has changed it, and
//! that a fingerprint tells:
//!
//! ```text
//! as it was sent                              as it is built
//! metadata: {labels, managedFields, …}        the labels and annotations that steer us
//! spec: {replicas, network, …}                the way to the pod template, and {"": fingerprint}
//! status: {conditions, …}                     the conditions of a rollout
//! template: {affinity, tolerations, …}        {"": one fingerprint of all of them}
//! a container {name, env, ports, image, …}    {name, ports, env: [KONG_*, fingerprint], "": fingerprint}
//! our own container and volume                all of it
//! ```
//!
//! A patch carries nothing of the user's (`inject::difference`), so what was not built is never missed there. What is
//! built has a budget: a template in which too much is looked at is one fingerprint as a whole, and gets no sidecar.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use serde_json::{Map, Value};
use tagalong_wire::contract::{
    IMAGE_ANNOTATION, INJECT_LABEL, INJECTED_ANNOTATION, PORT_ANNOTATION, RESOURCES_ANNOTATION,
    SIDECAR, SOURCE_ANNOTATION, TAKEN_OVER_ANNOTATION,
};

use crate::json;

/// What may be built of one pod template, in shares of some hundred bytes. Thirty containers with two hundred variables
/// `KONG_*` take a quarter of it.
const BUDGET: usize = 24_000;

/// A map's share, which allocates for eleven fields at once.
const MAP: usize = 8;

/// A longer text is nothing that anybody looks for: no name, no listener, no annotation of ours.
const LONGEST_TEXT: usize = 4 << 10;

/// What we put into a pod template is shorter than this.
const LONGEST_OF_OURS: usize = 16 << 10;

/// The field that holds the fingerprint of a map's other fields. No field of Kubernetes has this name.
const REST: &str = "";

/// Fingerprints are numbers from here on. Kubernetes has none as large.
const FINGERPRINT: u64 = 1 << 63;

/// Reads objects that are compared with each other.
#[derive(Default)]
pub(crate) struct SparseReader {
    /// Keyed at random: nobody can make two texts that look the same.
    hash: RandomState,
}

impl SparseReader {
    /// What is looked at of the object in `text`, which must be JSON.
    pub(crate) fn object(&self, text: &str) -> Value {
        let mut shares = Shares::new(&self.hash);
        shares.chosen(text, |key| match key {
            "apiVersion" | "kind" => Some(leaf),
            "metadata" => Some(metadata),
            "spec" => Some(spec),
            "status" => Some(status),
            _ => None,
        })
    }
}

/// Whether this stands for a pod template that is too large to be read.
pub(crate) fn is_passed_over(value: &Value) -> bool {
    value.is_array() && is_partial(value)
}

/// Whether this, or a part of it, stands for something that was not built.
pub(crate) fn is_partial(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.values().any(is_partial),
        Value::Array(list) => list.iter().any(is_partial),
        Value::Number(number) => number.as_u64().is_some_and(|number| number >= FINGERPRINT),
        _ => false,
    }
}

type Read = fn(&mut Shares<'_>, &str) -> Value;

/// What is left to be built.
struct Shares<'a> {
    hash: &'a RandomState,
    left: Option<usize>,
}

impl<'a> Shares<'a> {
    fn new(hash: &'a RandomState) -> Self {
        Self {
            hash,
            left: Some(BUDGET),
        }
    }

    /// Whether there is that much left; once there was not, there is nothing any more.
    fn take(&mut self, shares: usize) -> bool {
        self.left = self.left.and_then(|left| left.checked_sub(shares));
        self.left.is_some()
    }

    /// Stands for what is not built.
    fn fingerprint(&self, of: impl Hash) -> Value {
        Value::from(self.hash.hash_one(of) | FINGERPRINT)
    }

    /// The chosen fields of a map.
    fn chosen(&mut self, text: &str, look: impl Fn(&str) -> Option<Read>) -> Value {
        self.map(text, look, false)
    }

    /// The chosen fields of a map, and a fingerprint of the others.
    fn compared(&mut self, text: &str, look: impl Fn(&str) -> Option<Read>) -> Value {
        self.map(text, look, true)
    }

    fn map(&mut self, text: &str, look: impl Fn(&str) -> Option<Read>, compared: bool) -> Value {
        if !text.starts_with('{') {
            return leaf(self, text);
        }
        let mut map = Map::new();
        let mut rest = self.hash.build_hasher();
        let mut is_all = self.take(MAP);
        let mut others = false;
        let readable = json::fields(text, |key, value| match look(&key) {
            Some(read) => {
                is_all = is_all && self.take(1 + key.len() / 64);
                if is_all {
                    map.insert(key.into_owned(), read(self, value));
                }
            }
            None => {
                others = true;
                if compared {
                    (key, value).hash(&mut rest);
                }
            }
        });
        if readable.is_none() || !is_all {
            return self.fingerprint(text);
        }
        if compared && others {
            map.insert(REST.to_owned(), Value::from(rest.finish() | FINGERPRINT));
        }
        Value::Object(map)
    }

    fn list(&mut self, text: &str, read: Read) -> Value {
        if !text.starts_with('[') {
            return leaf(self, text);
        }
        let mut list = Vec::new();
        let mut is_all = true;
        let readable = json::items(text, |item| {
            is_all = is_all && self.take(1);
            if is_all {
                list.push(read(self, item));
            }
        });
        if readable.is_none() || !is_all {
            return self.fingerprint(text);
        }
        Value::Array(list)
    }
}

/// A text, number, boolean or null.
fn leaf(shares: &mut Shares<'_>, text: &str) -> Value {
    let small = !text.starts_with(['{', '[']) && text.len() <= LONGEST_TEXT;
    if small && shares.take(1 + text.len() / 64) {
        // Half a surrogate pair is JSON, but no text.
        serde_json::from_str(text).unwrap_or_else(|_| shares.fingerprint(text))
    } else {
        shares.fingerprint(text)
    }
}

/// All of it, if it is of a size that ours are.
fn whole(shares: &mut Shares<'_>, text: &str) -> Option<Value> {
    (text.len() <= LONGEST_OF_OURS && shares.take(text.len()))
        .then(|| serde_json::from_str(text).ok())
        .flatten()
}

fn metadata(shares: &mut Shares<'_>, text: &str) -> Value {
    shares.chosen(text, |key| match key {
        "labels" => {
            Some(|shares, text| shares.chosen(text, |key| (key == INJECT_LABEL).then_some(leaf)))
        }
        "annotations" => Some(|shares, text| {
            let ours = [
                IMAGE_ANNOTATION,
                PORT_ANNOTATION,
                RESOURCES_ANNOTATION,
                INJECTED_ANNOTATION,
                SOURCE_ANNOTATION,
                TAKEN_OVER_ANNOTATION,
            ];
            // Whether there are others decides whether a map that we made goes again.
            shares.compared(text, |key| ours.contains(&key).then_some(leaf))
        }),
        "deletionTimestamp" => Some(leaf),
        "ownerReferences" => Some(|shares, text| {
            shares.list(text, |shares, text| {
                shares.chosen(text, |key| {
                    matches!(key, "apiVersion" | "kind").then_some(leaf)
                })
            })
        }),
        _ => None,
    })
}

fn status(shares: &mut Shares<'_>, text: &str) -> Value {
    fn conditions(shares: &mut Shares<'_>, text: &str) -> Value {
        shares.list(text, |shares, text| {
            shares.chosen(text, |key| matches!(key, "type" | "reason").then_some(leaf))
        })
    }
    shares.chosen(text, |key| {
        (key == "rollout").then_some(|shares, text| {
            shares.chosen(text, |key| {
                (key == "conditions").then_some(conditions as Read)
            })
        })
    })
}

fn spec(shares: &mut Shares<'_>, text: &str) -> Value {
    shares.compared(text, |key| match key {
        "template" => Some(template),
        "deployment" => Some(deployment),
        "dataPlaneOptions" => Some(|shares, text| {
            shares.compared(text, |key| {
                (key == "deployment").then_some(deployment as Read)
            })
        }),
        "network" => Some(|shares, text| {
            shares.chosen(text, |key| {
                (key == "konnectCertificate").then_some(leaf as Read)
            })
        }),
        _ => None,
    })
}

fn deployment(shares: &mut Shares<'_>, text: &str) -> Value {
    shares.compared(text, |key| {
        (key == "podTemplateSpec").then_some(template as Read)
    })
}

/// A pod template, on a budget of its own; all or nothing.
fn template(outer: &mut Shares<'_>, text: &str) -> Value {
    let mut shares = Shares::new(outer.hash);
    let read = shares.compared(text, |key| match key {
        "metadata" => Some(|shares, text| {
            shares.compared(text, |key| {
                (key == "annotations")
                    .then_some(|shares, text| shares.compared(text, |_| Some(leaf)))
            })
        }),
        "spec" => Some(pod_spec),
        _ => None,
    });
    if shares.left.is_some() {
        read
    } else {
        // A list is in no other way the outcome for a template.
        Value::Array(vec![shares.fingerprint(text)])
    }
}

fn pod_spec(shares: &mut Shares<'_>, text: &str) -> Value {
    shares.compared(text, |key| match key {
        "containers" | "initContainers" => Some(|shares, text| shares.list(text, container)),
        "volumes" => Some(|shares, text| shares.list(text, volume)),
        "imagePullSecrets" => {
            Some(|shares, text| shares.list(text, |shares, text| shares.compared(text, is_name)))
        }
        "hostNetwork" => Some(leaf),
        "securityContext" => {
            Some(|shares, text| shares.compared(text, |key| (key == "runAsUser").then_some(leaf)))
        }
        "resources" => {
            Some(|shares, text| whole(shares, text).unwrap_or_else(|| shares.fingerprint(text)))
        }
        _ => None,
    })
}

fn is_name(key: &str) -> Option<Read> {
    (key == "name").then_some(leaf)
}

/// A container or volume that has our name.
fn ours(shares: &mut Shares<'_>, text: &str) -> Option<Value> {
    let name = json::field(text, "name").and_then(json::string)?;
    (name == SIDECAR).then(|| whole(shares, text)).flatten()
}

fn volume(shares: &mut Shares<'_>, text: &str) -> Value {
    ours(shares, text).unwrap_or_else(|| shares.compared(text, is_name))
}

fn container(shares: &mut Shares<'_>, text: &str) -> Value {
    if let Some(ours) = ours(shares, text) {
        return ours;
    }
    shares.compared(text, |key| match key {
        "name" => Some(leaf),
        "env" => Some(env),
        "envFrom" => Some(|shares, text| shares.list(text, leaf)),
        "ports" => Some(|shares, text| {
            shares.list(text, |shares, text| {
                shares.compared(text, |key| {
                    matches!(key, "name" | "containerPort" | "protocol").then_some(leaf)
                })
            })
        }),
        _ => None,
    })
}

/// Kong's own variables, and one fingerprint of all others and of where they stand.
fn env(shares: &mut Shares<'_>, text: &str) -> Value {
    let mut list = Vec::new();
    let (mut rest, mut others, mut index) = (shares.hash.build_hasher(), false, 0_u32);
    let readable = json::items(text, |item| {
        let name = json::field(item, "name").and_then(json::string);
        if name.is_some_and(|name| name.starts_with("KONG_")) {
            if shares.take(1) {
                list.push(shares.compared(item, |key| {
                    matches!(key, "name" | "value" | "valueFrom").then_some(leaf as Read)
                }));
            }
        } else {
            others = true;
            (index, item).hash(&mut rest);
        }
        index += 1;
    });
    if readable.is_none() {
        return leaf(shares, text);
    }
    if others {
        list.push(Value::from(rest.finish() | FINGERPRINT));
    }
    Value::Array(list)
}

#[cfg(test)]
mod tests;
