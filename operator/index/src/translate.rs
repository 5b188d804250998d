//! From an object to the names that Kong Ingress Controller gives Kong services for it.
//!
//! The names depend on the controller's version and settings, which are not known for sure. So each object *claims* every
//! name that any of KIC 2.12 to 3.5 and Kong Operator 2.x would use for it. Claims that no controller at hand uses are never
//! looked up; where two readings of one name disagree, the name is in no table.
//!
//! It is done in two steps, since a name is the object's alone, but where its traffic can go is not: [`translate`] makes a
//! [`Draft`], and [`Draft::claims`] says what its names reach as Services, grants, policies and Gateways are now.

mod backend;
mod duration;
mod http;
mod ingress;
mod other;

pub(crate) use self::backend::{Destination, Reach};

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

use crate::{
    key::{Interner, Key, Name},
    object::{Object, Source},
    referents::{Referent, Referents},
};

/// What an object says about Kong's names, whatever else there is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    /// The names.
    names: Vec<DraftName>,
    /// Where their traffic can go, as it is written.
    destinations: Vec<Destination>,
    /// The Gateways whose listeners' host names are in further names.
    listeners: Vec<Key>,
}

/// What an object says, with what is no matter of names.
#[derive(Debug, Default)]
pub(crate) struct Translation {
    /// The Gateways that the object asks to be attached to; none where that is not how it reaches a Kong.
    pub(crate) parents: Option<Vec<Key>>,
    /// The names.
    pub(crate) draft: Draft,
    /// Of each rule with several Services, those Services, sorted.
    pub(crate) fellows: Vec<Vec<Key>>,
}

/// One name of a draft.
#[derive(Debug, PartialEq, Eq)]
struct DraftName {
    name: Name,
    roles: Roles,
    form: Form,
    rule: u16,
    /// Its place in [`Draft::destinations`].
    destination: usize,
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

/// What an object says about names; none if the object is of a kind that names no Kong service.
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
        | Object::ClusterPlugin(_)
        | Object::Gateway(_)
        | Object::Grant(_)
        | Object::UpstreamPolicy(_) => return None,
    };
    translation.settle();
    Some(translation)
}

// === impl Translation ===

impl Translation {
    /// Names with a destination of their own.
    fn claim(&mut self, name: &str, target: Target, roles: Roles, form: Form, rule: usize) {
        let destination = self.destination(Destination::Fixed(target));
        self.name(name, destination, roles, form, rule);
    }

    fn destination(&mut self, destination: Destination) -> usize {
        self.draft.destinations.push(destination);
        self.draft.destinations.len() - 1
    }

    fn name(&mut self, name: &str, destination: usize, roles: Roles, form: Form, rule: usize) {
        self.draft.names.push(DraftName {
            name: Name::from(name),
            roles,
            form,
            rule: u16::try_from(rule).unwrap_or(u16::MAX),
            destination,
        });
    }

    /// Brings everything into an order that depends on nothing but itself, each once.
    fn settle(&mut self) {
        self.fellows.sort_unstable();
        self.fellows.dedup();
        self.draft.names.shrink_to_fit();
        self.draft.destinations.shrink_to_fit();
    }
}

// === impl Draft ===

impl Draft {
    /// What its names depend on beside the object; nothing for most.
    pub(crate) fn referents(&self, source: &Source) -> BTreeSet<Referent> {
        let namespace = &source.key.namespace;
        let gateways = self.listeners.iter().cloned().map(Referent::Gateway);
        let destinations = self.destinations.iter();
        destinations
            .flat_map(|destination| destination.referents(namespace))
            .chain(gateways)
            .collect()
    }

    /// What its names reach as things are: in order, each once.
    pub(crate) fn claims(&self, source: &Source, referents: &Referents) -> Vec<Claim> {
        let (kind, namespace) = (source.kind.name(), &source.key.namespace);
        let reaches: Vec<Reach> = self
            .destinations
            .iter()
            .map(|destination| destination.reach(kind, namespace, referents))
            .collect();
        let mut claims = Vec::with_capacity(self.names.len());
        let mut add = |name: Name, roles: Roles, form, rule, destination: usize| {
            let Some(Reach { traffic, addresses }) = reaches.get(destination) else {
                return;
            };
            let mut claim = |roles, target: &Target| {
                claims.push(Claim {
                    name: Name::clone(&name),
                    target: target.clone(),
                    roles,
                    form,
                    rule,
                });
            };
            if traffic == addresses {
                return claim(roles, traffic);
            }
            if roles.has(Roles::SERVICE) {
                claim(Roles::SERVICE, traffic);
            }
            if roles.has(Roles::UPSTREAM) {
                claim(Roles::UPSTREAM, addresses);
            }
        };
        for name in &self.names {
            let text = Name::clone(&name.name);
            add(text, name.roles, name.form, name.rule, name.destination);
        }
        for (host, name) in self.inherited(referents) {
            let text = other::with_host(source, host, name.rule);
            add(
                Name::from(text),
                Roles::BOTH,
                Form::RouteHost,
                name.rule,
                name.destination,
            );
        }
        claims.sort_unstable();
        claims.dedup_by(|one, other| {
            (&one.name, &one.target, one.roles) == (&other.name, &other.target, other.roles)
        });
        claims
    }

    /// The Services to which a name refers.
    pub(crate) fn services(&self, name: &str) -> Vec<&Key> {
        let named = self.names.iter().filter(|draft| *draft.name == *name);
        let destinations = named.filter_map(|draft| self.destinations.get(draft.destination));
        destinations.flat_map(Destination::services).collect()
    }

    /// The host names that the object inherits from listeners, with each of its rules.
    fn inherited<'a>(
        &'a self,
        referents: &'a Referents,
    ) -> impl Iterator<Item = (&'a Name, &'a DraftName)> {
        let gateways = self.listeners.iter();
        let hosts = gateways
            .filter_map(|gateway| referents.gateways.get(gateway))
            .flat_map(|gateway| &gateway.hosts);
        hosts.flat_map(|host| {
            let rules = self.names.iter().filter(|name| name.form == Form::Route);
            rules.map(move |rule| (host, rule))
        })
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

#[cfg(test)]
mod tests;
