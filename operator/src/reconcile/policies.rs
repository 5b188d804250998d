//! NetworkPolicies: who may reach sidecars where something else keeps everybody out.
//!
//! A policy isolates the pods that it selects, so one of ours selects what an isolating one selects, and of that
//! the DataPlane's pods: whatever pods come, ours never isolates one that nobody had isolated. It is owned by the
//! isolating one, so that the two go together even while no operator runs.

use crate::reconcile::diff::Action;
use crate::reconcile::observed::Observed;
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    LabelSelector, LabelSelectorRequirement, OwnerReference,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt as _;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use tagalong_index::{Index, Key};
use tagalong_wire::contract::{MANAGED_BY, MANAGED_BY_LABEL};

const INGRESS: &str = "Ingress";
/// Names of objects may be longer; that of the DataPlane is cut so far that a hash fits behind.
const STEM: usize = 200;

/// Who is to reach sidecars: the operator, and whoever else scrapes them.
pub type Admitted = Arc<Vec<NetworkPolicyPeer>>;

/// A NetworkPolicy, as it was last seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
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

impl Policy {
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
    fn isolates(&self) -> bool {
        let types = self.spec.policy_types.as_deref().unwrap_or_default();
        !self.ours && (types.is_empty() || types.iter().any(|kind| kind == INGRESS))
    }

    fn selector(&self) -> LabelSelector {
        self.spec.pod_selector.clone().unwrap_or_default()
    }
}

/// One that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// What it says.
    pub spec: NetworkPolicySpec,
    /// The isolating one.
    pub owner: OwnerReference,
}

/// The policies that are wanted now.
#[must_use]
pub fn wanted(
    index: &Index,
    observed: &Observed,
    admitted: &[NetworkPolicyPeer],
) -> BTreeMap<Key, Wanted> {
    let mut wanted = BTreeMap::new();
    let attached = index
        .dataplanes()
        .filter(|dataplane| dataplane.is_attached() && !dataplane.deleting);
    for dataplane in attached {
        let key = &dataplane.key;
        // Namespaces sort first: those of one stand together.
        let isolating = observed
            .policies
            .range(Key::new(key.namespace.clone(), "")..)
            .take_while(|(policy, _)| policy.namespace == key.namespace)
            .filter(|(_, policy)| policy.isolates());
        for (name, policy) in isolating {
            let selector = policy.selector();
            let ports: BTreeSet<u16> = index
                .pods(key)
                .filter(|pod| pod.is_selected_by(&selector))
                .filter_map(|pod| pod.port)
                .collect();
            if ports.is_empty() {
                continue;
            }
            for own in index.pod_selectors(key) {
                let spec = spec(&selector, &own, &ports, admitted);
                let owner = OwnerReference {
                    api_version: "networking.k8s.io/v1".to_owned(),
                    kind: "NetworkPolicy".to_owned(),
                    name: name.name.to_string(),
                    uid: policy.uid.clone(),
                    ..OwnerReference::default()
                };
                let key = Key::new(key.namespace.clone(), self::name(key, &name.name, &own));
                wanted.insert(key, Wanted { spec, owner });
            }
        }
    }
    wanted
}

/// What makes the policies so.
pub(super) fn due(wanted: &BTreeMap<Key, Wanted>, observed: &Observed) -> Vec<Action> {
    let write = wanted.iter().filter_map(|(key, wanted)| {
        let stands = observed.policies.get(key);
        let right = stands.is_some_and(|stands| {
            stands.spec == wanted.spec && stands.owners == [wanted.owner.clone()]
        });
        // One that has our name and not our label is somebody else's.
        let theirs = stands.is_some_and(|stands| !stands.ours);
        (!right && !theirs).then(|| Action::Policy {
            key: key.clone(),
            wanted: Box::new(wanted.clone()),
            version: stands.map(|stands| stands.version.clone()),
        })
    });
    let unused = observed
        .policies
        .iter()
        .filter(|(key, policy)| policy.ours && !wanted.contains_key(key))
        .map(|(key, policy)| Action::DeletePolicy {
            key: key.clone(),
            version: policy.version.clone(),
        });
    write.chain(unused).collect()
}

fn spec(
    isolated: &LabelSelector,
    own: &[LabelSelectorRequirement],
    ports: &BTreeSet<u16>,
    admitted: &[NetworkPolicyPeer],
) -> NetworkPolicySpec {
    let mut selector = isolated.clone();
    selector
        .match_expressions
        .get_or_insert_default()
        .extend_from_slice(own);
    let port = |port: &u16| NetworkPolicyPort {
        port: Some(IntOrString::Int(i32::from(*port))),
        protocol: Some("TCP".to_owned()),
        ..NetworkPolicyPort::default()
    };
    let rule = NetworkPolicyIngressRule {
        from: Some(admitted.to_vec()),
        ports: Some(ports.iter().map(port).collect()),
    };
    NetworkPolicySpec {
        pod_selector: Some(selector),
        policy_types: Some(vec![INGRESS.to_owned()]),
        ingress: Some(vec![rule]),
        ..NetworkPolicySpec::default()
    }
}

fn name(dataplane: &Key, isolating: &str, own: &[LabelSelectorRequirement]) -> String {
    let digest = Sha256::digest(format!("{isolating}/{own:?}"));
    let mut name: String = dataplane.name.chars().take(STEM).collect();
    name.push_str("-tagalong-");
    for byte in digest.iter().take(5) {
        let _infallible = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests;
