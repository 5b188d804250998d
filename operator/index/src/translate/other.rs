//! Names of GRPC, TCP, TLS and UDP routes: one Kong service for each rule.
//!
//! Source: KIC `service_names.go` (`getUniqueKongServiceNameForObject`), `subtranslator/grpcroute_atc.go`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tagalong_crds::RouteSpec;

use super::{
    backend::{self, Destination},
    claim::{Form, Roles},
    draft::Translation,
    hosts::hosts,
    parents::{gateways, parents},
};
use crate::key::Interner;

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
