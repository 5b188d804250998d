//! Kinds of Kong Ingress Controller: plugins, facades, and the older TCP and UDP ingresses.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{kind::kind, lenient::or_default};

kind! {
    /// A KongPlugin. Its fields stand at the top: it has no `spec`.
    KongPlugin = namespaced "configuration.konghq.com" / ["v1"] "KongPlugin" "kongplugins" {
        /// The name of the Kong plugin, such as `prometheus`.
        #[serde(default)]
        plugin: String,
        /// Its settings.
        #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Map::is_empty")]
        config: Map<String, Value>,
        /// Whether the plugin is off.
        #[serde(default, deserialize_with = "or_default")]
        disabled: bool,
    }
}

kind! {
    /// A KongClusterPlugin. With the label `global: "true"` it applies to everything.
    KongClusterPlugin = cluster "configuration.konghq.com" / ["v1"] "KongClusterPlugin" "kongclusterplugins" {
        /// The name of the Kong plugin, such as `prometheus`.
        #[serde(default)]
        plugin: String,
        /// Its settings.
        #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Map::is_empty")]
        config: Map<String, Value>,
        /// Settings that stand in a Secret.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        config_from: Option<ConfigFrom>,
        /// Settings that are patched in from Secrets.
        #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
        config_patches: Vec<Value>,
        /// Whether the plugin is off.
        #[serde(default, deserialize_with = "or_default")]
        disabled: bool,
    }
}

kind! {
    /// A KongUpstreamPolicy: how Services that name it in `konghq.com/upstream-policy` are balanced.
    KongUpstreamPolicy = namespaced "configuration.konghq.com" / ["v1beta1"] "KongUpstreamPolicy" "kongupstreampolicies" {
        /// How.
        #[serde(default, deserialize_with = "or_default")]
        spec: UpstreamPolicySpec,
    }
}

kind! {
    /// A KongServiceFacade: a backend of Ingresses that stands for a Service.
    KongServiceFacade = namespaced "incubator.ingress-controller.konghq.com" / ["v1alpha1"]
        "KongServiceFacade" "kongservicefacades" {
        /// The Service.
        #[serde(default)]
        spec: FacadeSpec,
    }
}

kind! {
    /// A TCPIngress.
    TcpIngress = namespaced "configuration.konghq.com" / ["v1beta1"] "TCPIngress" "tcpingresses" {
        /// Rules.
        #[serde(default)]
        spec: L4Spec,
    }
}

kind! {
    /// A UDPIngress.
    UdpIngress = namespaced "configuration.konghq.com" / ["v1beta1"] "UDPIngress" "udpingresses" {
        /// Rules.
        #[serde(default)]
        spec: L4Spec,
    }
}

/// Where settings of a plugin come from, when not from the object itself. What is in it is not read.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct ConfigFrom {}

/// What is read of a KongUpstreamPolicy.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct UpstreamPolicySpec {
    /// Kong's balancing algorithm; absent means `round-robin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
}

/// The Service behind a facade.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FacadeSpec {
    /// The Service.
    #[serde(default)]
    pub backend_ref: FacadeBackend,
}

/// The Service behind a facade.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct FacadeBackend {
    /// The Service's name.
    #[serde(default)]
    pub name: String,
}

/// The rules of a TCPIngress or UDPIngress.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct L4Spec {
    /// Rules.
    #[serde(default, deserialize_with = "or_default")]
    pub rules: Vec<L4Rule>,
}

/// One rule.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct L4Rule {
    /// Where its traffic goes.
    #[serde(default)]
    pub backend: L4Backend,
}

/// A Service and one of its ports.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct L4Backend {
    /// The Service's name.
    #[serde(default)]
    pub service_name: String,
    /// The port's number.
    #[serde(default)]
    pub service_port: i32,
}
