//! Names of GRPC, TCP, TLS and UDP routes: one Kong service for each rule.
//!
//! Source: KIC `service_names.go` (`getUniqueKongServiceNameForObject`), `subtranslator/grpcroute_atc.go`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tagalong_crds::{GATEWAY_API, RouteSpec};

use super::{Form, Roles, Translation, backend};
use crate::key::{Interner, Key};

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
        let target = backend::target(&rule.backend_refs, namespace, names);
        out.fellows
            .extend(backend::fellows(&rule.backend_refs, namespace, names));
        out.claim(
            &format!("{kind}.{namespace}.{name}.{index}"),
            &target,
            Roles::BOTH,
            Form::Route,
            index,
        );
        if by_host {
            for host in hosts(spec) {
                let name = format!("{kind}.{namespace}.{name}.{host}.{index}");
                out.claim(&name, &target, Roles::BOTH, Form::RouteHost, index);
            }
        }
    }
    out
}

/// The host names as they stand in names: `*` is `_`, and so is none at all.
pub(super) fn hosts(spec: &RouteSpec) -> impl Iterator<Item = String> {
    let none = spec.hostnames.is_empty().then(|| "_".to_owned());
    let hosts = spec.hostnames.iter().map(|host| {
        if host.is_empty() {
            "_".to_owned()
        } else {
            host.replace('*', "_")
        }
    });
    none.into_iter().chain(hosts)
}

/// The Gateways that a route asks to be attached to; none if it might be attached in another way.
pub(super) fn parents(spec: &RouteSpec, namespace: &str, names: &mut Interner) -> Option<Vec<Key>> {
    let mut parents = Vec::with_capacity(spec.parent_refs.len());
    for parent in &spec.parent_refs {
        let gateway = parent
            .group
            .as_deref()
            .is_none_or(|group| group == GATEWAY_API)
            && parent.kind.as_deref().is_none_or(|kind| kind == "Gateway");
        if !gateway {
            return None;
        }
        parents.push(names.key(
            parent.namespace.as_deref().unwrap_or(namespace),
            &parent.name,
        ));
    }
    parents.sort_unstable();
    parents.dedup();
    Some(parents)
}
