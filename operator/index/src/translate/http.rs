//! Names of HTTPRoutes.
//!
//! Sources: KIC `subtranslator/httproute.go` (`groupRulesFromHTTPRoutesByKongServiceName`,
//! `getKongServiceNameByBackendRefs`), KIC 3.3 `httproute_atc.go` (`KongServiceNameFromSplitHTTPRouteMatch`), and for
//! timeouts Kong Operator 2.3.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sha2::{Digest as _, Sha256};
use tagalong_crds::{RouteRule, RouteSpec};

use super::{
    backend::{self, Destination},
    claim::{Form, Roles},
    draft::Translation,
    duration,
    hosts::hosts,
    parents::parents,
};
use crate::key::Interner;

/// The longest name that is not shortened, in bytes.
const LONGEST: usize = 511;
/// What Kong takes for "no timeout", in milliseconds: it has no such value.
const NO_TIMEOUT: u64 = 2_147_483_646;

pub(super) fn route(metadata: &ObjectMeta, spec: &RouteSpec, names: &mut Interner) -> Translation {
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
        let mut claim = |name: &str, form| out.name(name, destination, Roles::BOTH, form, index);
        // Rules with the same backends mostly share the Kong service of the first of them. The others' names are claimed
        // all the same: KIC 2.12 can be told to make them, and they reach the same.
        claim(
            &format!("httproute.{namespace}.{name}.{index}"),
            Form::HttpRoute,
        );
        for host in hosts(spec) {
            let name = format!("httproute.{namespace}.{name}.{host}.{index}");
            claim(&name, Form::HttpRouteHost);
        }
        for (name, form) in combined(rule, namespace) {
            claim(&name, form);
        }
    }
    out
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
    let mut names = shortened(&full, &prefix, first, Form::Combined);
    if let Some(timeout) = timeout(rule) {
        let timed = format!("{full}.timeout.{timeout}");
        names.extend(shortened(&timed, &prefix, first, Form::CombinedTimeout));
    }
    names
}

/// A name, and what a long one is shortened to. The suffix of a timeout is part of what is measured and hashed (Kong Operator
/// 2.3, `kongServiceNameByBackendRefsWithSuffix`).
pub(super) fn shortened(name: &str, prefix: &str, first: &str, form: Form) -> Vec<(String, Form)> {
    // KIC before 3.4.1 did not shorten.
    let mut names = vec![(name.to_owned(), form)];
    if name.len() > LONGEST {
        let hash = Sha256::digest(name);
        names.push((
            format!("{prefix}{first}_combined.{hash:x}"),
            Form::CombinedHash,
        ));
    }
    names
}
