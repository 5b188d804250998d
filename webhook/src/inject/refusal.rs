//! Why an object that asks for the sidecar does not get it.

use tagalong_wire::contract;

/// Each text says what is wrong and what to do, and becomes a warning to whoever applies the object. Kubernetes wants
/// a warning within 256 characters, hence the brevity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// None of the kinds that run Kong.
    #[error("not a DataPlane, GatewayConfiguration, Deployment, DaemonSet or StatefulSet")]
    Kind,
    /// The object has no pod template to add to.
    #[error("there is no {0}; Kong's operators require one with an image on container `proxy`")]
    NoTemplate(&'static str),
    /// A part of the pod template is not of the type that Kubernetes wants.
    #[error("{0} of the pod template is not of the type that Kubernetes expects")]
    Malformed(&'static str),
    /// A part of the GatewayConfiguration that leads to the pod template is not of the type that its definition wants.
    #[error("{} is not of the type that Kubernetes expects", .0.trim_start_matches('/').replace('/', "."))]
    Unfit(&'static str),
    /// So much in the pod template would have to be looked at that it is not.
    #[error(
        "the pod template has more containers, volumes, KONG_* variables or annotations than tagalong reads"
    )]
    TooLarge,
    /// No container is recognised as Kong.
    #[error(
        "no container in the pod template is named `proxy`, so Kong's container cannot be identified"
    )]
    NoProxy,
    /// The names of what we add are taken by something that is not ours.
    #[error("the pod template already has a {0} named `{name}`; rename it", name = contract::SIDECAR)]
    NameTaken(&'static str),
    /// Kong's status listener, where its metrics are, is off.
    #[error("KONG_STATUS_LISTEN is `off`, so Kong has no /metrics to read; set it to 0.0.0.0:8100")]
    StatusOff,
    /// A workload without an operator says nothing of the status listener.
    #[error("container `{0}` does not set KONG_STATUS_LISTEN; set it to 0.0.0.0:8100")]
    StatusUnset(String),
    /// The variables of a container come from elsewhere as a whole.
    #[error(
        "the `envFrom` of container `{0}` cannot be read here; set KONG_STATUS_LISTEN in its `env`, to the same value"
    )]
    EnvFrom(String),
    /// A volume of Kong's operator and ours would become one of two types.
    #[error(
        "spec.network.konnectCertificate is set; with it, Kong's operators before 2.0.5 create a Deployment that the API server refuses"
    )]
    KonnectCertificate,
    /// The variable comes from elsewhere.
    #[error(
        "KONG_STATUS_LISTEN is set by `valueFrom`, which cannot be read here; set its value directly"
    )]
    StatusElsewhere,
    /// No address in it can be read from within the pod.
    #[error("no address in KONG_STATUS_LISTEN can be scraped: `{0}`; set it to 0.0.0.0:8100")]
    StatusUnusable(String),
    /// Something in the pod listens on the sidecar's port.
    #[error("port {port} is taken by {by}; choose another with annotation {annotation}", annotation = contract::PORT_ANNOTATION)]
    PortTaken {
        /// The sidecar's port.
        port: u16,
        /// Who has it.
        by: String,
    },
    /// The workload belongs to a DataPlane.
    #[error(
        "it belongs to a DataPlane, whose operator would remove the sidecar again; label the DataPlane instead"
    )]
    OwnedByDataPlane,
}
