//! Ingresses.

use serde::{Deserialize, Serialize};

use crate::{kind::kind, lenient::or_default};

kind! {
    /// An Ingress.
    Ingress = namespaced "networking.k8s.io" / ["v1"] "Ingress" "ingresses" {
        /// Rules and default backend.
        #[serde(default)]
        spec: IngressSpec,
    }
}

/// What is read of an Ingress.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressSpec {
    /// Where traffic goes that no rule matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_backend: Option<IngressBackend>,
    /// Rules.
    #[serde(default, deserialize_with = "or_default")]
    pub rules: Vec<IngressRule>,
}

/// The paths of one host.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct IngressRule {
    /// The paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpPaths>,
}

/// A list of paths.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct HttpPaths {
    /// The paths.
    #[serde(default, deserialize_with = "or_default")]
    pub paths: Vec<HttpPath>,
}

/// One path.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct HttpPath {
    /// Where its traffic goes.
    #[serde(default)]
    pub backend: IngressBackend,
}

/// A Service; absent where the backend is another kind of object, such as a KongServiceFacade.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct IngressBackend {
    /// A Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceBackend>,
}

/// A Service and one of its ports.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct ServiceBackend {
    /// The Service's name.
    #[serde(default)]
    pub name: String,
    /// The port.
    #[serde(default)]
    pub port: BackendPort,
}

/// A port, by number or by name: Kong's names hold it as it is written here.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct BackendPort {
    /// By number; 0 is the same as absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i32>,
    /// By name; empty is the same as absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
