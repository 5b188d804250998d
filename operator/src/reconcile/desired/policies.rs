//! NetworkPolicies: who may reach sidecars where something else keeps everybody out.
//!
//! A policy isolates the pods that it selects, so one of ours selects what an isolating one selects, and of that
//! the DataPlane's pods: whatever pods come, ours never isolates one that nobody had isolated. It is owned by the
//! isolating one, so that the two go together even while no operator runs.

use crate::world::observed::{INGRESS, Observed};
use k8s_openapi::api::networking::v1::{
    NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    LabelSelector, LabelSelectorRequirement, OwnerReference,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use tagalong_index::{Index, Key};

/// Names of objects may be longer.
const STEM: usize = 200;

/// A NetworkPolicy that should exist.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredPolicy {
    /// What it says.
    pub spec: NetworkPolicySpec,
    /// The isolating one.
    pub owner: OwnerReference,
}

/// The NetworkPolicies that should exist now.
#[must_use]
pub fn policies(
    index: &Index,
    observed: &Observed,
    admitted: &[NetworkPolicyPeer],
) -> BTreeMap<Key, DesiredPolicy> {
    let mut desired = BTreeMap::new();
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
                desired.insert(key, DesiredPolicy { spec, owner });
            }
        }
    }
    desired
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

/// Cut so far that a hash fits behind it.
fn name(dataplane: &Key, isolating: &str, own: &[LabelSelectorRequirement]) -> String {
    let stem: String = dataplane.name.chars().take(STEM).collect();
    let hash = Sha256::digest(named(isolating, own));
    format!("{stem}-tagalong-{hash:.10x}")
}

/// What a name is the hash of. It must stay as it is, byte for byte: under another name a policy would be written anew
/// and the old one deleted, in any order, and scrapers kept out in between.
fn named(isolating: &str, own: &[LabelSelectorRequirement]) -> String {
    let requirement = |one: &LabelSelectorRequirement| {
        let LabelSelectorRequirement {
            key,
            operator,
            values,
        } = one;
        format!(
            "LabelSelectorRequirement {{ key: {key:?}, operator: {operator:?}, values: {values:?} }}"
        )
    };
    let own: Vec<String> = own.iter().map(requirement).collect();
    format!("{isolating}/[{}]", own.join(", "))
}

#[cfg(test)]
mod tests;
