//! Names of HTTPRoutes.
//!
//! Sources: KIC `subtranslator/httproute.go` (`groupRulesFromHTTPRoutesByKongServiceName`,
//! `getKongServiceNameByBackendRefs`), KIC 3.3 `httproute_atc.go` (`KongServiceNameFromSplitHTTPRouteMatch`), and for
//! timeouts Kong Operator 2.3.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sha2::{Digest as _, Sha256};
use tagalong_crds::{BackendRef, RouteRule, RouteSpec};

use super::{Form, Roles, Translation, backend, duration, other};
use crate::key::Interner;

/// The longest name that is not shortened, in bytes.
const LONGEST: usize = 511;
/// What Kong takes for "no timeout", in milliseconds: it has no such value.
const NO_TIMEOUT: u64 = 2_147_483_646;
/// What a rule without a timeout waits, in milliseconds.
const USUAL_TIMEOUT: u64 = 60_000;

pub(super) fn route(metadata: &ObjectMeta, spec: &RouteSpec, names: &mut Interner) -> Translation {
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let name = metadata.name.as_deref().unwrap_or_default();
    let mut out = Translation {
        parents: other::parents(spec, namespace, names),
        ..Translation::default()
    };
    for (index, rule) in spec.rules.iter().enumerate() {
        let target = backend::target(&rule.backend_refs, namespace, names);
        out.fellows
            .extend(backend::fellows(&rule.backend_refs, namespace, names));
        // Rules with the same backends (and, lately, the same timeout) share the Kong service of the first of them.
        if !spec.rules[..index]
            .iter()
            .any(|earlier| same_service(earlier, rule))
        {
            let name = format!("httproute.{namespace}.{name}.{index}");
            out.claim(&name, &target, Roles::BOTH, Form::HttpRoute, index);
        }
        for host in other::hosts(spec) {
            let name = format!("httproute.{namespace}.{name}.{host}.{index}");
            out.claim(&name, &target, Roles::BOTH, Form::HttpRouteHost, index);
        }
        for (name, form) in combined(rule, namespace) {
            out.claim(&name, &target, Roles::BOTH, form, index);
        }
    }
    out
}

/// Whether two rules of a route share a Kong service in every version. The controllers compare backends as sorted JSON.
fn same_service(one: &RouteRule, other: &RouteRule) -> bool {
    let (one_refs, mut other_refs) = (
        &one.backend_refs,
        other.backend_refs.iter().collect::<Vec<_>>(),
    );
    one_refs.len() == other_refs.len()
        && one_refs.iter().all(|backend| {
            let same = other_refs
                .iter()
                .position(|candidate| same_backend(backend, candidate));
            same.map(|at| other_refs.swap_remove(at)).is_some()
        })
        && timeout(one).unwrap_or(USUAL_TIMEOUT) == timeout(other).unwrap_or(USUAL_TIMEOUT)
}

fn same_backend(one: &BackendRef, other: &BackendRef) -> bool {
    backend::weight(one) == backend::weight(other)
        && (
            &one.group,
            &one.kind,
            &one.name,
            &one.namespace,
            one.port,
            &one.filters,
        ) == (
            &other.group,
            &other.kind,
            &other.name,
            &other.namespace,
            other.port,
            &other.filters,
        )
}

/// What a rule waits for its backend, in milliseconds, where it says so.
fn timeout(rule: &RouteRule) -> Option<u64> {
    let written = rule.timeouts.as_ref()?.backend_request.as_ref()?;
    let timeout = duration::milliseconds(written)?;
    Some(if timeout == 0 { NO_TIMEOUT } else { timeout })
}

/// The names that a rule has where Kong services are combined over all HTTPRoutes of a namespace.
fn combined(rule: &RouteRule, namespace: &str) -> Vec<(String, Form)> {
    let mut backends: Vec<String> = rule
        .backend_refs
        .iter()
        .map(|backend| {
            let mut name = format!(
                "{}.{}",
                backend::namespace_of(backend, namespace),
                backend.name
            );
            if let Some(port) = backend.port {
                name.push_str(&format!(".{port}"));
            }
            name.push_str(&format!(".{}", backend::weight(backend)));
            name
        })
        .collect();
    backends.sort_unstable();
    let prefix = format!("httproute.{namespace}.svc.");
    let Some(first) = backends.first() else {
        return vec![(prefix + "_", Form::Combined)];
    };
    let full = prefix.clone() + &backends.join("_");
    let mut names = vec![(full.clone(), Form::Combined)];
    if full.len() > LONGEST {
        // KIC before 3.4.1 did not shorten.
        let hash: String = Sha256::digest(&full)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        names.push((
            format!("{prefix}{first}_combined.{hash}"),
            Form::CombinedHash,
        ));
    }
    if let Some(timeout) = timeout(rule) {
        let timed: Vec<_> = names
            .iter()
            .map(|(name, _)| (format!("{name}.timeout.{timeout}"), Form::CombinedTimeout))
            .collect();
        names.extend(timed);
    }
    names
}
