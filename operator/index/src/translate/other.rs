//! Names of GRPC, TCP, TLS and UDP routes: one Kong service for each rule.
//!
//! Source: KIC `service_names.go` (`getUniqueKongServiceNameForObject`), `subtranslator/grpcroute_atc.go`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tagalong_crds::{GATEWAY_API, ParentRef, RouteSpec};

use super::{Destination, Form, Roles, Translation, backend};
use crate::{
    key::{Interner, Key},
    object::Source,
};

pub(super) fn route(
    kind: &str,
    by_host: bool,
    metadata: &ObjectMeta,
    spec: &RouteSpec,
    names: &mut Interner,
) -> Translation {
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let name = metadata.name.as_deref().unwrap_or_default();
    let mut out = Translation {
        parents: parents(spec, namespace, names),
        ..Translation::default()
    };
    for (index, rule) in spec.rules.iter().enumerate() {
        let destination = out.destination(Destination::of(&rule.backend_refs, namespace, names));
        out.fellows
            .extend(backend::fellows(&rule.backend_refs, namespace, names));
        let name_of_rule = format!("{kind}.{namespace}.{name}.{index}");
        out.name(&name_of_rule, destination, Roles::BOTH, Form::Route, index);
        if by_host {
            for host in hosts(spec) {
                let name = format!("{kind}.{namespace}.{name}.{host}.{index}");
                out.name(&name, destination, Roles::BOTH, Form::RouteHost, index);
            }
        }
    }
    if by_host && spec.hostnames.is_empty() {
        // Kong Operator 2.3 takes the listeners' (`subtranslator/grpcroute.go`, `getEffectiveHostnamesForGRPCRoute`), of
        // the listener that the parent reference names. All are claimed: the others' names are never looked up.
        out.draft.listeners = gateways(spec, namespace, names).collect();
    }
    out
}

/// The name of a rule of a GRPCRoute with a host name that it inherits.
pub(super) fn with_host(route: &Source, host: &str, rule: u16) -> String {
    let Key { namespace, name } = &route.key;
    format!("grpcroute.{namespace}.{name}.{}.{rule}", host_in_name(host))
}

/// The host names as they stand in names: `*` is `_`, and so is none at all.
pub(super) fn hosts(spec: &RouteSpec) -> impl Iterator<Item = String> {
    let none = spec.hostnames.is_empty().then(|| "_".to_owned());
    let hosts = spec.hostnames.iter().map(|host| host_in_name(host));
    none.into_iter().chain(hosts)
}

fn host_in_name(host: &str) -> String {
    if host.is_empty() {
        "_".to_owned()
    } else {
        host.replace('*', "_")
    }
}

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

fn gateways(spec: &RouteSpec, namespace: &str, names: &mut Interner) -> impl Iterator<Item = Key> {
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
