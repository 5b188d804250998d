//! What goes into the index: objects of every kind that it knows.

use std::fmt;

use kube::core::{Resource, ResourceExt as _};
use serde::{Serialize, Serializer};
use tagalong_crds as crds;

use crate::key::Key;

macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident($type:ty) = $text:literal,)+) => {
        /// An object.
        #[derive(Clone, Debug)]
        pub enum Object {
            $($(#[$doc])* $name($type),)+
        }

        /// A kind of object.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ObjectKind {
            $($(#[$doc])* $name,)+
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
                    $(Self::$name => $text,)+
                }
            }
        }

        $(impl From<$type> for Object {
            fn from(object: $type) -> Self {
                Self::$name(object)
            }
        })+
    };
}

objects! {
    /// DataPlaneMetricsExtension.
    Extension(crds::DataPlaneMetricsExtension) = "DataPlaneMetricsExtension",
    /// ControlPlane.
    ControlPlane(crds::ControlPlane) = "ControlPlane",
    /// GatewayConfiguration.
    GatewayConfiguration(crds::GatewayConfiguration) = "GatewayConfiguration",
    /// DataPlane.
    DataPlane(crds::DataPlane) = "DataPlane",
    /// Deployment.
    Deployment(crds::Deployment) = "Deployment",
    /// DaemonSet.
    DaemonSet(crds::DaemonSet) = "DaemonSet",
    /// StatefulSet.
    StatefulSet(crds::StatefulSet) = "StatefulSet",
    /// Pod.
    Pod(crds::Pod) = "Pod",
    /// Service.
    Service(crds::Service) = "Service",
    /// KongPlugin.
    Plugin(crds::KongPlugin) = "KongPlugin",
    /// KongClusterPlugin.
    ClusterPlugin(crds::KongClusterPlugin) = "KongClusterPlugin",
    /// Ingress.
    Ingress(crds::Ingress) = "Ingress",
    /// KongServiceFacade.
    Facade(crds::KongServiceFacade) = "KongServiceFacade",
    /// HTTPRoute.
    HttpRoute(crds::HttpRoute) = "HTTPRoute",
    /// GRPCRoute.
    GrpcRoute(crds::GrpcRoute) = "GRPCRoute",
    /// TCPRoute.
    TcpRoute(crds::TcpRoute) = "TCPRoute",
    /// TLSRoute.
    TlsRoute(crds::TlsRoute) = "TLSRoute",
    /// UDPRoute.
    UdpRoute(crds::UdpRoute) = "UDPRoute",
    /// TCPIngress.
    TcpIngress(crds::TcpIngress) = "TCPIngress",
    /// UDPIngress.
    UdpIngress(crds::UdpIngress) = "UDPIngress",
}

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
