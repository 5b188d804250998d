//! Gateway API: Gateways, routes and grants.
//!
//! All kinds of route share their specification here: what differs between them (matches, filters) is not read.

use serde::{Deserialize, Serialize};

use crate::{kind::kind, lenient::or_default};

kind! {
    /// A Gateway.
    Gateway = namespaced "gateway.networking.k8s.io" / ["v1", "v1beta1"] "Gateway" "gateways" {
        /// Its class and listeners.
        #[serde(default)]
        spec: GatewaySpec,
    }
}

kind! {
    /// A ReferenceGrant: which references from other namespaces into its own are permitted.
    ReferenceGrant = namespaced "gateway.networking.k8s.io" / ["v1", "v1beta1"] "ReferenceGrant" "referencegrants" {
        /// From where, and to what.
        #[serde(default)]
        spec: ReferenceGrantSpec,
    }
}

kind! {
    /// A GatewayClass.
    GatewayClass = cluster "gateway.networking.k8s.io" / ["v1", "v1beta1"] "GatewayClass" "gatewayclasses" {
        /// Who implements the class.
        #[serde(default)]
        spec: GatewayClassSpec,
    }
}

kind! {
    /// An HTTPRoute.
    HttpRoute = namespaced "gateway.networking.k8s.io" / ["v1", "v1beta1"] "HTTPRoute" "httproutes" {
        /// Parents, host names and rules.
        #[serde(default)]
        spec: RouteSpec,
        /// What the controllers of its parents say.
        #[serde(default, deserialize_with = "or_default")]
        status: RouteStatus,
    }
}

kind! {
    /// A GRPCRoute.
    GrpcRoute = namespaced "gateway.networking.k8s.io" / ["v1", "v1alpha2"] "GRPCRoute" "grpcroutes" {
        /// Parents, host names and rules.
        #[serde(default)]
        spec: RouteSpec,
        /// What the controllers of its parents say.
        #[serde(default, deserialize_with = "or_default")]
        status: RouteStatus,
    }
}

kind! {
    /// A TCPRoute.
    TcpRoute = namespaced "gateway.networking.k8s.io" / ["v1", "v1alpha2"] "TCPRoute" "tcproutes" {
        /// Parents and rules.
        #[serde(default)]
        spec: RouteSpec,
        /// What the controllers of its parents say.
        #[serde(default, deserialize_with = "or_default")]
        status: RouteStatus,
    }
}

kind! {
    /// A TLSRoute.
    TlsRoute = namespaced "gateway.networking.k8s.io" / ["v1", "v1alpha3", "v1alpha2"] "TLSRoute" "tlsroutes" {
        /// Parents, host names and rules.
        #[serde(default)]
        spec: RouteSpec,
        /// What the controllers of its parents say.
        #[serde(default, deserialize_with = "or_default")]
        status: RouteStatus,
    }
}

kind! {
    /// A UDPRoute.
    UdpRoute = namespaced "gateway.networking.k8s.io" / ["v1", "v1alpha2"] "UDPRoute" "udproutes" {
        /// Parents and rules.
        #[serde(default)]
        spec: RouteSpec,
        /// What the controllers of its parents say.
        #[serde(default, deserialize_with = "or_default")]
        status: RouteStatus,
    }
}

/// What is read of a Gateway's specification.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    /// The name of its GatewayClass.
    #[serde(default)]
    pub gateway_class_name: String,
    /// Its listeners.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub listeners: Vec<Listener>,
}

/// One listener of a Gateway.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Listener {
    /// The host name that it accepts; absent or empty means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
}

/// What is read of a ReferenceGrant: each of `from` may refer to each of `to`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct ReferenceGrantSpec {
    /// Who may refer.
    #[serde(default, deserialize_with = "or_default")]
    pub from: Vec<ReferenceGrantFrom>,
    /// To what.
    #[serde(default, deserialize_with = "or_default")]
    pub to: Vec<ReferenceGrantTo>,
}

/// Objects of one kind in one namespace.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct ReferenceGrantFrom {
    /// API group.
    #[serde(default)]
    pub group: String,
    /// Kind.
    #[serde(default)]
    pub kind: String,
    /// Namespace.
    #[serde(default)]
    pub namespace: String,
}

/// Objects of one kind in the grant's namespace.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct ReferenceGrantTo {
    /// API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// Kind.
    #[serde(default)]
    pub kind: String,
    /// Name; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Who implements a class, and with which parameters.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassSpec {
    /// Such as `konghq.com/gateway-operator`.
    #[serde(default)]
    pub controller_name: String,
    /// Kong's operators point to a GatewayConfiguration here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters_ref: Option<ParametersRef>,
}

/// The parameters of a class.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct ParametersRef {
    /// API group.
    #[serde(default)]
    pub group: String,
    /// Kind.
    #[serde(default)]
    pub kind: String,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Namespace, for kinds that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// What is read of any route.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteSpec {
    /// The Gateways (or other parents) that the route asks to be attached to.
    #[serde(default, deserialize_with = "or_default")]
    pub parent_refs: Vec<ParentRef>,
    /// Host names, as written. TCP and UDP routes have none.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub hostnames: Vec<String>,
    /// Rules, in order: Kong's names count them.
    #[serde(default, deserialize_with = "or_default")]
    pub rules: Vec<RouteRule>,
}

/// A parent that a route asks to be attached to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct ParentRef {
    /// API group; absent means Gateway API's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind; absent means `Gateway`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Namespace; absent means the route's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// What is read of any route's status.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct RouteStatus {
    /// What the controllers say, one entry for each of them and parent.
    #[serde(default, deserialize_with = "or_default")]
    pub parents: Vec<RouteParentStatus>,
}

/// What one controller says of a route at one parent.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteParentStatus {
    /// The parent.
    #[serde(default)]
    pub parent_ref: ParentRef,
    /// The conditions.
    #[serde(default, deserialize_with = "or_default")]
    pub conditions: Vec<RouteCondition>,
}

/// What is read of a condition.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteCondition {
    /// Such as `Programmed`.
    #[serde(default)]
    pub r#type: String,
    /// `True`, `False` or `Unknown`.
    #[serde(default)]
    pub status: String,
    /// The generation of the route that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// One rule of a route.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteRule {
    /// Where the rule's traffic may go.
    #[serde(default, deserialize_with = "or_default")]
    pub backend_refs: Vec<BackendRef>,
    /// Timeouts; only HTTPRoutes have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<RouteTimeouts>,
}

/// One place where a rule's traffic may go.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct BackendRef {
    /// API group; absent or empty means the core group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind; absent means `Service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Namespace; absent means the route's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Port number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Share of the traffic. The API server writes 1 where a person wrote nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<i32>,
}

/// Timeouts of a rule, in Gateway API's duration format (`500ms`, `1m30s`).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteTimeouts {
    /// For one request to a backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_request: Option<String>,
}
