//! The Gateways of a route.

use tagalong_crds::{GATEWAY_API, ParentRef, RouteSpec};

use crate::key::{Interner, Key};

/// The Gateways that a route asks to be attached to; none if it might be attached in another way.
pub(super) fn parents(spec: &RouteSpec, namespace: &str, names: &mut Interner) -> Option<Vec<Key>> {
    if !spec.parent_refs.iter().all(is_gateway) {
        return None;
    }
    let mut parents: Vec<Key> = gateways(spec, namespace, names).collect();
    parents.sort_unstable();
    parents.dedup();
    Some(parents)
}

pub(super) fn gateways(
    spec: &RouteSpec,
    namespace: &str,
    names: &mut Interner,
) -> impl Iterator<Item = Key> {
    let parents = spec.parent_refs.iter().filter(|parent| is_gateway(parent));
    parents.map(move |parent| {
        names.key(
            parent.namespace.as_deref().unwrap_or(namespace),
            &parent.name,
        )
    })
}

fn is_gateway(parent: &ParentRef) -> bool {
    let group = parent.group.as_deref();
    group.is_none_or(|group| group == GATEWAY_API)
        && parent.kind.as_deref().is_none_or(|kind| kind == "Gateway")
}
