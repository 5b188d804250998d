//! Host names in names.

use tagalong_crds::RouteSpec;

use crate::{key::Key, object::Source};

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
