//! Pods, by UID: whose they are, and where their sidecars can be reached.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::ResourceExt as _;
use serde::Serialize;
use tagalong_crds as crds;

use crate::{
    changes::Changes,
    key::{Interner, Key, Name},
    object::{ObjectKind, Source},
    records::Records,
    selector::{SELECTOR_LABEL, Selector},
};

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Its name.
    pub key: Key,
    /// Its UID: another pod of the same name has another.
    #[serde(serialize_with = "crate::key::text")]
    pub uid: Name,
    /// The DataPlane that it belongs to.
    pub dataplane: Option<Key>,
    /// Its addresses, at most one of each family, the pod's first choice first.
    pub addresses: Vec<IpAddr>,
    /// The sidecar's port; none if the pod has no sidecar.
    pub port: Option<u16>,
    /// Whether its phase is `Running`.
    pub running: bool,
    /// Whether it gets requests.
    #[serde(skip)]
    pub ready: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
    #[serde(skip)]
    labels: Vec<(Name, Name)>,
    #[serde(skip)]
    owner: Option<Owner>,
}

impl Pod {
    /// Whether the pod has the sidecar.
    #[must_use]
    pub fn is_injected(&self) -> bool {
        self.port.is_some()
    }

    /// Whether the pod's sidecar can be asked for metrics.
    #[must_use]
    pub fn is_target(&self) -> bool {
        self.running
            && self.port.is_some()
            && !self.addresses.is_empty()
            && self.dataplane.is_some()
    }

    /// Whether a selector of Kubernetes, of which an empty one selects everything, selects the pod.
    #[must_use]
    pub fn is_selected_by(&self, selector: &LabelSelector) -> bool {
        Selector::of(selector, &mut Interner::default()).holds(&self.labels)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Owner {
    kind: Name,
    name: Name,
    uid: Name,
}

#[derive(Debug, Default)]
pub(crate) struct Pods {
    pods: HashMap<Key, Pod>,
    by_uid: HashMap<Name, Key>,
    by_namespace: HashMap<Name, BTreeSet<Name>>,
    by_dataplane: HashMap<Key, BTreeSet<Key>>,
}

impl Pods {
    pub(crate) fn replace(
        &mut self,
        key: &Key,
        new: Option<Pod>,
        records: &Records,
        changes: &mut Changes,
    ) {
        let new = new.map(|mut pod| {
            pod.dataplane = owner_of(&pod, records);
            pod
        });
        if self.pods.get(key) == new.as_ref() {
            return;
        }
        if let Some(old) = self.take(key) {
            let stays = new
                .as_ref()
                .is_some_and(|new| new.uid == old.uid && new.dataplane == old.dataplane);
            if !stays {
                changes.revoked.insert(old.uid);
            }
            changes.dataplanes.extend(old.dataplane);
        }
        if let Some(new) = new {
            changes.dataplanes.extend(new.dataplane.clone());
            self.put(new);
        }
    }

    /// Looks again whose the pods of a namespace are.
    pub(crate) fn reassign(&mut self, namespace: &Name, records: &Records, changes: &mut Changes) {
        let names = self
            .by_namespace
            .get(namespace)
            .cloned()
            .unwrap_or_default();
        for name in names {
            let key = Key {
                namespace: Name::clone(namespace),
                name,
            };
            let Some(pod) = self.pods.get(&key) else {
                continue;
            };
            self.replace(&key, Some(pod.clone()), records, changes);
        }
    }

    pub(crate) fn by_uid(&self, uid: &str) -> Option<&Pod> {
        self.by_uid.get(uid).and_then(|key| self.pods.get(key))
    }

    pub(crate) fn of(&self, dataplane: &Key) -> impl Iterator<Item = &Pod> {
        self.by_dataplane
            .get(dataplane)
            .into_iter()
            .flatten()
            .filter_map(|key| self.pods.get(key))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.pods.keys()
    }

    fn put(&mut self, pod: Pod) {
        let key = pod.key.clone();
        self.by_uid.insert(Name::clone(&pod.uid), key.clone());
        self.by_namespace
            .entry(Name::clone(&key.namespace))
            .or_default()
            .insert(Name::clone(&key.name));
        if let Some(dataplane) = &pod.dataplane {
            self.by_dataplane
                .entry(dataplane.clone())
                .or_default()
                .insert(key.clone());
        }
        self.pods.insert(key, pod);
    }

    fn take(&mut self, key: &Key) -> Option<Pod> {
        let pod = self.pods.remove(key)?;
        self.by_uid.remove(&pod.uid);
        if let Some(names) = self.by_namespace.get_mut(&key.namespace) {
            names.remove(&key.name);
            if names.is_empty() {
                self.by_namespace.remove(&key.namespace);
            }
        }
        if let Some(dataplane) = &pod.dataplane
            && let Some(pods) = self.by_dataplane.get_mut(dataplane)
        {
            pods.remove(key);
            if pods.is_empty() {
                self.by_dataplane.remove(dataplane);
            }
        }
        Some(pod)
    }
}

impl Pod {
    pub(crate) fn of(pod: &crds::Pod, port_name: &str, names: &mut Interner) -> Self {
        let containers = pod.spec.init_containers.iter().chain(&pod.spec.containers);
        let port = containers
            .flat_map(|container| &container.ports)
            .find(|port| port.name.as_deref() == Some(port_name))
            .and_then(|port| u16::try_from(port.container_port).ok());
        let first = pod.status.pod_ip.as_deref();
        let all = first
            .into_iter()
            .chain(pod.status.pod_ips.iter().map(|ip| ip.ip.as_str()));
        let addresses = all.filter_map(|text| text.parse().ok()).fold(
            Vec::new(),
            |mut all: Vec<IpAddr>, one| {
                if !all.contains(&one) {
                    all.push(one);
                }
                all
            },
        );
        let owner = pod
            .owner_references()
            .iter()
            .find(|owner| owner.controller == Some(true));
        Self {
            key: names.key(&pod.namespace().unwrap_or_default(), &pod.name_any()),
            uid: Name::from(pod.uid().unwrap_or_default()),
            dataplane: None,
            addresses,
            port,
            running: pod.status.phase.as_deref() == Some("Running"),
            ready: pod
                .status
                .conditions
                .iter()
                .any(|condition| condition.type_ == "Ready" && condition.status == "True"),
            terminating: pod.metadata.deletion_timestamp.is_some(),
            labels: pod
                .labels()
                .iter()
                .map(|(key, value)| (names.name(key), names.name(value)))
                .collect(),
            owner: owner.map(|owner| Owner {
                kind: names.name(&owner.kind),
                name: names.name(&owner.name),
                uid: names.name(&owner.uid),
            }),
        }
    }

    fn label(&self, key: &str) -> Option<&Name> {
        self.labels
            .iter()
            .find(|(name, _)| **name == *key)
            .map(|(_, value)| value)
    }
}

fn owner_of(pod: &Pod, records: &Records) -> Option<Key> {
    if let Some(selector) = pod.label(SELECTOR_LABEL) {
        let namespace = &pod.key.namespace;
        let mut dataplanes = records
            .dataplanes
            .iter()
            .filter(|(key, _)| key.namespace == *namespace);
        return dataplanes
            .find(|(_, dataplane)| dataplane.selector.as_ref() == Some(selector))
            .map(|(key, _)| key.clone());
    }
    let mut workloads = records.workloads.iter().filter(|(source, workload)| {
        workload.marked
            && source.key.namespace == pod.key.namespace
            && !records.dataplanes.contains_key(&workload.dataplane)
    });
    workloads
        .find(|(source, workload)| {
            workload.selector.matches(&pod.labels)
                && pod
                    .owner
                    .as_ref()
                    .is_some_and(|owner| owns(source, workload.uid.as_ref(), owner))
        })
        .map(|(_, workload)| workload.dataplane.clone())
}

// A Deployment's pods belong to its ReplicaSets, which are named after it.
fn owns(workload: &Source, uid: Option<&Name>, owner: &Owner) -> bool {
    if workload.kind == ObjectKind::Deployment {
        let rest = owner.name.strip_prefix(&*workload.key.name);
        return *owner.kind == *"ReplicaSet" && rest.is_some_and(|rest| rest.starts_with('-'));
    }
    *owner.kind == *workload.kind.name()
        && owner.name == workload.key.name
        && uid.is_none_or(|uid| *uid == owner.uid)
}
