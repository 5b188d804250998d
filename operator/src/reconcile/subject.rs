//! The objects that the reconcilers write. The kinds stand here once: whoever adds one is made by the compiler to say
//! what a write is about, and whom it concerns when it fails.

use k8s_openapi::api::core::v1::ObjectReference;
use std::fmt;
use tagalong_index::Key;

/// An object that is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// Its kind.
    pub kind: SubjectKind,
    /// Its namespace and name.
    pub key: Key,
}

/// A kind that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubjectKind {
    /// KongPlugin.
    Plugin,
    /// Service.
    Service,
    /// DataPlane.
    DataPlane,
    /// GatewayConfiguration.
    Configuration,
    /// DataPlaneMetricsExtension.
    Extension,
    /// ConfigMap.
    ConfigMap,
    /// NetworkPolicy.
    Policy,
}

impl SubjectKind {
    /// The object of this kind at `key`.
    #[must_use]
    pub fn at(self, key: &Key) -> Subject {
        let key = key.clone();
        Subject { kind: self, key }
    }

    /// The kind's name, as in manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plugin => "KongPlugin",
            Self::Service => "Service",
            Self::DataPlane => "DataPlane",
            Self::Configuration => "GatewayConfiguration",
            Self::Extension => "DataPlaneMetricsExtension",
            Self::ConfigMap => "ConfigMap",
            Self::Policy => "NetworkPolicy",
        }
    }

    fn api_version(self) -> &'static str {
        match self {
            Self::Plugin => "configuration.konghq.com/v1",
            Self::Service | Self::ConfigMap => "v1",
            // Of both versions the one that Kong Gateway Operator and Kong Operator serve.
            Self::DataPlane | Self::Configuration => "gateway-operator.konghq.com/v1beta1",
            Self::Extension => "gateway-operator.konghq.com/v1alpha1",
            Self::Policy => "networking.k8s.io/v1",
        }
    }
}

impl Subject {
    /// As Events refer to it.
    #[must_use]
    pub fn reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some(self.kind.api_version().to_owned()),
            kind: Some(self.kind.name().to_owned()),
            name: Some(self.key.name.to_string()),
            namespace: Some(self.key.namespace.to_string()),
            ..ObjectReference::default()
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.key)
    }
}
