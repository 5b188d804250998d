//! A pod template, read as far as the sidecar's place in it needs.

use serde_json::Value;
use tagalong_wire::contract::{PORT_NAME, SIDECAR};

use super::kind::Kind;
use super::refusal::Refusal;

/// The parts of a pod template that were found to have the types that Kubernetes gives them.
pub(super) struct Pod<'a> {
    /// `spec.containers`.
    pub(super) containers: &'a [Value],
    /// `spec.initContainers`.
    pub(super) init_containers: &'a [Value],
    /// `spec.hostNetwork`.
    pub(super) host_network: bool,
    /// `spec.resources`.
    pub(super) resources: Option<&'a Value>,
    /// Whether its containers run as root where they do not say otherwise.
    pub(super) is_root: bool,
    volumes: &'a [Value],
}

impl<'a> Pod<'a> {
    pub(super) fn read(template: &'a Value) -> Result<Self, Refusal> {
        let spec = template
            .get("spec")
            .filter(|spec| spec.is_object())
            .ok_or(Refusal::Malformed("spec"))?;
        for path in ["/metadata", "/metadata/annotations"] {
            if template
                .pointer(path)
                .is_some_and(|map| !map.is_object() && !map.is_null())
            {
                return Err(Refusal::Malformed("metadata"));
            }
        }
        Ok(Self {
            containers: list(spec, "containers").ok_or(Refusal::Malformed("spec.containers"))?,
            init_containers: list(spec, "initContainers")
                .ok_or(Refusal::Malformed("spec.initContainers"))?,
            host_network: spec
                .get("hostNetwork")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
            resources: spec.get("resources"),
            is_root: spec.pointer("/securityContext/runAsUser") == Some(&Value::from(0)),
            volumes: list(spec, "volumes").ok_or(Refusal::Malformed("spec.volumes"))?,
        })
    }

    /// Containers of every sort: all share the pod's ports.
    pub(super) fn all_containers(&self) -> impl Iterator<Item = &'a Value> {
        self.init_containers.iter().chain(self.containers)
    }

    /// The container that runs Kong: `proxy`, as Kong's operators and charts name it, else, where no operator
    /// demands that name, the first that is configured as Kong is.
    pub(super) fn proxy(&self, kind: Kind) -> Result<&'a Value, Refusal> {
        let named = self
            .containers
            .iter()
            .find(|container| name(container) == "proxy");
        if kind.is_operated() {
            return named.ok_or(Refusal::NoProxy);
        }
        let sets = |variable: fn(&str) -> bool| {
            self.containers
                .iter()
                .find(|container| env(container).any(|entry| variable(name(entry))))
        };
        named
            .or_else(|| sets(|name| name == "KONG_STATUS_LISTEN"))
            .or_else(|| sets(|name| name.starts_with("KONG_")))
            .ok_or_else(|| {
                let hidden = self
                    .containers
                    .iter()
                    .find(|container| has_env_from(container));
                hidden.map_or(Refusal::NoProxy, |hidden| {
                    Refusal::EnvFrom(name(hidden).to_owned())
                })
            })
    }

    /// Nothing in the pod has the names of what we add.
    pub(super) fn names_are_free(&self) -> Result<(), Refusal> {
        if self
            .all_containers()
            .any(|container| name(container) == SIDECAR)
        {
            return Err(Refusal::NameTaken("container"));
        }
        if self.volumes.iter().any(|volume| name(volume) == SIDECAR) {
            return Err(Refusal::NameTaken("volume"));
        }
        if self
            .all_containers()
            .flat_map(ports)
            .any(|port| name(port) == PORT_NAME)
        {
            return Err(Refusal::NameTaken("port"));
        }
        Ok(())
    }
}

fn list<'a>(spec: &'a Value, key: &str) -> Option<&'a [Value]> {
    match spec.get(key) {
        None | Some(Value::Null) => Some(&[]),
        Some(value) => value.as_array().map(Vec::as_slice),
    }
}

/// The `name` of a container, volume, port or variable; empty when there is none.
pub(super) fn name(item: &Value) -> &str {
    item.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// The `env` of a container.
pub(super) fn env(container: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    container
        .get("env")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Whether variables come from a ConfigMap or Secret as a whole, which the webhook cannot read.
pub(super) fn has_env_from(container: &Value) -> bool {
    let from = container.get("envFrom").and_then(Value::as_array);
    from.is_some_and(|from| !from.is_empty())
}

/// The `ports` of a container.
pub(super) fn ports(container: &Value) -> impl Iterator<Item = &Value> {
    container
        .get("ports")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}
