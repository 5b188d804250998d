//! From an object to the names that Kong Ingress Controller gives Kong services for it.
//!
//! The names depend on the controller's version and settings, which are not known for sure. So each object *claims* every
//! name that any of KIC 2.12 to 3.5 and Kong Operator 2.x would use for it. Claims that no controller at hand uses are never
//! looked up; where two readings of one name disagree, the name is in no table.
//!
//! It is done in two steps, since a name is the object's alone, but where its traffic can go is not: [`translate`] makes a
//! [`Draft`], and [`Draft::claims`] says what its names reach as Services, grants, policies and Gateways are now.

mod backend;
mod claim;
mod draft;
mod duration;
mod hosts;
mod http;
mod ingress;
mod other;
mod parents;

pub use self::claim::{Form, Nothing, Target};
pub(crate) use self::{
    claim::{Claim, Roles},
    draft::{Draft, Translation},
};

use crate::{key::Interner, object::Object};

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

#[cfg(test)]
mod tests;
