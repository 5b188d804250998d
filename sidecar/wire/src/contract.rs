//! The names by which the three programs, and the people who run them, find each other in a cluster.
//!
//! Whatever more than one program reads or writes, or a person types, stands here and nowhere else: labels, annotations,
//! ports, files, headers. Each is a contract (`docs/design.md`): pods and other people's objects carry them, so changing
//! one is a migration.

/// Label of a DataPlane or workload: [`INJECT_ENABLED`] puts the sidecar in, anything else takes it out. The operator
/// sets it on DataPlanes, a person on workloads.
pub const INJECT_LABEL: &str = "tagalong.dev/inject";
/// The one value of [`INJECT_LABEL`] that means yes.
pub const INJECT_ENABLED: &str = "enabled";
/// Annotation of a pod template that holds our sidecar. Its value is what removal must know.
pub const INJECTED_ANNOTATION: &str = "tagalong.dev/injected";
/// Annotation of a GatewayConfiguration: the [`INJECTED_ANNOTATION`] of a DataPlane that had its sidecar before the configuration
/// did. The configuration's pod template gets the same bytes, so that no pod is replaced when the sidecar comes from there.
pub const TAKEN_OVER_ANNOTATION: &str = "tagalong.dev/taken-over";
/// Annotation of a DataPlane whose sidecar comes from the GatewayConfiguration of its Gateway: nobody takes it out because
/// [`INJECT_LABEL`] is gone.
pub const SOURCE_ANNOTATION: &str = "tagalong.dev/sidecar-source";
/// The value of [`SOURCE_ANNOTATION`].
pub const SOURCE: &str = "GatewayConfiguration";

/// Label or annotation that names the DataPlane which a workload stands for; its own name where absent.
pub const DATAPLANE_LABEL: &str = "tagalong.dev/dataplane";
/// Annotation that attaches a workload to an extension: `NAME`, or `NAMESPACE/NAME`.
pub const EXTENSION_ANNOTATION: &str = "tagalong.dev/metrics-extension";
/// Annotation that limits the namespaces of a DataPlane's or workload's routes: a comma list. Absent means all.
pub const WATCH_NAMESPACES_ANNOTATION: &str = "tagalong.dev/watch-namespaces";

/// Annotation that replaces the sidecar's image.
pub const IMAGE_ANNOTATION: &str = "tagalong.dev/sidecar-image";
/// Annotation that replaces the sidecar's `resources`, as a JSON object.
pub const RESOURCES_ANNOTATION: &str = "tagalong.dev/sidecar-resources";
/// Annotation that replaces the port that the sidecar listens on.
pub const PORT_ANNOTATION: &str = "tagalong.dev/listen-port";

/// Label of each object that the operator made.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY_LABEL`].
pub const MANAGED_BY: &str = "tagalong";

/// Name of the sidecar's container and of its volume.
pub const SIDECAR: &str = "tagalong";
/// Name of the sidecar's port in pods.
pub const PORT_NAME: &str = "tagalong";
/// The port that the sidecar listens on, unless a setting or [`PORT_ANNOTATION`] says otherwise.
pub const LISTEN_PORT: u16 = 9542;
/// Environment variable that tells the sidecar its pod's UID.
pub const POD_UID_ENV: &str = "TAGALONG_POD_UID";

/// Audience of the projected service-account token that a sidecar shows as `Authorization: Bearer …`.
pub const AUDIENCE: &str = "tagalong";
/// ConfigMap with the operator's CA, which the operator writes into each namespace that has sidecars.
pub const CA_CONFIG_MAP: &str = "tagalong-ca";
/// Key of the certificates in [`CA_CONFIG_MAP`], and in the Secrets that the operator keeps.
pub const CA_KEY: &str = "ca.crt";

/// Header of a sidecar's answers: the pod's UID, since addresses of pods are used again.
pub const POD_UID_HEADER: &str = "x-tagalong-pod-uid";
/// Query parameter of a sidecar's `/metrics`: which samples, [`SAMPLES_ALL`] or [`SAMPLES_ENRICHED`].
pub const SAMPLES_QUERY: &str = "samples";
/// All samples, and the sidecar's own; the default.
pub const SAMPLES_ALL: &str = "all";
/// Samples with a Kubernetes Service only.
pub const SAMPLES_ENRICHED: &str = "enriched";
/// Query parameter of [`PATH`](crate::PATH) where no token tells whose table is wanted: `NAMESPACE/NAME`.
pub const DATAPLANE_QUERY: &str = "dataplane";
