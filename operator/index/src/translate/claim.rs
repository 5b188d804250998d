//! One reading of a name: under which scheme, in which labels, and what its traffic reaches.

use std::fmt;

use serde::Serialize;

use crate::key::{Key, Name};

/// One name, and what its traffic can reach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claim {
    pub(crate) name: Name,
    pub(crate) target: Target,
    pub(crate) roles: Roles,
    pub(crate) form: Form,
    /// The index of the rule; 0 where the object has none.
    pub(crate) rule: u16,
}

/// What traffic under a name can reach.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// One Service and no other.
    Service(Key),
    /// No Service.
    Nothing(Nothing),
    /// More than one Service.
    Several,
    /// One Service, and another one's addresses with weight 0, which Kong may use, and whose health it tells.
    Drained,
}

/// Why traffic reaches no Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Nothing {
    /// The rule names no backend.
    NoBackend,
    /// The rule's backends are no Services.
    NotAService,
    /// The rule's Services are in other namespaces, and no ReferenceGrant there permits it.
    NotGranted,
    /// None of the rule's Services exists.
    NoSuchService,
    /// The Service is in a namespace that the DataPlane's ControlPlane does not watch.
    NotWatched,
    /// All weights are 0.
    NoWeight,
    /// The backend's name could not be a Service's.
    NoName,
}

/// In which labels a name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Roles(u8);

/// Which scheme a name follows. Sources: Kong/kubernetes-ingress-controller `internal/dataplane/translator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Form {
    /// `httproute.<namespace>.<route>.<rule>`: KIC's default.
    HttpRoute,
    /// `httproute.<namespace>.<route>.<host>.<rule>`: expression router, KIC up to 3.3.
    HttpRouteHost,
    /// `httproute.<namespace>.svc.<backends>`: services combined over routes, Kong Operator's default.
    Combined,
    /// As [`Combined`](Self::Combined), of 512 characters or more: with a hash.
    CombinedHash,
    /// As the two before, with a timeout of its own: Kong Operator 2.3.
    CombinedTimeout,
    /// `<kind>.<namespace>.<route>.<rule>`: GRPC, TCP, TLS and UDP routes.
    Route,
    /// `grpcroute.<namespace>.<route>.<host>.<rule>`: expression router.
    RouteHost,
    /// `<namespace>.<service>.<port>`, upstream `<service>.<namespace>.<port>.svc`: KIC from 2.11.
    Ingress,
    /// `<namespace>.<ingress>.<service>.<port>`: KIC 2.8 to 2.10.
    IngressCombinedRoutes,
    /// `<namespace>.<service>.pnum-<port>` or `pname-<port>`: KIC up to 2.7.
    IngressLegacy,
    /// `<namespace>.<facade>.svc.facade`.
    Facade,
    /// `<namespace>.<service>.<port>`, for UDP with `.udp` behind.
    L4Ingress,
}

// === impl Form ===

impl Form {
    /// Whether a name of this scheme says itself to which Services it leads, rather than in which place a rule stands.
    pub(crate) fn names_backends(self) -> bool {
        match self {
            Self::Combined | Self::CombinedHash | Self::CombinedTimeout => true,
            Self::HttpRoute
            | Self::HttpRouteHost
            | Self::Route
            | Self::RouteHost
            | Self::Ingress
            | Self::IngressCombinedRoutes
            | Self::IngressLegacy
            | Self::Facade
            | Self::L4Ingress => false,
        }
    }
}

// === impl Roles ===

impl Roles {
    /// The `service` label.
    pub(crate) const SERVICE: Self = Self(1);
    /// The `upstream` label.
    pub(crate) const UPSTREAM: Self = Self(2);
    /// Both: where Kong's service has a host of its own name.
    pub(crate) const BOTH: Self = Self(3);

    pub(crate) fn has(self, role: Self) -> bool {
        self.0 & role.0 != 0
    }
}

impl fmt::Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBackend => "the rule names no backend",
            Self::NotAService => "the rule's backends are no Services",
            Self::NotGranted => {
                "no ReferenceGrant in the Service's namespace permits the rule's reference"
            }
            Self::NoSuchService => "none of the rule's Services exists",
            Self::NotWatched => "its namespace is not among those that the ControlPlane watches",
            Self::NoWeight => "all weights are 0",
            Self::NoName => "the backend's name could not be a Service's",
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(key) => write!(f, "Service {key}"),
            Self::Nothing(why) => write!(f, "no Service: {why}"),
            Self::Several => f.write_str("several Services"),
            Self::Drained => {
                f.write_str("a Service, and addresses of another one that has weight 0")
            }
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HttpRoute => "one Kong service for each rule of an HTTPRoute (KIC's default)",
            Self::HttpRouteHost => {
                "one Kong service for each host and rule (KIC up to 3.3, expression router)"
            }
            Self::Combined => "Kong services combined over HTTPRoutes (Kong Operator's default)",
            Self::CombinedHash => "Kong services combined over HTTPRoutes, a long name with a hash",
            Self::CombinedTimeout => {
                "Kong services combined over HTTPRoutes, with a timeout of its own"
            }
            Self::Route => "one Kong service for each rule",
            Self::RouteHost => "one Kong service for each host and rule (expression router)",
            Self::Ingress => "one Kong service for each Service and port",
            Self::IngressCombinedRoutes => {
                "one Kong service for each Ingress, Service and port (KIC 2.8 to 2.10)"
            }
            Self::IngressLegacy => "one Kong service for each Service and port (KIC up to 2.7)",
            Self::Facade => "one Kong service for each KongServiceFacade",
            Self::L4Ingress => {
                "one Kong service for each Service and port of a TCPIngress or UDPIngress"
            }
        })
    }
}
