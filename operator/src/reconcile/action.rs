//! The writes that there are, and what each is about.

use crate::reconcile::desired::policies::DesiredPolicy;
use crate::reconcile::subject::{Subject, SubjectKind};
use crate::world::observed::ADDED_PLUGIN;
use serde_json::{Map, Value};
use tagalong_index::Key;
use tagalong_wire::contract::CA_CONFIG_MAP;

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Makes a KongPlugin, or makes it right. The version: of the one that stands.
    Plugin {
        /// Which.
        key: Key,
        /// Its settings.
        config: Map<String, Value>,
        /// The extension that it is for.
        extension: Key,
        /// The version that stands; none to make it.
        version: Option<String>,
    },
    /// Deletes a KongPlugin of ours.
    DeletePlugin {
        /// Which.
        key: Key,
        /// The version that stands.
        version: String,
    },
    /// Changes metadata by merge patch, if nobody changed the object in between.
    Metadata {
        /// Of which kind.
        kind: Patched,
        /// Which.
        key: Key,
        /// The patch, with the version that stands.
        patch: Value,
    },
    /// Makes the ConfigMap of a namespace, or makes it right.
    ConfigMap {
        /// Where.
        namespace: String,
        /// The certificates.
        bundle: String,
        /// The version that stands; none to make it.
        version: Option<String>,
    },
    /// Deletes the ConfigMap of a namespace.
    DeleteConfigMap {
        /// Where.
        namespace: String,
        /// The version that stands.
        version: String,
    },
    /// Makes a NetworkPolicy, or makes it right.
    Policy {
        /// Which.
        key: Key,
        /// What it should be.
        desired: Box<DesiredPolicy>,
        /// The version that stands; none to make it.
        version: Option<String>,
    },
    /// Deletes a NetworkPolicy of ours.
    DeletePolicy {
        /// Which.
        key: Key,
        /// The version that stands.
        version: String,
    },
}

impl Action {
    /// The KongPlugin that a Service names by it, which must be there before.
    #[must_use]
    pub fn names(&self) -> Option<Key> {
        let Self::Metadata { kind, key, patch } = self else {
            return None;
        };
        let plugin = patch["metadata"]["annotations"][ADDED_PLUGIN].as_str()?;
        (*kind == Patched::Service).then(|| Key::new(key.namespace.clone(), plugin))
    }
}

impl Action {
    /// The same without the version that stands: what is written, whatever happened in between.
    #[must_use]
    pub fn lasting(&self) -> Self {
        let mut action = self.clone();
        match &mut action {
            Self::Plugin { version, .. }
            | Self::ConfigMap { version, .. }
            | Self::Policy { version, .. } => *version = None,
            Self::DeletePlugin { version, .. }
            | Self::DeleteConfigMap { version, .. }
            | Self::DeletePolicy { version, .. } => version.clear(),
            Self::Metadata { patch, .. } => {
                if let Some(metadata) = patch["metadata"].as_object_mut() {
                    metadata.remove("resourceVersion");
                }
            }
        }
        action
    }

    /// Whether it only brings the object through the webhooks.
    #[must_use]
    pub fn says_nothing(&self) -> bool {
        match self.lasting() {
            Self::Metadata { patch, .. } => {
                patch["metadata"].as_object().is_some_and(Map::is_empty)
            }
            _ => false,
        }
    }
}

/// A kind whose metadata is patched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patched {
    /// Service.
    Service,
    /// DataPlane.
    DataPlane,
    /// GatewayConfiguration.
    Configuration,
    /// DataPlaneMetricsExtension.
    Extension,
}

impl Action {
    /// The object that it writes.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::Plugin { key, .. } | Self::DeletePlugin { key, .. } => {
                SubjectKind::Plugin.at(key)
            }
            Self::Metadata { kind, key, .. } => match kind {
                Patched::Service => SubjectKind::Service.at(key),
                Patched::DataPlane => SubjectKind::DataPlane.at(key),
                Patched::Configuration => SubjectKind::Configuration.at(key),
                Patched::Extension => SubjectKind::Extension.at(key),
            },
            Self::Policy { key, .. } | Self::DeletePolicy { key, .. } => {
                SubjectKind::Policy.at(key)
            }
            Self::ConfigMap { namespace, .. } | Self::DeleteConfigMap { namespace, .. } => {
                SubjectKind::ConfigMap.at(&Key::new(namespace.as_str(), CA_CONFIG_MAP))
            }
        }
    }
}
