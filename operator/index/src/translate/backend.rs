//! Where the traffic of one rule can go.

use std::collections::BTreeSet;

use tagalong_crds::BackendRef;

use super::claim::{Nothing, Target};
use crate::{
    key::{Interner, Key, Name},
    referents::{Referent, Referents},
};

/// Where the traffic of some names can go, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Destination {
    /// There, whatever else is in the cluster.
    Fixed(Target),
    /// One of these.
    Backends(Box<[Backend]>),
}

/// A `backendRef`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Backend {
    service: Key,
    is_service: bool,
    has_weight: bool,
}

/// What traffic can reach, and which Services' addresses stand behind it. They differ where a Service has weight 0: its
/// addresses are targets of the upstream all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// For the `service` label.
    pub(crate) traffic: Target,
    /// For the `upstream` label.
    pub(crate) addresses: Target,
}

impl Destination {
    /// That of a rule with these `backendRefs`, in a route of the namespace.
    pub(super) fn of(refs: &[BackendRef], namespace: &str, names: &mut Interner) -> Self {
        let backend = |backend: &BackendRef, names: &mut Interner| Backend {
            service: key(backend, namespace, names),
            is_service: is_service(backend),
            has_weight: weight(backend) > 0,
        };
        let mut backends: Vec<_> = refs.iter().map(|one| backend(one, names)).collect();
        backends.sort_unstable();
        backends.dedup();
        let Some(first) = backends.first() else {
            return Self::Fixed(Target::Nothing(Nothing::NoBackend));
        };
        let own = *first.service.namespace == *namespace;
        let same = |other: &Backend| other.is_service && other.service == first.service;
        if own && backends.iter().all(same) {
            return Self::Fixed(service(&first.service));
        }
        Self::Backends(backends.into_boxed_slice())
    }

    /// The Services that are named.
    pub(super) fn services(&self) -> Vec<&Key> {
        match self {
            Self::Fixed(Target::Service(service)) => vec![service],
            Self::Fixed(_) => Vec::new(),
            Self::Backends(backends) => {
                services_of(backends.iter().filter(|backend| backend.is_service))
            }
        }
    }

    /// What it depends on beside the route.
    pub(super) fn referents(&self, namespace: &str) -> Vec<Referent> {
        let Self::Backends(backends) = self else {
            return Vec::new();
        };
        let services = backends.iter().filter(|backend| backend.is_service);
        let services: BTreeSet<&Key> = services.map(|backend| &backend.service).collect();
        let mut referents = Vec::new();
        for service in &services {
            if *service.namespace != *namespace {
                referents.push(Referent::Grants(Name::clone(&service.namespace)));
            }
            if services.len() > 1 {
                referents.push(Referent::Service((*service).clone()));
            }
        }
        referents
    }

    /// Where traffic can go as things are.
    ///
    /// Every version of Kong's controllers leaves out what is no Service, what no grant permits, and a Service that does not
    /// exist (KIC `subtranslator/backendref.go`, `backendRefsToKongStateBackends`). A Service that has no addresses may get
    /// some, so it counts. Where a rule names one Service only, that is the one, even before it exists.
    pub(super) fn reach(&self, kind: &str, namespace: &str, referents: &Referents) -> Reach {
        let backends = match self {
            Self::Fixed(target) => return Reach::same(target.clone()),
            Self::Backends(backends) => backends,
        };
        let mut left: Vec<&Backend> = backends.iter().collect();
        left.retain(|backend| backend.is_service);
        if left.is_empty() {
            return Reach::same(Target::Nothing(Nothing::NotAService));
        }
        left.retain(|backend| referents.permits(kind, namespace, &backend.service));
        if left.is_empty() {
            return Reach::same(Target::Nothing(Nothing::NotGranted));
        }
        if let [only] = &*services_of(left.iter().copied()) {
            return Reach::same(service(only));
        }
        left.retain(|backend| referents.services.contains_key(&backend.service));
        if left.is_empty() {
            return Reach::same(Target::Nothing(Nothing::NoSuchService));
        }
        if let [only] = &*services_of(left.iter().copied()) {
            return Reach::same(service(only));
        }
        let by_weight =
            match &*services_of(left.iter().copied().filter(|backend| backend.has_weight)) {
                [] => Target::Nothing(Nothing::NoWeight),
                [only] => service(only),
                _ => Target::Several,
            };
        if by_weight == Target::Several {
            return Reach::same(by_weight);
        }
        let known = left
            .iter()
            .all(|backend| referents.leaves_weight_zero_out(&backend.service));
        Reach {
            traffic: if known { by_weight } else { Target::Drained },
            addresses: Target::Drained,
        }
    }
}

impl Reach {
    fn same(target: Target) -> Self {
        Self {
            traffic: target.clone(),
            addresses: target,
        }
    }
}

/// The Services of a rule, if it names more than one, sorted.
pub(super) fn fellows(
    refs: &[BackendRef],
    namespace: &str,
    names: &mut Interner,
) -> Option<Vec<Key>> {
    let services: BTreeSet<Key> = refs
        .iter()
        .filter(|backend| is_service(backend))
        .map(|backend| key(backend, namespace, names))
        .collect();
    (services.len() > 1).then(|| services.into_iter().collect())
}

/// The Service of that name, unless it could be no Service's.
pub(super) fn service(key: &Key) -> Target {
    let fits = |text: &str| {
        (1..=253).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
    };
    if fits(&key.namespace) && fits(&key.name) {
        Target::Service(key.clone())
    } else {
        Target::Nothing(Nothing::NoName)
    }
}

/// The share of traffic; the API server's default is 1.
pub(super) fn weight(backend: &BackendRef) -> i32 {
    backend.weight.unwrap_or(1)
}

/// The namespace that a reference points into.
pub(super) fn namespace_of<'a>(backend: &'a BackendRef, namespace: &'a str) -> &'a str {
    backend.namespace.as_deref().unwrap_or(namespace)
}

fn is_service(backend: &BackendRef) -> bool {
    backend.kind.as_deref().is_none_or(|kind| kind == "Service")
        && backend
            .group
            .as_deref()
            .is_none_or(|group| group.is_empty() || group == "core")
}

fn key(backend: &BackendRef, namespace: &str, names: &mut Interner) -> Key {
    names.key(namespace_of(backend, namespace), &backend.name)
}

// Each once.
fn services_of<'a>(backends: impl Iterator<Item = &'a Backend>) -> Vec<&'a Key> {
    let mut services: Vec<&Key> = backends.map(|backend| &backend.service).collect();
    services.sort_unstable();
    services.dedup();
    services
}

#[cfg(test)]
mod tests;
