//! What a person can set about the index.

use tagalong_wire::contract::PORT_NAME;

use crate::key::Name;

/// What can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the sidecar's port in pods.
    pub port_name: Name,
    /// Whether an older reading of an object is kept beside the newest until Kong is known to have that one. Whoever sets it must
    /// call [`Index::tick`](crate::Index::tick).
    pub wait_for_kong: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port_name: Name::from(PORT_NAME),
            wait_for_kong: false,
        }
    }
}
