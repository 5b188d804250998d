//! From an object to the names that Kong Ingress Controller gives Kong services for it.
//!
//! The names depend on the controller's version and settings, which are not known for sure. So each object *claims* every
//! name that any of KIC 2.12 to 3.5 and Kong Operator 2.x would use for it. Claims that no controller at hand uses are never
//! looked up; where two readings of one name disagree, the name is in no table.

mod backend;
mod duration;
mod http;
mod ingress;
mod other;

use std::fmt;

use serde::Serialize;

use crate::{
    key::{Interner, Key, Name},
    object::Object,
};

/// What an object says about Kong's names.
#[derive(Debug, Default)]
pub(crate) struct Translation {
    /// The Gateways that the object asks to be attached to; none where that is not how it reaches a Kong.
    pub(crate) parents: Option<Vec<Key>>,
    /// The names.
    pub(crate) claims: Vec<Claim>,
    /// Of each rule with several Services, those Services, sorted.
    pub(crate) fellows: Vec<Vec<Key>>,
}

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
    /// More than one Service, or something that is no Service beside one.
    Several,
}

/// Why traffic reaches no Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Nothing {
    /// The rule names no backend.
    NoBackend,
    /// The rule's backends are no Services.
    NotAService,
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

/// The names that an object claims; none if the object is of a kind that names no Kong service.
pub(crate) fn translate(object: &Object, names: &mut Interner) -> Option<Translation> {
    let mut translation = match object {
        Object::HttpRoute(route) => http::route(&route.metadata, &route.spec, names),
        Object::GrpcRoute(route) => {
            other::route("grpcroute", true, &route.metadata, &route.spec, names)
        }
        Object::TcpRoute(route) => {
            other::route("tcproute", false, &route.metadata, &route.spec, names)
        }
        Object::TlsRoute(route) => {
            other::route("tlsroute", false, &route.metadata, &route.spec, names)
        }
        Object::UdpRoute(route) => {
            other::route("udproute", false, &route.metadata, &route.spec, names)
        }
        Object::Ingress(ingress) => ingress::ingress(ingress, names),
        Object::Facade(facade) => ingress::facade(facade, names),
        Object::TcpIngress(ingress) => ingress::l4(&ingress.metadata, &ingress.spec, "", names),
        Object::UdpIngress(ingress) => ingress::l4(&ingress.metadata, &ingress.spec, ".udp", names),
        Object::Extension(_)
        | Object::ControlPlane(_)
        | Object::GatewayConfiguration(_)
        | Object::DataPlane(_)
        | Object::Deployment(_)
        | Object::DaemonSet(_)
        | Object::StatefulSet(_)
        | Object::Pod(_)
        | Object::Service(_)
        | Object::Plugin(_)
        | Object::ClusterPlugin(_) => return None,
    };
    translation.settle();
    Some(translation)
}

// === impl Translation ===

impl Translation {
    fn claim(&mut self, name: &str, target: &Target, roles: Roles, form: Form, rule: usize) {
        let claim = Claim {
            name: Name::from(name),
            target: target.clone(),
            roles,
            form,
            rule: u16::try_from(rule).unwrap_or(u16::MAX),
        };
        self.claims.push(claim);
    }

    /// Brings claims and fellows into an order that depends on nothing but themselves, each once.
    fn settle(&mut self) {
        self.claims.sort_unstable();
        self.claims.dedup_by(|one, other| {
            (&one.name, &one.target, one.roles) == (&other.name, &other.target, other.roles)
        });
        self.fellows.sort_unstable();
        self.fellows.dedup();
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

#[cfg(test)]
mod tests;
