//! The objects that the reconcilers write, as the watches last saw them: no more of each than decides
//! whether a write is due.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};
use kube::{Resource, ResourceExt as _};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use tagalong_crds as crds;
use tagalong_index::{Key, ObjectKind};
use tagalong_wire::contract::{
    CA_KEY, IMAGE_ANNOTATION, INJECT_LABEL, INJECTED_ANNOTATION, MANAGED_BY, MANAGED_BY_LABEL,
    PORT_ANNOTATION, RESOURCES_ANNOTATION, SIDECAR, SOURCE_ANNOTATION,
};

/// On a Service: the plugin that we added to its `konghq.com/plugins`. What a person put there has none.
pub const ADDED_PLUGIN: &str = "tagalong.dev/added-plugin";
/// On a DataPlane: that the label `tagalong.dev/inject` is ours. What a person put there has none.
pub const ADDED_LABEL: &str = "tagalong.dev/added-inject-label";
/// The value of [`ADDED_LABEL`] on a DataPlane to which the sidecar of its configuration did not come down.
pub const NOT_COPIED: &str = "not-copied";
/// On a KongPlugin: the extension that it was made for, as `namespace/name`.
pub const EXTENSION: &str = "tagalong.dev/extension";
/// On an extension, while something of it remains in other objects.
pub const FINALIZER: &str = "tagalong.dev/leave-as-found";
/// The policy type that isolates pods from whoever is not admitted.
pub const INGRESS: &str = "Ingress";

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedService {
    /// Its version.
    pub version: String,
    /// The annotation `konghq.com/plugins`.
    pub plugins: Option<String>,
    /// What we added to it.
    pub added: Option<String>,
}

/// A KongPlugin of ours.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedPlugin {
    /// Its version.
    pub version: String,
    /// Which Kong plugin it is.
    pub plugin: String,
    /// Its settings.
    pub config: Map<String, Value>,
    /// The extension that it was made for.
    pub extension: Option<String>,
    /// Whether someone turned it off.
    pub disabled: bool,
}

/// A DataPlane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedDataPlane {
    /// Its version.
    pub version: String,
    /// The label that asks for the sidecar.
    pub label: Option<String>,
    /// Whether we put it there.
    pub added: bool,
    /// Whether we did so because the sidecar did not come down: [`NOT_COPIED`].
    pub not_copied: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether a Gateway owns it.
    pub of_gateway: bool,
    /// Whether something of the sidecar is decided by its own annotations.
    pub overrides: bool,
    /// Whether it was told that its sidecar comes from above.
    pub source: bool,
    /// The marker of the sidecar in its pod template; none if there is no sidecar, or only a part of it.
    pub injected: Option<String>,
    /// Whether somebody has taken a part of the sidecar out, as by replacing a list while no webhook answered.
    pub torn: bool,
}

/// A GatewayConfiguration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedConfiguration {
    /// Its version.
    pub version: String,
    /// The label that asks for the sidecar.
    pub label: Option<String>,
    /// Whether we put it there.
    pub added: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether the sidecar is in it.
    pub injected: bool,
    /// The extensions that it names.
    pub extensions: Vec<crds::ExtensionRef>,
}

/// A ConfigMap named [`CA_CONFIG_MAP`](tagalong_wire::contract::CA_CONFIG_MAP).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaConfigMap {
    /// Its version.
    pub version: String,
    /// The certificates in it.
    pub bundle: Option<String>,
    /// Whether it is ours.
    pub ours: bool,
}

/// A NetworkPolicy, as it was last seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedPolicy {
    /// Its version.
    pub version: String,
    /// Its UID.
    pub uid: String,
    /// Whether it is ours.
    pub ours: bool,
    /// What it says.
    pub spec: NetworkPolicySpec,
    /// Whose it is.
    pub owners: Vec<OwnerReference>,
}

impl ObservedPolicy {
    /// What is kept of a NetworkPolicy.
    #[must_use]
    pub fn of(policy: &NetworkPolicy) -> Self {
        Self {
            version: policy.resource_version().unwrap_or_default(),
            uid: policy.uid().unwrap_or_default(),
            ours: policy.labels().get(MANAGED_BY_LABEL).map(String::as_str) == Some(MANAGED_BY),
            spec: policy.spec.clone().unwrap_or_default(),
            owners: policy.owner_references().to_vec(),
        }
    }

    /// Whether pods that it selects are reached only by whom some policy admits.
    #[must_use]
    pub fn isolates(&self) -> bool {
        let types = self.spec.policy_types.as_deref().unwrap_or_default();
        !self.ours && (types.is_empty() || types.iter().any(|kind| kind == INGRESS))
    }

    /// The pods that it is about.
    #[must_use]
    pub fn selector(&self) -> LabelSelector {
        self.spec.pod_selector.clone().unwrap_or_default()
    }
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Every Service.
    pub services: HashMap<Key, ObservedService>,
    /// KongPlugins that are ours.
    pub plugins: BTreeMap<Key, ObservedPlugin>,
    /// Every DataPlane.
    pub dataplanes: BTreeMap<Key, ObservedDataPlane>,
    /// Every GatewayConfiguration.
    pub configurations: BTreeMap<Key, ObservedConfiguration>,
    /// Every extension.
    pub extensions: BTreeMap<Key, crds::DataPlaneMetricsExtension>,
    /// Every NetworkPolicy.
    pub policies: BTreeMap<Key, ObservedPolicy>,
    /// By namespace.
    pub ca: BTreeMap<String, CaConfigMap>,
}

/// How an object of one kind is observed. Each call returns whether a reconcile pass is due.
pub trait Observe: Sized {
    /// The kind in the index.
    const INDEXED: ObjectKind;
    /// The object is new or has changed.
    fn seen(&self, observed: &mut Observed) -> bool;
    /// The object is gone.
    fn gone(observed: &mut Observed, key: &Key) -> bool;
    /// All objects of the kind are about to be seen anew.
    fn forget(observed: &mut Observed);
}

/// The name and namespace of an object.
pub fn key<K: Resource>(object: &K) -> Key {
    Key::new(object.namespace().unwrap_or_default(), object.name_any())
}

fn version<K: Resource>(object: &K) -> String {
    object.resource_version().unwrap_or_default()
}

impl Observe for crds::Service {
    const INDEXED: ObjectKind = ObjectKind::Service;

    fn seen(&self, observed: &mut Observed) -> bool {
        let annotation = |name: &str| self.annotations().get(name).cloned();
        let service = ObservedService {
            version: version(self),
            plugins: annotation(tagalong_index::annotation::PLUGINS),
            added: annotation(ADDED_PLUGIN),
        };
        let old = observed.services.insert(key(self), service.clone());
        old.is_none_or(|old| old.plugins != service.plugins || old.added != service.added)
    }

    fn gone(observed: &mut Observed, key: &Key) -> bool {
        observed.services.remove(key).is_some()
    }

    fn forget(observed: &mut Observed) {
        observed.services.clear();
    }
}

impl Observe for crds::KongPlugin {
    const INDEXED: ObjectKind = ObjectKind::Plugin;

    fn seen(&self, observed: &mut Observed) -> bool {
        let key = key(self);
        if self.labels().get(MANAGED_BY_LABEL).map(String::as_str) != Some(MANAGED_BY) {
            return observed.plugins.remove(&key).is_some();
        }
        let plugin = ObservedPlugin {
            version: version(self),
            plugin: self.plugin.clone(),
            config: self.config.clone(),
            extension: self.annotations().get(EXTENSION).cloned(),
            disabled: self.disabled,
        };
        observed.plugins.insert(key, plugin.clone()) != Some(plugin)
    }

    fn gone(observed: &mut Observed, key: &Key) -> bool {
        observed.plugins.remove(key).is_some()
    }

    fn forget(observed: &mut Observed) {
        observed.plugins.clear();
    }
}

impl Observe for crds::DataPlane {
    const INDEXED: ObjectKind = ObjectKind::DataPlane;

    fn seen(&self, observed: &mut Observed) -> bool {
        let dataplane = ObservedDataPlane {
            version: version(self),
            label: self.labels().get(INJECT_LABEL).cloned(),
            added: self.annotations().contains_key(ADDED_LABEL),
            not_copied: self.annotations().get(ADDED_LABEL).map(String::as_str) == Some(NOT_COPIED),
            deleting: self.metadata.deletion_timestamp.is_some(),
            of_gateway: self.owner_references().iter().any(|owner| {
                owner.kind == "Gateway"
                    && owner.api_version.split('/').next() == Some(crds::GATEWAY_API)
            }),
            overrides: [IMAGE_ANNOTATION, RESOURCES_ANNOTATION, PORT_ANNOTATION]
                .iter()
                .any(|name| self.annotations().contains_key(*name)),
            source: self.annotations().contains_key(SOURCE_ANNOTATION),
            injected: sidecar(&self.spec),
            torn: marker(&self.spec).is_some() && sidecar(&self.spec).is_none(),
        };
        let old = observed.dataplanes.insert(key(self), dataplane.clone());
        old.is_none_or(|mut old| {
            old.version.clone_from(&dataplane.version);
            old != dataplane
        })
    }

    fn gone(observed: &mut Observed, key: &Key) -> bool {
        observed.dataplanes.remove(key).is_some()
    }

    fn forget(observed: &mut Observed) {
        observed.dataplanes.clear();
    }
}

/// The marker of the sidecar, if all of it is there.
fn sidecar(options: &crds::DataPlaneOptions) -> Option<String> {
    let template = &options.deployment.pod_template_spec;
    let whole = template.has_container(SIDECAR) && template.has_volume(SIDECAR);
    marker(options).filter(|_| whole).cloned()
}

fn marker(options: &crds::DataPlaneOptions) -> Option<&String> {
    let template = &options.deployment.pod_template_spec;
    template.metadata.annotations.get(INJECTED_ANNOTATION)
}

impl Observe for crds::GatewayConfiguration {
    const INDEXED: ObjectKind = ObjectKind::GatewayConfiguration;

    fn seen(&self, observed: &mut Observed) -> bool {
        let options = self.spec.control_plane_options.iter();
        let options = options.flat_map(|options| &options.extensions);
        let configuration = ObservedConfiguration {
            version: version(self),
            label: self.labels().get(INJECT_LABEL).cloned(),
            added: self.annotations().contains_key(ADDED_LABEL),
            deleting: self.metadata.deletion_timestamp.is_some(),
            injected: sidecar(&self.spec.data_plane_options).is_some(),
            extensions: self
                .spec
                .extensions
                .iter()
                .chain(options)
                .cloned()
                .collect(),
        };
        let old = observed
            .configurations
            .insert(key(self), configuration.clone());
        old.is_none_or(|mut old| {
            old.version.clone_from(&configuration.version);
            old != configuration
        })
    }

    fn gone(observed: &mut Observed, key: &Key) -> bool {
        observed.configurations.remove(key).is_some()
    }

    fn forget(observed: &mut Observed) {
        observed.configurations.clear();
    }
}

impl Observe for crds::DataPlaneMetricsExtension {
    const INDEXED: ObjectKind = ObjectKind::Extension;

    fn seen(&self, observed: &mut Observed) -> bool {
        let metadata = |object: &Self| {
            let mut metadata = object.metadata.clone();
            (metadata.resource_version, metadata.managed_fields) = (None, None);
            metadata
        };
        // The status is for us to write, and no reason for another pass.
        let old = observed.extensions.insert(key(self), self.clone());
        old.is_none_or(|old| metadata(&old) != metadata(self))
    }

    fn gone(observed: &mut Observed, key: &Key) -> bool {
        observed.extensions.remove(key).is_some()
    }

    fn forget(observed: &mut Observed) {
        observed.extensions.clear();
    }
}

/// ConfigMaps and NetworkPolicies are no matter of the index.
impl Observed {
    /// The NetworkPolicy is new or has changed. Returns whether a reconcile pass is due.
    pub fn policy_seen(&mut self, policy: &NetworkPolicy) -> bool {
        let seen = ObservedPolicy::of(policy);
        self.policies.insert(key(policy), seen.clone()) != Some(seen)
    }

    /// The ConfigMap is new or has changed. Returns whether a reconcile pass is due.
    pub fn ca_seen(&mut self, config_map: &ConfigMap) -> bool {
        let data = config_map.data.as_ref();
        let labels = config_map.labels();
        let seen = CaConfigMap {
            version: version(config_map),
            bundle: data.and_then(|data| data.get(CA_KEY).cloned()),
            ours: labels.get(MANAGED_BY_LABEL).map(String::as_str) == Some(MANAGED_BY),
        };
        let namespace = config_map.namespace().unwrap_or_default();
        self.ca.insert(namespace, seen.clone()) != Some(seen)
    }
}

/// What the reconcilers do not write, they need not observe.
macro_rules! observe {
    ($($name:ident($type:ident) $written:ident,)+) => {
        $(observe!(@$written $name $type);)+
    };
    (@written $name:ident $type:ident) => {};
    (@read $name:ident $type:ident) => {
        impl Observe for crds::$type {
            const INDEXED: ObjectKind = ObjectKind::$name;

            fn seen(&self, _: &mut Observed) -> bool {
                false
            }

            fn gone(_: &mut Observed, _: &Key) -> bool {
                false
            }

            fn forget(_: &mut Observed) {}
        }
    };
}

tagalong_index::for_each_kind!(observe);

#[cfg(test)]
mod tests;
