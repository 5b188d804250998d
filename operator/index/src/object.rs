//! What goes into the index: objects of every kind that it knows.

use std::fmt;

use kube::core::{Resource, ResourceExt as _};
use serde::{Serialize, Serializer};
use tagalong_crds as crds;
use tagalong_crds::Kind;

use crate::key::Key;

/// The one list of kinds: calls `$callback!` with what all lists of kinds derive from.
///
/// Each line is the kind's name in the index, the type in [`tagalong_crds`], and whether the reconcilers write it. What the
/// index holds, what manifests and watches read and what the reconcilers observe are made of this list; the chart's rules
/// and the tests are held to it.
#[macro_export]
macro_rules! for_each_kind {
    ($callback:ident) => {
        $callback! {
            Extension(DataPlaneMetricsExtension) written,
            ControlPlane(ControlPlane) read,
            GatewayConfiguration(GatewayConfiguration) written,
            DataPlane(DataPlane) written,
            Deployment(Deployment) read,
            DaemonSet(DaemonSet) read,
            StatefulSet(StatefulSet) read,
            Pod(Pod) read,
            Service(Service) written,
            Plugin(KongPlugin) written,
            ClusterPlugin(KongClusterPlugin) read,
            Ingress(Ingress) read,
            Facade(KongServiceFacade) read,
            HttpRoute(HttpRoute) read,
            GrpcRoute(GrpcRoute) read,
            TcpRoute(TcpRoute) read,
            TlsRoute(TlsRoute) read,
            UdpRoute(UdpRoute) read,
            TcpIngress(TcpIngress) read,
            UdpIngress(UdpIngress) read,
            Gateway(Gateway) read,
            Grant(ReferenceGrant) read,
            UpstreamPolicy(KongUpstreamPolicy) read,
        }
    };
}

macro_rules! objects {
    ($($name:ident($type:ident) $written:ident,)+) => {
        /// An object.
        #[derive(Clone, Debug)]
        pub enum Object {
            $(#[doc = concat!("A ", stringify!($type), ".")] $name(crds::$type),)+
        }

        /// A kind of object.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ObjectKind {
            $(#[doc = concat!("A ", stringify!($type), ".")] $name,)+
        }

        impl Object {
            /// The object's kind.
            #[must_use]
            pub fn kind(&self) -> ObjectKind {
                match self {
                    $(Self::$name(_) => ObjectKind::$name,)+
                }
            }

            /// The object's namespace and name.
            #[must_use]
            pub fn key(&self) -> Key {
                match self {
                    $(Self::$name(object) => key(object),)+
                }
            }
        }

        impl ObjectKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The kind's name, such as `HTTPRoute`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => <crds::$type as Kind>::KIND,)+
                }
            }

            /// The kind's API group and its plural, as permissions name it: such as `gateway.networking.k8s.io` and
            /// `httproutes`.
            #[must_use]
            pub fn resource(self) -> (&'static str, &'static str) {
                match self {
                    $(Self::$name => (<crds::$type as Kind>::GROUP, <crds::$type as Kind>::PLURAL),)+
                }
            }
        }

        $(impl From<crds::$type> for Object {
            fn from(object: crds::$type) -> Self {
                Self::$name(object)
            }
        })+
    };
}

for_each_kind!(objects);

/// An object that names Kong services, such as a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its namespace and name.
    pub key: Key,
}

fn key<K: Resource>(object: &K) -> Key {
    Key::new(object.namespace().unwrap_or_default(), object.name_any())
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ObjectKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
