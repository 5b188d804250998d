//! What the traffic of one rule can reach.

use std::collections::BTreeSet;

use tagalong_crds::BackendRef;

use super::{Nothing, Target};
use crate::key::{Interner, Key};

/// What a rule's traffic can reach: a Service if it can reach that one only.
///
/// Kong drops backends that are no Services, or that no ReferenceGrant permits; but whether it does depends on its version,
/// so they count as a second place that the traffic might reach.
pub(super) fn target(refs: &[BackendRef], namespace: &str, names: &mut Interner) -> Target {
    if refs.is_empty() {
        return Target::Nothing(Nothing::NoBackend);
    }
    if refs.iter().all(|backend| !is_service(backend)) {
        return Target::Nothing(Nothing::NotAService);
    }
    if let Some(service) = only(refs.iter(), namespace, names) {
        return service;
    }
    let mut weighted = refs.iter().filter(|backend| weight(backend) > 0).peekable();
    if weighted.peek().is_none() {
        return Target::Nothing(Nothing::NoWeight);
    }
    only(weighted, namespace, names).unwrap_or(Target::Several)
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
pub(super) fn service(namespace: &str, name: &str, names: &mut Interner) -> Target {
    let fits = |text: &str| {
        (1..=253).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
    };
    if fits(namespace) && fits(name) {
        Target::Service(names.key(namespace, name))
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

// The one Service that all of them are.
fn only<'a>(
    refs: impl Iterator<Item = &'a BackendRef>,
    namespace: &str,
    names: &mut Interner,
) -> Option<Target> {
    let mut first: Option<(&str, &str)> = None;
    for backend in refs {
        let this = (namespace_of(backend, namespace), backend.name.as_str());
        if !is_service(backend) || first.is_some_and(|first| first != this) {
            return None;
        }
        first = Some(this);
    }
    first.map(|(namespace, name)| service(namespace, name, names))
}
