//! The index: objects in, what follows from them out.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement;
use tagalong_wire as wire;

mod routes;
mod touched;

use crate::{
    changes::Changes,
    dependents::Dependents,
    fellows::Fellows,
    holds::Holds,
    key::{Interner, Key, Name},
    names::NameIndex,
    object::{Object, ObjectKind, Source},
    plugins::{ClusterPlugin, Plugin, Plugins},
    pods::{Pod, Pods},
    records::{
        Configuration, ControlPlane, DataPlaneObject, Extension, Records, Service, Workload,
    },
    referents::{Grant, Listeners, Policy, Referents},
    selector::Selector,
    settings::Settings,
    tables::{Before, Tables},
    topology::{Attachment, DataPlane, Topology},
    view::View,
};

/// Cluster objects in, label tables, plans and pods out.
///
/// Objects come in any order and as often as one likes; what is derived depends only on what is in.
#[derive(Debug)]
pub struct Index {
    settings: Settings,
    interner: Interner,
    pub(crate) names: NameIndex,
    pub(crate) fellows: Fellows,
    pub(crate) records: Records,
    pub(crate) topology: Topology,
    pub(crate) referents: Referents,
    pub(crate) dependents: Dependents,
    pub(crate) holds: Holds,
    pub(crate) plugins: Plugins,
    pods: Pods,
    pub(crate) tables: Tables,
}

/// What one call has changed so far.
#[derive(Debug, Default)]
struct Work {
    changes: Changes,
    before: Before,
    /// Somebody may be attached to somebody else now.
    attached: bool,
    /// In these namespaces, pods may belong to somebody else now.
    pods: BTreeSet<Name>,
}

impl Index {
    /// An empty index.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            interner: Interner::default(),
            names: NameIndex::default(),
            fellows: Fellows::default(),
            records: Records::default(),
            topology: Topology::default(),
            referents: Referents::default(),
            dependents: Dependents::default(),
            holds: Holds::default(),
            plugins: Plugins::default(),
            pods: Pods::default(),
            tables: Tables::default(),
        }
    }

    /// An object is new, or another now.
    pub fn apply(&mut self, object: impl Into<Object>) -> Changes {
        let mut work = Work::default();
        self.put(&object.into(), &mut work);
        self.finish(work)
    }

    /// An object is gone.
    pub fn delete(&mut self, kind: ObjectKind, key: &Key) -> Changes {
        let mut work = Work::default();
        self.remove(kind, key, &mut work);
        self.finish(work)
    }

    /// These are all objects of a kind that there are: others are gone.
    pub fn reset(&mut self, kind: ObjectKind, objects: Vec<Object>) -> Changes {
        let mut work = Work::default();
        let mut here = HashSet::with_capacity(objects.len());
        for object in objects {
            if object.kind() == kind {
                here.insert(object.key());
                self.put(&object, &mut work);
            }
        }
        for key in self.keys(kind) {
            if !here.contains(&key) {
                self.remove(kind, &key, &mut work);
            }
        }
        self.finish(work)
    }

    /// It is this late, by any clock that does not go back: older readings may end. Call it before what happens then is applied,
    /// and when [`next_tick`](Self::next_tick) says so. Without [`Settings::wait_for_kong`] it has no effect.
    pub fn tick(&mut self, now: Duration) -> Changes {
        let mut work = Work::default();
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        for source in self.holds.tick(now) {
            self.beside(&source, &mut work);
        }
        self.finish(work)
    }

    /// When the next older reading ends, if nothing happens before.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        self.holds.next().map(Duration::from_millis)
    }

    /// The DataPlanes, workloads that stand for one included.
    pub fn dataplanes(&self) -> impl Iterator<Item = &DataPlane> {
        self.topology.dataplanes.values()
    }

    /// A DataPlane.
    #[must_use]
    pub fn dataplane(&self, key: &Key) -> Option<&DataPlane> {
        self.topology.dataplanes.get(key)
    }

    /// Where an extension is attached.
    #[must_use]
    pub fn attachments(&self, extension: &Key) -> &[Attachment] {
        self.topology
            .attachments
            .get(extension)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// A pod.
    #[must_use]
    pub fn pod(&self, uid: &str) -> Option<&Pod> {
        self.pods.by_uid(uid)
    }

    /// The pods of a DataPlane, in order.
    pub fn pods(&self, dataplane: &Key) -> impl Iterator<Item = &Pod> {
        self.pods.of(dataplane)
    }

    /// What the pods of a DataPlane are selected by: one selector for each of the objects that it is.
    #[must_use]
    pub fn pod_selectors(&self, dataplane: &Key) -> Vec<Vec<LabelSelectorRequirement>> {
        if let Some(object) = self.records.dataplanes.get(dataplane) {
            let selector = object.selector.as_ref().map(Selector::of_dataplane);
            return selector.iter().map(Selector::expressions).collect();
        }
        let workloads = self.records.workloads.values();
        let selectors = workloads
            .filter(|workload| workload.marked && workload.dataplane == *dataplane)
            .map(|workload| workload.selector.expressions());
        selectors.filter(|selector| !selector.is_empty()).collect()
    }

    /// The pods whose sidecars can be asked for metrics: running, injected, of attached DataPlanes.
    pub fn targets(&self) -> impl Iterator<Item = &Pod> {
        let attached = self
            .dataplanes()
            .filter(|dataplane| dataplane.is_attached());
        attached
            .flat_map(|dataplane| self.pods(&dataplane.key))
            .filter(|pod| pod.is_target())
    }

    /// The version of a DataPlane's table; none if there is no such DataPlane.
    #[must_use]
    pub fn version(&self, dataplane: &Key) -> Option<u64> {
        self.tables.version(dataplane)
    }

    /// A DataPlane's table; none if there is no such DataPlane. It is put together here: its cost is that of its size.
    #[must_use]
    pub fn snapshot(&self, dataplane: &Key) -> Option<wire::Snapshot> {
        self.tables
            .snapshot(dataplane, &self.names, self.view(dataplane)?)
    }

    /// How many objects of a kind are in.
    #[must_use]
    pub fn count(&self, kind: ObjectKind) -> usize {
        self.keys(kind).len()
    }

    pub(crate) fn view(&self, dataplane: &Key) -> Option<&View> {
        self.topology.views.get(dataplane)
    }

    fn put(&mut self, object: &Object, work: &mut Work) {
        let names = &mut self.interner;
        let key = object.key();
        let key = names.key(&key.namespace, &key.name);
        match object {
            Object::Extension(extension) => {
                let new = Extension::of(extension, names);
                let old = self.records.extensions.insert(key.clone(), new);
                if old.as_ref() != self.records.extensions.get(&key) {
                    work.changes.extensions.insert(key);
                    work.attached = true;
                }
            }
            Object::ControlPlane(control_plane) => {
                let new = ControlPlane::of(control_plane, names);
                work.attached |= self.records.control_planes.insert(key, new.clone()) != Some(new);
            }
            Object::GatewayConfiguration(configuration) => {
                let new = Configuration::of(configuration, names);
                self.configuration(&key, Some(new), work);
            }
            Object::DataPlane(dataplane) => {
                let new = DataPlaneObject::of(dataplane, names);
                let old = self.records.dataplanes.insert(key.clone(), new.clone());
                if old.as_ref() != Some(&new) {
                    work.attached = true;
                    let was = old.as_ref().and_then(|old| old.gateway.as_ref());
                    if was != new.gateway.as_ref() {
                        self.touch_attached(&key, work);
                    }
                    if old.is_none_or(|old| old.selector != new.selector) {
                        work.pods.insert(key.namespace);
                    }
                }
            }
            Object::Deployment(workload) => {
                let selector = Selector::of(&workload.spec.selector, names);
                let new = Workload::of(workload, selector, names);
                self.workload(ObjectKind::Deployment, key, new, work);
            }
            Object::DaemonSet(workload) => {
                let selector = Selector::of(&workload.spec.selector, names);
                let new = Workload::of(workload, selector, names);
                self.workload(ObjectKind::DaemonSet, key, new, work);
            }
            Object::StatefulSet(workload) => {
                let selector = Selector::of(&workload.spec.selector, names);
                let new = Workload::of(workload, selector, names);
                self.workload(ObjectKind::StatefulSet, key, new, work);
            }
            Object::Pod(pod) => {
                let pod = Pod::of(pod, &self.settings.port_name, names);
                self.pods
                    .replace(&key, Some(pod), &self.records, &mut work.changes);
            }
            Object::Service(service) => {
                let new = Service::of(service, names);
                self.service(&key, Some(new), work);
            }
            Object::Plugin(plugin) => {
                let new = Plugin::of(plugin);
                let old = self.plugins.namespaced.insert(key.clone(), new.clone());
                if old.as_ref() != Some(&new) {
                    self.touch_plugin(&key, &[old, Some(new)], work);
                }
            }
            Object::ClusterPlugin(plugin) => {
                let new = ClusterPlugin::of(plugin);
                if self.plugins.cluster.insert(key.name, new.clone()) != Some(new) {
                    self.touch_all(work);
                }
            }
            Object::Gateway(gateway) => {
                self.gateway(&key, Some(Listeners::of(gateway)), work);
            }
            Object::Grant(grant) => {
                let new = Grant::of(grant, names);
                self.grant(&key, Some(new), work);
            }
            Object::UpstreamPolicy(policy) => self.policy(&key, Some(Policy::of(policy)), work),
            Object::Ingress(_)
            | Object::Facade(_)
            | Object::HttpRoute(_)
            | Object::GrpcRoute(_)
            | Object::TcpRoute(_)
            | Object::TlsRoute(_)
            | Object::UdpRoute(_)
            | Object::TcpIngress(_)
            | Object::UdpIngress(_) => self.route(object, key, work),
        }
    }

    fn remove(&mut self, kind: ObjectKind, key: &Key, work: &mut Work) {
        match kind {
            ObjectKind::Extension => {
                if self.records.extensions.remove(key).is_some() {
                    work.changes.extensions.insert(key.clone());
                    work.attached = true;
                }
            }
            ObjectKind::ControlPlane => {
                work.attached |= self.records.control_planes.remove(key).is_some();
            }
            ObjectKind::GatewayConfiguration => self.configuration(key, None, work),
            ObjectKind::DataPlane => {
                if let Some(old) = self.records.dataplanes.remove(key) {
                    work.attached = true;
                    if old.gateway.is_some() {
                        self.touch_attached(key, work);
                    }
                    work.pods.insert(Name::clone(&key.namespace));
                }
            }
            ObjectKind::Deployment | ObjectKind::DaemonSet | ObjectKind::StatefulSet => {
                self.workload(kind, key.clone(), None, work);
            }
            ObjectKind::Pod => self
                .pods
                .replace(key, None, &self.records, &mut work.changes),
            ObjectKind::Service => self.service(key, None, work),
            ObjectKind::Gateway => self.gateway(key, None, work),
            ObjectKind::Grant => self.grant(key, None, work),
            ObjectKind::UpstreamPolicy => self.policy(key, None, work),
            ObjectKind::Plugin => {
                if let Some(old) = self.plugins.namespaced.remove(key) {
                    self.touch_plugin(key, &[Some(old), None], work);
                }
            }
            ObjectKind::ClusterPlugin => {
                if self.plugins.cluster.remove(&key.name).is_some() {
                    self.touch_all(work);
                }
            }
            ObjectKind::Ingress
            | ObjectKind::Facade
            | ObjectKind::HttpRoute
            | ObjectKind::GrpcRoute
            | ObjectKind::TcpRoute
            | ObjectKind::TlsRoute
            | ObjectKind::UdpRoute
            | ObjectKind::TcpIngress
            | ObjectKind::UdpIngress => {
                let source = Source {
                    kind,
                    key: key.clone(),
                };
                self.removed(&source, work);
            }
        }
    }

    fn workload(&mut self, kind: ObjectKind, key: Key, new: Option<Workload>, work: &mut Work) {
        let namespace = Name::clone(&key.namespace);
        let source = Source { kind, key };
        let old = self.records.workloads.remove(&source);
        if old != new {
            work.attached = true;
            work.pods.insert(namespace);
        }
        self.records.workloads.extend(new.map(|new| (source, new)));
    }

    fn configuration(&mut self, key: &Key, new: Option<Configuration>, work: &mut Work) {
        let old = match new.clone() {
            Some(new) => self.records.configurations.insert(key.clone(), new),
            None => self.records.configurations.remove(key),
        };
        if old == new {
            return;
        }
        for (namespace, name) in [old, new]
            .into_iter()
            .flatten()
            .flat_map(|configuration| configuration.extensions)
        {
            let Some(namespace) = namespace else {
                // It means the Gateway's, which may be any.
                let all = self.records.extensions.keys();
                let named = all.filter(|extension| extension.name == name).cloned();
                work.changes.extensions.extend(named);
                continue;
            };
            work.changes.extensions.insert(Key { namespace, name });
        }
    }

    fn finish(&mut self, mut work: Work) -> Changes {
        self.tables.advance(
            &work.before,
            &self.names,
            &self.topology.views,
            &mut work.changes,
        );
        if work.attached {
            let new = Topology::of(&self.records);
            let unlike = new.unlike(&self.topology);
            let old = std::mem::replace(&mut self.topology, new);
            for dataplane in &unlike.views {
                let exists = self.topology.views.contains_key(dataplane);
                self.tables.reset(dataplane, exists, &mut work.changes);
            }
            work.changes.dataplanes.extend(unlike.dataplanes);
            work.changes.extensions.extend(unlike.extensions);
            self.touch_reselected(&old, &mut work.changes);
        }
        for namespace in &work.pods {
            self.pods
                .reassign(namespace, &self.records, &mut work.changes);
        }
        work.changes
    }

    fn keys(&self, kind: ObjectKind) -> Vec<Key> {
        match kind {
            ObjectKind::Extension => self.records.extensions.keys().cloned().collect(),
            ObjectKind::ControlPlane => self.records.control_planes.keys().cloned().collect(),
            ObjectKind::GatewayConfiguration => {
                self.records.configurations.keys().cloned().collect()
            }
            ObjectKind::DataPlane => self.records.dataplanes.keys().cloned().collect(),
            ObjectKind::Deployment | ObjectKind::DaemonSet | ObjectKind::StatefulSet => {
                let workloads = self
                    .records
                    .workloads
                    .keys()
                    .filter(|source| source.kind == kind);
                workloads.map(|source| source.key.clone()).collect()
            }
            ObjectKind::Pod => self.pods.keys().cloned().collect(),
            ObjectKind::Service => self.referents.services.keys().cloned().collect(),
            ObjectKind::Gateway => self.referents.gateways.keys().cloned().collect(),
            ObjectKind::UpstreamPolicy => self.referents.policies.keys().cloned().collect(),
            ObjectKind::Grant => {
                let namespaces = self.referents.grants.iter();
                let keys = namespaces.flat_map(|(namespace, grants)| {
                    grants.keys().map(|name| Key {
                        namespace: Name::clone(namespace),
                        name: Name::clone(name),
                    })
                });
                keys.collect()
            }
            ObjectKind::Plugin => self.plugins.namespaced.keys().cloned().collect(),
            ObjectKind::ClusterPlugin => self
                .plugins
                .cluster
                .keys()
                .map(|name| Key::new("", &**name))
                .collect(),
            ObjectKind::Ingress
            | ObjectKind::Facade
            | ObjectKind::HttpRoute
            | ObjectKind::GrpcRoute
            | ObjectKind::TcpRoute
            | ObjectKind::TlsRoute
            | ObjectKind::UdpRoute
            | ObjectKind::TcpIngress
            | ObjectKind::UdpIngress => {
                let sources = self
                    .names
                    .sources()
                    .map(|(source, _)| source)
                    .filter(|source| source.kind == kind);
                sources.map(|source| source.key.clone()).collect()
            }
        }
    }
}
