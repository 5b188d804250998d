//! The writes that bring the observed to the desired state. Pure: nothing is asked, nothing is written.
//!
//! Order matters where Kong looks on. A plugin is there before a Service names it, and goes after the
//! last Service that names it has been *seen* without it; an extension is let go once nothing of it is left.

mod marks;
mod policies;

use crate::reconcile::action::{Action, Patched};
use crate::reconcile::desired::Desired;
use crate::reconcile::sources::Place;
use crate::world::observed::{
    ADDED_PLUGIN, CaConfigMap, FINALIZER, Observed, ObservedPlugin, ObservedService,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use tagalong_index::Key;
use tagalong_index::annotation::{self, PLUGINS};

/// The writes that are due, in stages: those of one stage in any order, the next only after it.
#[must_use]
pub fn due(desired: &Desired, observed: &Observed) -> Vec<Vec<Action>> {
    let mut first: Vec<Action> = desired
        .finalized
        .iter()
        .filter_map(|key| hold(key, observed))
        .collect();
    first.extend(config_maps(desired, observed));
    first.extend(policies::due(&desired.policies, observed));
    let plugins = desired
        .plugins
        .iter()
        .filter_map(|(key, (config, extension))| {
            plugin(key, config, extension, observed.plugins.get(key))
        });
    let services = observed.services.iter().filter_map(|(key, service)| {
        let patch = service_patch(service, desired.services.get(key).map(String::as_str))?;
        Some(metadata(Patched::Service, key, patch))
    });
    let marks = observed.dataplanes.iter().filter_map(|(key, dataplane)| {
        let patch = marks::dataplane(dataplane, place(key, desired))?;
        Some(metadata(Patched::DataPlane, key, patch))
    });
    // What goes from above comes from below first, or pods would be without it for a while.
    let awaited = observed.dataplanes.iter().any(|(key, dataplane)| {
        marks::is_left_alone(dataplane) && place(key, desired) == Place::Itself
    });
    let configurations = observed.configurations.iter();
    let sources = configurations.filter_map(|(key, configuration)| {
        let above = desired.placement.configurations.get(key);
        if desired.placement.held || (above.is_none() && awaited) {
            return None;
        }
        let patch = marks::configuration(configuration, above)?;
        Some(metadata(Patched::Configuration, key, patch))
    });
    let named: BTreeSet<Key> = observed
        .services
        .iter()
        .filter_map(|(key, service)| {
            Some(Key::new(key.namespace.clone(), service.added.as_deref()?))
        })
        .collect();
    let unused = observed
        .plugins
        .iter()
        .filter(|(key, plugin)| {
            plugin.extension.is_some() && !desired.plugins.contains_key(key) && !named.contains(key)
        })
        .map(|(key, plugin)| Action::DeletePlugin {
            key: key.clone(),
            version: plugin.version.clone(),
        });
    let released = observed
        .extensions
        .keys()
        .filter(|key| !desired.finalized.contains(key));
    let last = unused.chain(released.filter_map(|key| release(key, observed)));
    let stages = vec![
        first,
        plugins.collect(),
        services.chain(sources).chain(marks).collect(),
        last.collect(),
    ];
    stages
        .into_iter()
        .filter(|stage: &Vec<_>| !stage.is_empty())
        .collect()
}

fn metadata(kind: Patched, key: &Key, patch: Value) -> Action {
    let key = key.clone();
    Action::Metadata { kind, key, patch }
}

fn plugin(
    key: &Key,
    config: &Map<String, Value>,
    extension: &Key,
    stands: Option<&ObservedPlugin>,
) -> Option<Action> {
    let right = stands.is_some_and(|plugin| {
        plugin.config == *config
            && plugin.plugin == tagalong_index::PROMETHEUS
            && plugin.extension.as_deref() == Some(extension.to_string().as_str())
            && !plugin.disabled
    });
    (!right).then(|| Action::Plugin {
        key: key.clone(),
        config: config.clone(),
        extension: extension.clone(),
        version: stands.map(|plugin| plugin.version.clone()),
    })
}

/// What makes a Service name just the desired plugin of ours; none if it does.
fn service_patch(service: &ObservedService, desired: Option<&str>) -> Option<Value> {
    let ObservedService {
        version,
        plugins,
        added,
    } = service;
    let named = |plugin: &str| {
        plugins
            .as_deref()
            .is_some_and(|value| annotation::items(value).any(|item| item == plugin))
    };
    let (value, mark) = match (desired, added.as_deref()) {
        (None, None) => return None,
        (Some(desired), Some(added)) if desired == added && named(desired) => return None,
        // A person wrote it there before us: it is theirs, and stays when ours would go.
        (Some(desired), None) if named(desired) => return None,
        (Some(desired), added) => {
            let rest = match added {
                Some(added) if added != desired => annotation::without(plugins.as_deref(), added),
                _ => plugins.clone(),
            };
            (
                Some(annotation::with(rest.as_deref(), desired)),
                Some(desired),
            )
        }
        (None, Some(added)) => (annotation::without(plugins.as_deref(), added), None),
    };
    Some(json!({"metadata": {
        "resourceVersion": version,
        "annotations": {PLUGINS: value, ADDED_PLUGIN: mark},
    }}))
}

fn place(key: &Key, desired: &Desired) -> Place {
    if desired.dataplanes.contains(key) {
        let placed = desired.placement.dataplanes.get(key);
        placed.copied().unwrap_or_default()
    } else {
        Place::Nowhere
    }
}

fn config_maps(desired: &Desired, observed: &Observed) -> Vec<Action> {
    let mut actions = Vec::new();
    if let Some(bundle) = &desired.bundle {
        for namespace in &desired.namespaces {
            let stands = observed.ca.get(namespace);
            let theirs = stands.is_some_and(|stands| !stands.ours);
            if theirs || stands.and_then(|stands| stands.bundle.as_ref()) == Some(bundle) {
                continue;
            }
            actions.push(Action::ConfigMap {
                namespace: namespace.clone(),
                bundle: bundle.clone(),
                version: stands.map(|stands| stands.version.clone()),
            });
        }
    }
    let unused = |(namespace, stands): &(&String, &CaConfigMap)| {
        stands.ours && !desired.namespaces.contains(*namespace)
    };
    actions.extend(
        observed
            .ca
            .iter()
            .filter(unused)
            .map(|(namespace, stands)| Action::DeleteConfigMap {
                namespace: namespace.clone(),
                version: stands.version.clone(),
            }),
    );
    actions
}

fn hold(key: &Key, observed: &Observed) -> Option<Action> {
    let metadata = &observed.extensions.get(key)?.metadata;
    let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
    let held = finalizers.iter().any(|finalizer| finalizer == FINALIZER);
    // An object that is being deleted takes no new finalizer.
    if held || metadata.deletion_timestamp.is_some() {
        return None;
    }
    finalizers.push(FINALIZER.to_owned());
    Some(self::finalizers(
        key,
        metadata.resource_version.as_deref(),
        &finalizers,
    ))
}

fn release(key: &Key, observed: &Observed) -> Option<Action> {
    let metadata = &observed.extensions.get(key)?.metadata;
    let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
    let before = finalizers.len();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    let left = observed
        .plugins
        .values()
        .any(|plugin| plugin.extension.as_deref() == Some(key.to_string().as_str()));
    if finalizers.len() == before || left {
        return None;
    }
    Some(self::finalizers(
        key,
        metadata.resource_version.as_deref(),
        &finalizers,
    ))
}

fn finalizers(key: &Key, version: Option<&str>, finalizers: &[String]) -> Action {
    let finalizers = if finalizers.is_empty() {
        Value::Null
    } else {
        json!(finalizers)
    };
    let patch = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
    metadata(Patched::Extension, key, patch)
}

#[cfg(test)]
mod tests;
