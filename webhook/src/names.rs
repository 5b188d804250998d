//! The names by which the sidecar, its label and its settings are known in a cluster.
//!
//! Pods carry them, so each is a contract: changing one replaces pods.

/// Label of a DataPlane or workload. The value [`ENABLED`] puts the sidecar in, anything else takes it out.
pub const INJECT_LABEL: &str = "tagalong.dev/inject";
/// The one value of [`INJECT_LABEL`] that means yes.
pub const ENABLED: &str = "enabled";
/// Annotation of a pod template that holds our sidecar. Its value is what removal must know.
pub const MARKER: &str = "tagalong.dev/injected";

/// Annotation that replaces the sidecar's image.
pub const IMAGE_ANNOTATION: &str = "tagalong.dev/sidecar-image";
/// Annotation that replaces the sidecar's `resources`, as a JSON object.
pub const RESOURCES_ANNOTATION: &str = "tagalong.dev/sidecar-resources";
/// Annotation that replaces the port the sidecar listens on.
pub const PORT_ANNOTATION: &str = "tagalong.dev/listen-port";

/// Name of the container, its volume and its port.
pub const SIDECAR: &str = "tagalong";
/// The first volume that Kong's operators give Kong's pods.
pub const CLUSTER_CERTIFICATE: &str = "cluster-certificate";
/// The port the sidecar listens on, unless settings or [`PORT_ANNOTATION`] say otherwise.
pub const LISTEN_PORT: u16 = 9542;
/// Audience of the service account token with which the sidecar names its pod to the operator.
pub const AUDIENCE: &str = "tagalong";
/// ConfigMap with the operator's CA, written by the operator into each namespace that has sidecars.
pub const CA_CONFIG_MAP: &str = "tagalong-ca";
/// Key of the certificate in [`CA_CONFIG_MAP`].
pub const CA_KEY: &str = "ca.crt";
