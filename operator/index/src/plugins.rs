//! Prometheus plugins: ours, a person's own, and those of Kong Operator's built-in controller.

use std::collections::{BTreeMap, HashMap};

use kube::core::ResourceExt as _;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tagalong_crds::{KongClusterPlugin, KongPlugin, MetricsConfig};
use tagalong_wire::contract::{MANAGED_BY, MANAGED_BY_LABEL};

use crate::key::{Key, Name};

/// The Kong plugin that this is all about.
pub const PROMETHEUS: &str = "prometheus";
/// What the name of a managed plugin ends in.
const SUFFIX: &str = "-metrics-prometheus";
/// The longest name of an object.
const LONGEST: usize = 253;

/// KongPlugins and KongClusterPlugins, as far as they matter.
#[derive(Debug, Default)]
pub(crate) struct Plugins {
    pub(crate) namespaced: HashMap<Key, Plugin>,
    pub(crate) cluster: BTreeMap<Name, ClusterPlugin>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plugin {
    pub(crate) prometheus: bool,
    pub(crate) owner: Owner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Tagalong,
    /// Kong Operator's own controller of extensions.
    BuiltIn,
    Other,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClusterPlugin {
    pub(crate) prometheus: bool,
    /// The settings, if the plugin is in force everywhere; none in them if they cannot be read.
    pub(crate) global: Option<Option<Map<String, Value>>>,
}

/// The settings that a managed plugin is to have.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct PluginConfig(pub Map<String, Value>);

/// The name of an extension's managed plugin in a namespace.
///
/// An extension of another namespace is told from one of the same name by a hash, and a name that would be too long for an
/// object is cut, with a hash.
#[must_use]
pub fn plugin_name(extension: &Key, namespace: &str) -> String {
    let foreign = *extension.namespace != *namespace;
    let room = LONGEST - SUFFIX.len();
    if !foreign && extension.name.len() <= room {
        return format!("{}{SUFFIX}", extension.name);
    }
    let digest = Sha256::digest(format!("{}/{}", extension.namespace, extension.name));
    let hash = format!("{digest:.10x}");
    let kept = extension.name.len().min(room - hash.len() - 1);
    let kept = extension
        .name
        .get(..kept)
        .unwrap_or_default()
        .trim_end_matches(['.', '-']);
    format!("{kept}-{hash}{SUFFIX}")
}

impl Plugin {
    pub(crate) fn of(plugin: &KongPlugin) -> Self {
        let label = |key: &str| plugin.labels().get(key).map(String::as_str);
        let owner = if label(MANAGED_BY_LABEL) == Some(MANAGED_BY) {
            Owner::Tagalong
        } else if label("gateway-operator.konghq.com/managed-by") == Some("controlplane")
            && label("gateway-operator.konghq.com/kong-plugin-type") == Some(PROMETHEUS)
        {
            Owner::BuiltIn
        } else {
            Owner::Other
        };
        Self {
            prometheus: plugin.plugin == PROMETHEUS,
            owner,
        }
    }
}

impl ClusterPlugin {
    pub(crate) fn of(plugin: &KongClusterPlugin) -> Self {
        let prometheus = plugin.plugin == PROMETHEUS;
        let global = plugin
            .labels()
            .get("global")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let readable = plugin.config_from.is_none() && plugin.config_patches.is_empty();
        Self {
            prometheus,
            global: (prometheus && global && !plugin.disabled)
                .then(|| readable.then(|| plugin.config.clone())),
        }
    }
}

impl PluginConfig {
    /// The four flags of an extension, all written out, and everything that global plugins would have done besides.
    pub(crate) fn merged<'a>(
        wanted: MetricsConfig,
        globals: impl Iterator<Item = &'a Map<String, Value>>,
    ) -> Self {
        let mut config = Map::new();
        for global in globals {
            for (key, value) in global {
                let on = config.get(key) == Some(&Value::Bool(true));
                if !on {
                    config.insert(key.clone(), value.clone());
                }
            }
        }
        for (key, wanted) in [
            ("bandwidth_metrics", wanted.bandwidth),
            ("latency_metrics", wanted.latency),
            ("status_code_metrics", wanted.status_code),
            ("upstream_health_metrics", wanted.upstream_health),
        ] {
            let on = wanted || config.get(key) == Some(&Value::Bool(true));
            config.insert(key.to_owned(), Value::Bool(on));
        }
        Self(config)
    }
}

#[cfg(test)]
mod tests;
