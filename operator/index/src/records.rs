//! What is kept of each object that is no route.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::{Resource, ResourceExt as _};
use tagalong_crds as crds;
use tagalong_crds::{DataPlaneRef, ExtensionRef, GATEWAY_API, GATEWAY_OPERATOR, MetricsConfig};
use tagalong_wire::contract::{
    DATAPLANE_LABEL, EXTENSION_ANNOTATION, INJECT_ENABLED, INJECT_LABEL,
    WATCH_NAMESPACES_ANNOTATION,
};

use crate::{
    key::{Interner, Key, Name},
    object::Source,
    selector::Selector,
};

/// The objects that say who is attached to whom.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) extensions: BTreeMap<Key, Extension>,
    pub(crate) control_planes: BTreeMap<Key, ControlPlane>,
    pub(crate) configurations: BTreeMap<Key, Configuration>,
    pub(crate) dataplanes: BTreeMap<Key, DataPlaneObject>,
    pub(crate) workloads: BTreeMap<Source, Workload>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) uid: Option<Name>,
    pub(crate) generation: i64,
    pub(crate) config: MetricsConfig,
    pub(crate) names: BTreeSet<Name>,
    pub(crate) deleting: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ControlPlane {
    pub(crate) extensions: Vec<Key>,
    pub(crate) dataplane: Option<Key>,
    pub(crate) namespaces: Option<BTreeSet<Name>>,
    pub(crate) deleting: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// The extensions that it names, as if it were in the ControlPlane's namespace: a ControlPlane holds a copy.
    pub(crate) extensions: Vec<(Option<Name>, Name)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataPlaneObject {
    /// The value of the selector label on its pods.
    pub(crate) selector: Option<Name>,
    /// The Gateway that owns it.
    pub(crate) gateway: Option<Key>,
    pub(crate) namespaces: Option<BTreeSet<Name>>,
    pub(crate) marked: bool,
    pub(crate) deleting: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) dataplane: Key,
    pub(crate) extension: Option<Key>,
    pub(crate) selector: Selector,
    pub(crate) uid: Option<Name>,
    pub(crate) namespaces: Option<BTreeSet<Name>>,
    pub(crate) marked: bool,
    pub(crate) deleting: bool,
}

/// The annotations of a Service that Kong's controllers compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) annotations: BTreeMap<Name, Name>,
}

impl Extension {
    pub(crate) fn of(extension: &crds::DataPlaneMetricsExtension, names: &mut Interner) -> Self {
        Self {
            uid: extension.uid().as_deref().map(Name::from),
            generation: extension.metadata.generation.unwrap_or_default(),
            config: extension.spec.config.unwrap_or_default(),
            names: extension
                .spec
                .service_selector
                .match_names
                .iter()
                .map(|name| names.name(&name.name))
                .collect(),
            deleting: deleting(extension),
        }
    }
}

impl ControlPlane {
    pub(crate) fn of(control_plane: &crds::ControlPlane, names: &mut Interner) -> Self {
        let own = control_plane.namespace().unwrap_or_default();
        let spec = &control_plane.spec;
        let dataplane = match &spec.dataplane {
            Some(DataPlaneRef::Name(name)) => Some(name.as_str()),
            Some(DataPlaneRef::Ref {
                r#ref: Some(name), ..
            }) => Some(name.name.as_str()),
            // managedByOwner: only Kong Operator knows which, and says so.
            Some(DataPlaneRef::Ref { .. }) | None => None,
        };
        let found = control_plane
            .status
            .data_plane
            .as_ref()
            .map(|name| name.name.as_str());
        let watched =
            spec.watch_namespaces
                .as_ref()
                .and_then(|watch| match watch.r#type.as_str() {
                    "own" => Some(BTreeSet::from([names.name(&own)])),
                    "list" => {
                        let list = watch.list.iter().map(String::as_str).chain([own.as_str()]);
                        Some(list.map(|name| names.name(name)).collect())
                    }
                    _ => None,
                });
        Self {
            extensions: spec
                .extensions
                .iter()
                .filter(|reference| is_ours(reference))
                .fold(Vec::new(), |mut all, one| {
                    let key = names.key(one.namespace.as_deref().unwrap_or(&own), &one.name);
                    if !all.contains(&key) {
                        all.push(key);
                    }
                    all
                }),
            dataplane: dataplane
                .or(found)
                .filter(|name| !name.is_empty())
                .map(|name| names.key(&own, name)),
            namespaces: watched,
            deleting: deleting(control_plane),
        }
    }
}

impl Configuration {
    pub(crate) fn of(configuration: &crds::GatewayConfiguration, names: &mut Interner) -> Self {
        let options = configuration
            .spec
            .control_plane_options
            .iter()
            .flat_map(|options| &options.extensions);
        let all = configuration.spec.extensions.iter().chain(options);
        let mut extensions: Vec<_> = all
            .filter(|reference| is_ours(reference))
            .map(|reference| {
                (
                    reference.namespace.as_deref().map(|name| names.name(name)),
                    names.name(&reference.name),
                )
            })
            .collect();
        extensions.sort_unstable();
        extensions.dedup();
        Self { extensions }
    }
}

impl DataPlaneObject {
    pub(crate) fn of(dataplane: &crds::DataPlane, names: &mut Interner) -> Self {
        let namespace = dataplane.namespace().unwrap_or_default();
        let gateway = dataplane.owner_references().iter().find(|owner| {
            owner.kind == "Gateway" && owner.api_version.split('/').next() == Some(GATEWAY_API)
        });
        Self {
            selector: dataplane
                .status
                .selector
                .as_deref()
                .filter(|text| !text.is_empty())
                .map(Name::from),
            gateway: gateway.map(|owner| names.key(&namespace, &owner.name)),
            namespaces: watched(dataplane, names),
            marked: is_marked(dataplane),
            deleting: deleting(dataplane),
        }
    }
}

impl Workload {
    /// None if the workload is a DataPlane's own.
    pub(crate) fn of<K: Resource>(
        workload: &K,
        selector: Selector,
        names: &mut Interner,
    ) -> Option<Self> {
        let owned = workload.owner_references().iter().any(|owner| {
            owner.kind == "DataPlane"
                && owner.api_version.split('/').next() == Some(GATEWAY_OPERATOR)
        });
        if owned {
            return None;
        }
        let namespace = workload.namespace().unwrap_or_default();
        let named = workload
            .labels()
            .get(DATAPLANE_LABEL)
            .or_else(|| workload.annotations().get(DATAPLANE_LABEL));
        let name = named
            .filter(|name| !name.is_empty())
            .cloned()
            .unwrap_or_else(|| workload.name_any());
        let extension = workload
            .annotations()
            .get(EXTENSION_ANNOTATION)
            .map(|text| text.trim());
        let extension =
            extension
                .filter(|text| !text.is_empty())
                .map(|text| match text.split_once('/') {
                    Some((namespace, name)) => names.key(namespace, name),
                    None => names.key(&namespace, text),
                });
        Some(Self {
            dataplane: names.key(&namespace, &name),
            extension,
            selector,
            uid: workload.uid().as_deref().map(Name::from),
            namespaces: watched(workload, names),
            marked: is_marked(workload),
            deleting: deleting(workload),
        })
    }
}

impl Service {
    pub(crate) fn of(service: &crds::Service, names: &mut Interner) -> Self {
        // The prefix is not `konghq.com/`: Kong's controllers compare everything that begins so.
        let compared = service
            .annotations()
            .iter()
            .filter(|(key, _)| key.starts_with("konghq.com"));
        Self {
            annotations: compared
                .map(|(key, value)| (names.name(key), Name::from(value.as_str())))
                .collect(),
        }
    }
}

fn is_ours(reference: &ExtensionRef) -> bool {
    reference.kind == "DataPlaneMetricsExtension"
        && reference
            .group
            .as_deref()
            .is_none_or(|group| group == GATEWAY_OPERATOR)
        && !reference.name.is_empty()
}

fn is_marked<K: Resource>(object: &K) -> bool {
    object
        .labels()
        .get(INJECT_LABEL)
        .is_some_and(|value| value == INJECT_ENABLED)
}

fn deleting<K: Resource>(object: &K) -> bool {
    object.meta().deletion_timestamp.is_some()
}

fn watched<K: Resource>(object: &K, names: &mut Interner) -> Option<BTreeSet<Name>> {
    let list = object.annotations().get(WATCH_NAMESPACES_ANNOTATION)?;
    Some(
        list.split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(|name| names.name(name))
            .collect(),
    )
}
