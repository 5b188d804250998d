//! Who is attached to whom: extensions, ControlPlanes, DataPlanes and workloads.
//!
//! References are followed from the ControlPlane only. Kong's operators copy the extensions of a GatewayConfiguration to the
//! ControlPlanes that they make (`controller/pkg/extensions/merge.go`), so what stands there is what holds; a
//! GatewayConfiguration that nobody has copied from yet is reported as such.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use crate::{
    key::{Key, Name},
    object::Source,
    records::Records,
    view::View,
};

/// Who is attached to whom, by the [`Records`].
#[derive(Debug, Default)]
pub(crate) struct Topology {
    pub(crate) attachments: BTreeMap<Key, Vec<Attachment>>,
    pub(crate) dataplanes: BTreeMap<Key, DataPlane>,
    pub(crate) views: BTreeMap<Key, View>,
    /// By Service: the extensions that select it.
    pub(crate) selected: HashMap<Key, BTreeSet<Key>>,
}

/// An extension, attached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// Where the reference stands: a ControlPlane or a workload.
    pub by: Source,
    /// The DataPlane that is driven, as far as it is known.
    pub dataplane: Option<Key>,
    /// The namespace in which the extension's Services are looked up: that of [`by`](Self::by).
    #[serde(serialize_with = "crate::key::text")]
    pub namespace: Name,
}

/// A DataPlane, or a workload that stands for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataPlane {
    /// Its name.
    pub key: Key,
    /// The objects that it is: one DataPlane, or workloads of that name.
    pub objects: Vec<Source>,
    /// Whether it has the label that asks for the sidecar.
    pub marked: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// The extensions that are attached to it, and exist.
    pub extensions: BTreeSet<Key>,
    /// The ControlPlanes that drive it.
    pub control_planes: BTreeSet<Key>,
    /// Workloads of that name that are left out, because there is a DataPlane of the same name.
    pub shadowed: Vec<Source>,
}

impl DataPlane {
    /// Whether it is a DataPlane of Kong's operators, which the operator marks, and not a workload, which a person does.
    #[must_use]
    pub fn is_managed(&self) -> bool {
        self.objects
            .iter()
            .any(|object| object.kind == crate::ObjectKind::DataPlane)
    }

    /// Whether an extension is attached to it.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        !self.extensions.is_empty()
    }
}

impl Topology {
    /// Works everything out anew. There are few such objects, and they seldom change.
    pub(crate) fn of(records: &Records) -> Self {
        let mut topology = Self::default();
        topology.dataplanes(records);
        topology.workloads(records);
        topology.control_planes(records);
        for attachments in topology.attachments.values_mut() {
            attachments.sort_unstable();
            attachments.dedup();
        }
        topology.select(records);
        topology
    }

    /// The DataPlanes that see more or less than in another topology, those that are new or gone included.
    pub(crate) fn unlike<'a>(&'a self, other: &'a Self) -> Unlike {
        Unlike {
            views: differing(&self.views, &other.views),
            dataplanes: differing(&self.dataplanes, &other.dataplanes),
            extensions: differing(&self.attachments, &other.attachments),
        }
    }

    fn dataplanes(&mut self, records: &Records) {
        for (key, object) in &records.dataplanes {
            let source = Source {
                kind: crate::ObjectKind::DataPlane,
                key: key.clone(),
            };
            let dataplane = self.dataplane(key);
            dataplane.objects.push(source);
            dataplane.marked = object.marked;
            dataplane.deleting = object.deleting;
            self.views.insert(
                key.clone(),
                View {
                    gateways: object
                        .gateway
                        .clone()
                        .map(|gateway| BTreeSet::from([gateway])),
                    namespaces: object.namespaces.clone(),
                },
            );
        }
    }

    fn workloads(&mut self, records: &Records) {
        for (source, workload) in records
            .workloads
            .iter()
            .filter(|(_, workload)| workload.marked)
        {
            let key = &workload.dataplane;
            if records.dataplanes.contains_key(key) {
                self.dataplane(key).shadowed.push(source.clone());
                continue;
            }
            let dataplane = self.dataplane(key);
            let first = dataplane.objects.is_empty();
            dataplane.objects.push(source.clone());
            dataplane.marked = true;
            dataplane.deleting = workload.deleting && (first || dataplane.deleting);
            let view = self.views.entry(key.clone()).or_insert_with(|| View {
                gateways: None,
                namespaces: workload.namespaces.clone(),
            });
            merge(&mut view.namespaces, workload.namespaces.as_ref());
            let Some(extension) = workload.extension.as_ref().filter(|_| !workload.deleting) else {
                continue;
            };
            self.attach(records, extension, source, Some(key));
        }
    }

    fn control_planes(&mut self, records: &Records) {
        let mut watched: BTreeMap<&Key, Option<BTreeSet<Name>>> = BTreeMap::new();
        for (key, control_plane) in records
            .control_planes
            .iter()
            .filter(|(_, control_plane)| !control_plane.deleting)
        {
            let source = Source {
                kind: crate::ObjectKind::ControlPlane,
                key: key.clone(),
            };
            let dataplane = control_plane.dataplane.as_ref();
            if let Some((name, object)) =
                dataplane.and_then(|name| records.dataplanes.get_key_value(name))
            {
                self.dataplane(name).control_planes.insert(key.clone());
                let namespaces = watched
                    .entry(name)
                    .or_insert_with(|| control_plane.namespaces.clone());
                merge(namespaces, control_plane.namespaces.as_ref());
                if let Some(view) = self
                    .views
                    .get_mut(name)
                    .filter(|_| object.namespaces.is_none())
                {
                    view.namespaces.clone_from(namespaces);
                }
            }
            for extension in &control_plane.extensions {
                self.attach(records, extension, &source, dataplane);
            }
        }
    }

    fn attach(&mut self, records: &Records, extension: &Key, by: &Source, dataplane: Option<&Key>) {
        if let Some(attached) = dataplane.and_then(|name| self.dataplanes.get_mut(name))
            && records
                .extensions
                .get(extension)
                .is_some_and(|extension| !extension.deleting)
        {
            attached.extensions.insert(extension.clone());
        }
        self.attachments
            .entry(extension.clone())
            .or_default()
            .push(Attachment {
                by: by.clone(),
                dataplane: dataplane.cloned(),
                namespace: Name::clone(&by.key.namespace),
            });
    }

    fn select(&mut self, records: &Records) {
        for (key, attachments) in &self.attachments {
            let Some(extension) = records
                .extensions
                .get(key)
                .filter(|extension| !extension.deleting)
            else {
                continue;
            };
            for attachment in attachments {
                for name in &extension.names {
                    let service = Key {
                        namespace: Name::clone(&attachment.namespace),
                        name: Name::clone(name),
                    };
                    self.selected
                        .entry(service)
                        .or_default()
                        .insert(key.clone());
                }
            }
        }
    }

    fn dataplane(&mut self, key: &Key) -> &mut DataPlane {
        self.dataplanes
            .entry(key.clone())
            .or_insert_with(|| DataPlane {
                key: key.clone(),
                objects: Vec::new(),
                marked: false,
                deleting: false,
                extensions: BTreeSet::new(),
                control_planes: BTreeSet::new(),
                shadowed: Vec::new(),
            })
    }
}

/// What differs between two topologies.
#[derive(Debug)]
pub(crate) struct Unlike {
    pub(crate) views: BTreeSet<Key>,
    pub(crate) dataplanes: BTreeSet<Key>,
    pub(crate) extensions: BTreeSet<Key>,
}

fn differing<T: PartialEq>(one: &BTreeMap<Key, T>, other: &BTreeMap<Key, T>) -> BTreeSet<Key> {
    let keys = one.keys().chain(other.keys());
    keys.filter(|key| one.get(*key) != other.get(*key))
        .cloned()
        .collect()
}

// All namespaces, as soon as one watches all.
fn merge(into: &mut Option<BTreeSet<Name>>, other: Option<&BTreeSet<Name>>) {
    match (into.as_mut(), other) {
        (Some(namespaces), Some(more)) => namespaces.extend(more.iter().cloned()),
        _ => *into = None,
    }
}
