//! What routes refer to, as far as it decides where their traffic can go: Services, the grants that permit references into
//! other namespaces, the policies that say how Services are balanced, and the listeners whose host names are in names.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tagalong_crds as crds;
use tagalong_crds::GATEWAY_API;

use crate::{
    key::{Interner, Key, Name},
    records::Service,
};

/// On a Service: the KongUpstreamPolicy, of the same namespace, by which it is balanced.
const UPSTREAM_POLICY: &str = "konghq.com/upstream-policy";

#[derive(Debug, Default)]
pub(crate) struct Referents {
    pub(crate) services: HashMap<Key, Service>,
    /// By the namespace into which they permit, then by name.
    pub(crate) grants: HashMap<Name, BTreeMap<Name, Grant>>,
    pub(crate) policies: HashMap<Key, Policy>,
    pub(crate) gateways: HashMap<Key, Listeners>,
    /// By policy: the Services that name it, whether or not it exists.
    balanced: HashMap<Key, BTreeSet<Key>>,
}

/// A ReferenceGrant, as far as it is about routes and Services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Kind and namespace of the routes.
    from: BTreeSet<(Name, Name)>,
    /// Names of Services; none for all.
    to: BTreeSet<Option<Name>>,
}

/// A KongUpstreamPolicy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Whether a target of weight 0 gets no traffic.
    leaves_weight_zero_out: bool,
}

/// The host names of a Gateway's listeners, as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listeners {
    pub(crate) hosts: BTreeSet<Name>,
}

/// What a route depends on beside itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Referent {
    /// Whether a Service exists, and how it is balanced.
    Service(Key),
    /// What may be referred to in a namespace.
    Grants(Name),
    /// The listeners of a Gateway.
    Gateway(Key),
}

impl Referents {
    /// A Service is new, another or gone. Says whether anything is different.
    pub(crate) fn put_service(&mut self, key: &Key, new: Option<Service>) -> bool {
        let old = self.services.remove(key);
        let (before, after) = (policy_of(key, old.as_ref()), policy_of(key, new.as_ref()));
        if before != after {
            if let Some(policy) = before
                && let Some(services) = self.balanced.get_mut(&policy)
            {
                services.remove(key);
                if services.is_empty() {
                    self.balanced.remove(&policy);
                }
            }
            if let Some(policy) = after {
                self.balanced.entry(policy).or_default().insert(key.clone());
            }
        }
        let changed = old != new;
        self.services.extend(new.map(|new| (key.clone(), new)));
        changed
    }

    /// A grant is new, another or gone. Says whether anything is different.
    pub(crate) fn put_grant(&mut self, key: &Key, new: Option<Grant>) -> bool {
        let grants = self.grants.entry(Name::clone(&key.namespace)).or_default();
        let old = grants.remove(&key.name);
        let changed = old != new;
        grants.extend(new.map(|new| (Name::clone(&key.name), new)));
        if grants.is_empty() {
            self.grants.remove(&key.namespace);
        }
        changed
    }

    /// A policy is new, another or gone. Names the Services that are balanced otherwise now.
    pub(crate) fn put_policy(&mut self, key: &Key, new: Option<Policy>) -> Vec<Key> {
        let old = match new {
            Some(new) => self.policies.insert(key.clone(), new),
            None => self.policies.remove(key),
        };
        if old == new {
            return Vec::new();
        }
        self.balanced
            .get(key)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// A Gateway is new, another or gone. Says whether anything is different.
    pub(crate) fn put_gateway(&mut self, key: &Key, new: Option<Listeners>) -> bool {
        let old = self.gateways.remove(key);
        let hosts = |gateway: Option<&Listeners>| gateway.cloned().unwrap_or_default();
        let changed = hosts(old.as_ref()) != hosts(new.as_ref());
        self.gateways.extend(new.map(|new| (key.clone(), new)));
        changed
    }

    /// Whether routes of a kind and namespace may refer to a Service. Within a namespace they always may.
    pub(crate) fn permits(&self, kind: &str, namespace: &str, service: &Key) -> bool {
        if *service.namespace == *namespace {
            return true;
        }
        let grants = self.grants.get(&service.namespace).into_iter().flatten();
        grants.map(|(_, grant)| grant).any(|grant| {
            let from = grant
                .from
                .iter()
                .any(|(one, other)| **one == *kind && **other == *namespace);
            from && grant
                .to
                .iter()
                .any(|name| name.as_ref().is_none_or(|name| *name == service.name))
        })
    }

    /// Whether Kong sends nothing to the Service's targets where their weight is 0, as far as is known. A policy that does
    /// not exist may come.
    pub(crate) fn leaves_weight_zero_out(&self, service: &Key) -> bool {
        policy_of(service, self.services.get(service)).is_none_or(|policy| {
            self.policies
                .get(&policy)
                .is_some_and(|policy| policy.leaves_weight_zero_out)
        })
    }
}

fn policy_of(key: &Key, service: Option<&Service>) -> Option<Key> {
    let name = service?.annotations.get(UPSTREAM_POLICY)?;
    Some(Key {
        namespace: Name::clone(&key.namespace),
        name: Name::clone(name),
    })
}

impl Grant {
    pub(crate) fn of(grant: &crds::ReferenceGrant, names: &mut Interner) -> Self {
        let from = grant
            .spec
            .from
            .iter()
            .filter(|from| from.group == GATEWAY_API);
        let to = grant
            .spec
            .to
            .iter()
            .filter(|to| to.group.is_empty() && to.kind == "Service");
        Self {
            from: from
                .map(|from| (names.name(&from.kind), names.name(&from.namespace)))
                .collect(),
            to: to.map(|to| to.name.as_deref().map(Name::from)).collect(),
        }
    }
}

impl Policy {
    /// Kong leaves a target of weight 0 out of the wheel of `round-robin` and `consistent-hashing`. `least-connections` and
    /// `latency` choose it when the others have failed (Kong `kong/runloop/balancer/least_connections.lua`, `latency.lua`),
    /// and `sticky-sessions` keeps its clients.
    pub(crate) fn of(policy: &crds::KongUpstreamPolicy) -> Self {
        Self {
            leaves_weight_zero_out: matches!(
                policy.spec.algorithm.as_deref(),
                None | Some("round-robin" | "consistent-hashing")
            ),
        }
    }
}

impl Listeners {
    pub(crate) fn of(gateway: &crds::Gateway) -> Self {
        let hosts = gateway
            .spec
            .listeners
            .iter()
            .filter_map(|listener| listener.hostname.as_deref());
        Self {
            hosts: hosts
                .filter(|host| !host.is_empty())
                .map(Name::from)
                .collect(),
        }
    }
}
