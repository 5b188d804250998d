//! What is to be written so that the world is as wanted. Pure: nothing is asked, nothing is written.
//!
//! Order matters where Kong looks on. A plugin is there before a Service names it, and goes after the
//! last Service that names it has been *seen* without it; an extension is let go once nothing of it is left.

use crate::reconcile::observed::{
    ADDED_LABEL, ADDED_PLUGIN, CaConfigMap, DataPlane, FINALIZER, Observed, Plugin, Service,
};
use crate::reconcile::policies;
use crate::reconcile::subject::{Subject, SubjectKind};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tagalong_index::Key;
use tagalong_index::annotation::{self, PLUGINS};
use tagalong_wire::contract::{CA_CONFIG_MAP, INJECT_ENABLED, INJECT_LABEL};

/// What tagalong wants of the objects that it writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// KongPlugins: their settings, and the extension that each is for.
    pub plugins: BTreeMap<Key, (Map<String, Value>, Key)>,
    /// Services, and the plugin that each is to name.
    pub services: BTreeMap<Key, String>,
    /// DataPlanes that are to have the sidecar.
    pub dataplanes: BTreeSet<Key>,
    /// Namespaces whose pods need the certificate authority.
    pub namespaces: BTreeSet<String>,
    /// Extensions that something in other objects is for.
    pub held: BTreeSet<Key>,
    /// NetworkPolicies that admit to sidecars.
    pub policies: BTreeMap<Key, policies::Wanted>,
    /// What sidecars are to trust, once it is known.
    pub bundle: Option<String>,
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Makes a KongPlugin, or makes it right. The version: of the one that stands.
    Plugin {
        /// Which.
        key: Key,
        /// Its settings.
        config: Map<String, Value>,
        /// The extension that it is for.
        extension: Key,
        /// The version that stands; none to make it.
        version: Option<String>,
    },
    /// Deletes a KongPlugin of ours.
    DeletePlugin {
        /// Which.
        key: Key,
        /// The version that stands.
        version: String,
    },
    /// Changes metadata by merge patch, if nobody changed the object in between.
    Metadata {
        /// Of which kind.
        kind: Patched,
        /// Which.
        key: Key,
        /// The patch, with the version that stands.
        patch: Value,
    },
    /// Makes the ConfigMap of a namespace, or makes it right.
    ConfigMap {
        /// Where.
        namespace: String,
        /// The certificates.
        bundle: String,
        /// The version that stands; none to make it.
        version: Option<String>,
    },
    /// Deletes the ConfigMap of a namespace.
    DeleteConfigMap {
        /// Where.
        namespace: String,
        /// The version that stands.
        version: String,
    },
    /// Makes a NetworkPolicy, or makes it right.
    Policy {
        /// Which.
        key: Key,
        /// What is wanted of it.
        wanted: Box<policies::Wanted>,
        /// The version that stands; none to make it.
        version: Option<String>,
    },
    /// Deletes a NetworkPolicy of ours.
    DeletePolicy {
        /// Which.
        key: Key,
        /// The version that stands.
        version: String,
    },
}

impl Action {
    /// The KongPlugin that a Service names by it, which must be there before.
    #[must_use]
    pub fn names(&self) -> Option<Key> {
        let Self::Metadata { kind, key, patch } = self else {
            return None;
        };
        let plugin = patch["metadata"]["annotations"][ADDED_PLUGIN].as_str()?;
        (*kind == Patched::Service).then(|| Key::new(key.namespace.clone(), plugin))
    }
}

/// A kind whose metadata is patched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patched {
    /// Service.
    Service,
    /// DataPlane.
    DataPlane,
    /// DataPlaneMetricsExtension.
    Extension,
}

impl Action {
    /// The object that it writes.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::Plugin { key, .. } | Self::DeletePlugin { key, .. } => {
                SubjectKind::Plugin.at(key)
            }
            Self::Metadata { kind, key, .. } => match kind {
                Patched::Service => SubjectKind::Service.at(key),
                Patched::DataPlane => SubjectKind::DataPlane.at(key),
                Patched::Extension => SubjectKind::Extension.at(key),
            },
            Self::Policy { key, .. } | Self::DeletePolicy { key, .. } => {
                SubjectKind::Policy.at(key)
            }
            Self::ConfigMap { namespace, .. } | Self::DeleteConfigMap { namespace, .. } => {
                SubjectKind::ConfigMap.at(&Key::new(namespace.as_str(), CA_CONFIG_MAP))
            }
        }
    }
}

/// The writes that are due, in stages: those of one stage in any order, the next only after it.
#[must_use]
pub fn due(wanted: &Wanted, observed: &Observed) -> Vec<Vec<Action>> {
    let mut first: Vec<Action> = wanted
        .held
        .iter()
        .filter_map(|key| hold(key, observed))
        .collect();
    first.extend(config_maps(wanted, observed));
    first.extend(policies::due(&wanted.policies, observed));
    let plugins = wanted
        .plugins
        .iter()
        .filter_map(|(key, (config, extension))| {
            plugin(key, config, extension, observed.plugins.get(key))
        });
    let services = observed.services.iter().filter_map(|(key, service)| {
        let patch = service_patch(service, wanted.services.get(key).map(String::as_str))?;
        Some(metadata(Patched::Service, key, patch))
    });
    let marks = observed.dataplanes.iter().filter_map(|(key, dataplane)| {
        let patch = mark_patch(dataplane, wanted.dataplanes.contains(key))?;
        Some(metadata(Patched::DataPlane, key, patch))
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
            plugin.extension.is_some() && !wanted.plugins.contains_key(key) && !named.contains(key)
        })
        .map(|(key, plugin)| Action::DeletePlugin {
            key: key.clone(),
            version: plugin.version.clone(),
        });
    let released = observed
        .extensions
        .keys()
        .filter(|key| !wanted.held.contains(key));
    let last = unused.chain(released.filter_map(|key| release(key, observed)));
    let stages = vec![
        first,
        plugins.collect(),
        services.chain(marks).collect(),
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
    stands: Option<&Plugin>,
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

/// What makes a Service name just the wanted plugin of ours; none if it does.
fn service_patch(service: &Service, wanted: Option<&str>) -> Option<Value> {
    let Service {
        version,
        plugins,
        added,
    } = service;
    let named = |plugin: &str| {
        plugins
            .as_deref()
            .is_some_and(|value| annotation::items(value).any(|item| item == plugin))
    };
    let (value, mark) = match (wanted, added.as_deref()) {
        (None, None) => return None,
        (Some(wanted), Some(added)) if wanted == added && named(wanted) => return None,
        // A person wrote it there before us: it is theirs, and stays when ours would go.
        (Some(wanted), None) if named(wanted) => return None,
        (Some(wanted), added) => {
            let rest = match added {
                Some(added) if added != wanted => annotation::without(plugins.as_deref(), added),
                _ => plugins.clone(),
            };
            (
                Some(annotation::with(rest.as_deref(), wanted)),
                Some(wanted),
            )
        }
        (None, Some(added)) => (annotation::without(plugins.as_deref(), added), None),
    };
    Some(json!({"metadata": {
        "resourceVersion": version,
        "annotations": {PLUGINS: value, ADDED_PLUGIN: mark},
    }}))
}

/// What puts the label on a DataPlane, or takes it off if it is ours.
fn mark_patch(dataplane: &DataPlane, wanted: bool) -> Option<Value> {
    if dataplane.deleting {
        return None;
    }
    let enabled = dataplane.label.as_deref() == Some(INJECT_ENABLED);
    let (label, added) = match (wanted, dataplane.added) {
        (true, true) if enabled => return None,
        // Whatever a person put there stands, be it `enabled` or not.
        (true, false) if dataplane.label.is_some() => return None,
        (true, _) => (json!(INJECT_ENABLED), json!("true")),
        (false, false) => return None,
        (false, true) if enabled => (Value::Null, Value::Null),
        (false, true) => (json!(dataplane.label), Value::Null),
    };
    Some(json!({"metadata": {
        "resourceVersion": dataplane.version,
        "labels": {INJECT_LABEL: label},
        "annotations": {ADDED_LABEL: added},
    }}))
}

fn config_maps(wanted: &Wanted, observed: &Observed) -> Vec<Action> {
    let mut actions = Vec::new();
    if let Some(bundle) = &wanted.bundle {
        for namespace in &wanted.namespaces {
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
        stands.ours && !wanted.namespaces.contains(*namespace)
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
