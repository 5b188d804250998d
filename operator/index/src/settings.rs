//! What can be set.

use crate::key::Name;

/// The label by which a person asks for the sidecar in a workload, and the operator in a DataPlane; its value is `enabled`.
pub const INJECT_LABEL: &str = "tagalong.dev/inject";
/// The value of [`INJECT_LABEL`].
pub const INJECT_ENABLED: &str = "enabled";
/// The label or annotation that names the DataPlane which a workload stands for; its own name where absent.
pub const DATAPLANE_LABEL: &str = "tagalong.dev/dataplane";
/// The annotation by which a workload is attached to an extension: `NAME`, or `NAMESPACE/NAME`.
pub const EXTENSION_ANNOTATION: &str = "tagalong.dev/metrics-extension";
/// The annotation by which a DataPlane or workload limits the namespaces of its routes: a comma list. Absent means all.
pub const WATCH_NAMESPACES_ANNOTATION: &str = "tagalong.dev/watch-namespaces";

/// What can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the sidecar's port in pods.
    pub port_name: Name,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port_name: Name::from("tagalong"),
        }
    }
}
