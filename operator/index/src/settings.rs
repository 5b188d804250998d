//! What can be set.

use tagalong_wire::contract::PORT_NAME;

use crate::key::Name;

/// What can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the sidecar's port in pods.
    pub port_name: Name,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port_name: Name::from(PORT_NAME),
        }
    }
}
