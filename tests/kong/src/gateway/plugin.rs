//! Selects the instance of a plugin that applies to a request: the most specific one as a whole; settings are never
//! merged.
//!
//! From `lookup_cfg` in `kong/runloop/plugins_iterator.lua`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::{Config, Plugin, Reference};
use super::metrics::Flags;

/// All enabled instances, by name.
#[derive(Debug, Default)]
pub(crate) struct Plugins {
    by_name: BTreeMap<String, Vec<Arc<Plugin>>>,
}

/// What a request is about; ids.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scope<'a> {
    pub(crate) route: Option<&'a str>,
    pub(crate) service: Option<&'a str>,
    pub(crate) consumer: Option<&'a str>,
    pub(crate) https: bool,
}

impl Plugins {
    pub(crate) fn new(config: &Config) -> Self {
        let mut by_name: BTreeMap<String, Vec<Arc<Plugin>>> = BTreeMap::new();
        for plugin in config.plugins.iter().filter(|plugin| plugin.enabled) {
            by_name
                .entry(plugin.name.clone())
                .or_default()
                .push(plugin.clone());
        }
        Self { by_name }
    }

    pub(crate) fn any(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    pub(crate) fn find(&self, name: &str, scope: Scope<'_>) -> Option<&Arc<Plugin>> {
        self.by_name
            .get(name)?
            .iter()
            .filter(|plugin| applies(plugin, scope))
            .max_by_key(|plugin| rank(plugin))
    }
}

fn applies(plugin: &Plugin, scope: Scope<'_>) -> bool {
    let fits = |wanted: &Option<Reference>, id: Option<&str>| {
        wanted
            .as_ref()
            .is_none_or(|reference| Some(reference.id.as_str()) == id)
    };
    let protocol = if scope.https {
        ["https", "grpcs"]
    } else {
        ["http", "grpc"]
    };
    fits(&plugin.route, scope.route)
        && fits(&plugin.service, scope.service)
        && fits(&plugin.consumer, scope.consumer)
        && plugin.consumer_group.is_none()
        && plugin
            .protocols
            .iter()
            .any(|name| protocol.contains(&name.as_str()))
}

/// Route, service and consumer; route and consumer; service and consumer; route and service; then each alone.
fn rank(plugin: &Plugin) -> u8 {
    match (
        plugin.route.is_some(),
        plugin.service.is_some(),
        plugin.consumer.is_some(),
    ) {
        (true, true, true) => 7,
        (true, false, true) => 6,
        (false, true, true) => 5,
        (true, true, false) => 4,
        (false, false, true) => 3,
        (true, false, false) => 2,
        (false, true, false) => 1,
        (false, false, false) => 0,
    }
}

impl Flags {
    /// The flags of a `prometheus` instance.
    pub(crate) fn of(plugin: &Plugin) -> Self {
        let on = |field: &str| {
            plugin
                .config
                .get(field)
                .and_then(serde_json::Value::as_bool)
                .unwrap_or_default()
        };
        Self {
            per_consumer: on("per_consumer"),
            status_code_metrics: on("status_code_metrics"),
            latency_metrics: on("latency_metrics"),
            bandwidth_metrics: on("bandwidth_metrics"),
            upstream_health_metrics: on("upstream_health_metrics"),
        }
    }
}

#[cfg(test)]
mod tests;
