//! Services and Pods.

use serde::{Deserialize, Serialize};

use crate::{kind::kind, lenient::or_default};

kind! {
    /// A Service: its metadata only, and only its metadata is asked for.
    Service = namespaced "" / ["v1"] "Service" "services" metadata_only true {}
}

kind! {
    /// A Pod: where it can be reached, and which containers it has.
    Pod = namespaced "" / ["v1"] "Pod" "pods" {
        /// The containers.
        #[serde(default)]
        spec: PodSpec,
        /// Phase and addresses.
        #[serde(default)]
        status: PodStatus,
    }
}

/// The containers of a pod.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    /// Containers that run beside each other.
    #[serde(default, deserialize_with = "or_default")]
    pub containers: Vec<Container>,
    /// Containers that run first; native sidecars stand here.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub init_containers: Vec<Container>,
}

/// One container.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Container {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The ports that it names.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub ports: Vec<ContainerPort>,
}

/// One port of a container.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    /// The port's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The port's number.
    #[serde(default)]
    pub container_port: i32,
}

/// Where a pod is in its life, and its addresses.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The first address. Same as the first of [`pod_ips`](Self::pod_ips).
    #[serde(default, rename = "podIP", skip_serializing_if = "Option::is_none")]
    pub pod_ip: Option<String>,
    /// All addresses: at most one of each family.
    #[serde(
        default,
        rename = "podIPs",
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub pod_ips: Vec<PodIp>,
    /// Whether it gets requests, among others.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub conditions: Vec<PodCondition>,
}

/// A condition of a pod.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct PodCondition {
    /// Such as `Ready`.
    #[serde(default, rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    #[serde(default)]
    pub status: String,
}

/// One address of a pod.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct PodIp {
    /// IPv4 or IPv6, as text.
    #[serde(default)]
    pub ip: String,
}
