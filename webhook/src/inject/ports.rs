//! Whether the sidecar's port is free in the pod.

use serde_json::Value;

use super::kind::Kind;
use super::listen::listen_ports;
use super::pod::{Pod, env, name, ports};
use super::refusal::Refusal;

/// Checks `port` against every declared TCP port of the pod and every listener of Kong. A `hostPort` alone does not
/// count: it is taken on the node, not in the pod (and on the host's network it equals the container's port).
pub(super) fn free(port: u16, kind: Kind, pod: &Pod<'_>, proxy: &Value) -> Result<(), Refusal> {
    let taken = |by: String| Err(Refusal::PortTaken { port, by });
    for container in pod.all_containers() {
        let declared = ports(container).any(|declared| {
            let tcp = declared
                .get("protocol")
                .and_then(Value::as_str)
                .is_none_or(|protocol| protocol == "TCP");
            tcp && declared.get("containerPort").and_then(Value::as_u64) == Some(port.into())
        });
        if declared {
            return taken(format!("container `{}`", name(container)));
        }
    }
    for entry in env(proxy) {
        let listens = name(entry).starts_with("KONG_") && name(entry).ends_with("_LISTEN");
        let value = entry
            .get("value")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if listens && listen_ports(value).any(|listened| listened == port) {
            return taken(format!("Kong's {}", name(entry)));
        }
    }
    for (variable, defaults) in kind.default_ports() {
        if defaults.contains(&port) && !env(proxy).any(|entry| name(entry) == *variable) {
            return taken(format!("Kong's {variable}, which has it by default"));
        }
    }
    Ok(())
}
