//! tagalong's own kind, and the few fields read of Kong's and Gateway API's kinds.
//!
//! Every type here is *partial*: it holds what tagalong reads and nothing else, ignores fields that it does not know, and
//! lets everything be absent that an API server may omit. What a person or another program wrote never fails to parse for
//! the sake of a field that nobody here looks at. Whoever watches these kinds should still wrap them in
//! [`kube::core::DeserializeGuard`], so that an object with a *wrong* type in a known field costs itself only.
//!
//! Most kinds are served in several versions, and which ones is known only at run time. So each type names its versions in
//! order of preference ([`Kind::VERSIONS`]), and its kube `DynamicType` is the [`ApiResource`](kube::core::ApiResource)
//! that discovery chose.

mod core;
mod gateway_api;
mod ingress;
mod kind;
mod kong;
mod kong_operator;
mod lenient;
mod metrics_extension;
#[cfg(feature = "schema")]
mod schema;
mod workloads;

pub use self::{
    core::{Container, ContainerPort, Pod, PodCondition, PodIp, PodSpec, PodStatus, Service},
    gateway_api::{
        BackendRef, Gateway, GatewayClass, GatewayClassSpec, GatewaySpec, GrpcRoute, HttpRoute,
        Listener, ParametersRef, ParentRef, ReferenceGrant, ReferenceGrantFrom, ReferenceGrantSpec,
        ReferenceGrantTo, RouteCondition, RouteParentStatus, RouteRule, RouteSpec, RouteStatus,
        RouteTimeouts, TcpRoute, TlsRoute, UdpRoute,
    },
    ingress::{
        BackendPort, HttpPath, HttpPaths, Ingress, IngressBackend, IngressRule, IngressSpec,
        ServiceBackend,
    },
    kind::Kind,
    kong::{
        ConfigFrom, FacadeBackend, FacadeSpec, KongClusterPlugin, KongPlugin, KongServiceFacade,
        KongUpstreamPolicy, L4Backend, L4Rule, L4Spec, TcpIngress, UdpIngress, UpstreamPolicySpec,
    },
    kong_operator::{
        ControlPlane, ControlPlaneOptions, ControlPlaneSpec, ControlPlaneStatus, DataPlane,
        DataPlaneDeployment, DataPlaneOptions, DataPlanePodMetadata, DataPlanePodSpec,
        DataPlanePods, DataPlaneRef, DataPlaneStatus, ExtensionRef, GatewayConfiguration,
        GatewayConfigurationSpec, NameRef, WatchNamespaces,
    },
    metrics_extension::{
        CONDITION_READY, ControlPlaneRef, DataPlaneMetricsExtension, MatchName, MetricsConfig,
        MetricsExtensionSpec, MetricsExtensionStatus, ServiceSelector,
    },
    workloads::{DaemonSet, Deployment, StatefulSet, WorkloadSpec},
};

#[cfg(feature = "schema")]
pub use self::schema::custom_resource_definition;

/// The group of Kong's operators, and of [`DataPlaneMetricsExtension`].
pub const GATEWAY_OPERATOR: &str = "gateway-operator.konghq.com";
/// The group of Kong's plugin kinds.
pub const CONFIGURATION: &str = "configuration.konghq.com";
/// The group of the Kubernetes Gateway API.
pub const GATEWAY_API: &str = "gateway.networking.k8s.io";
