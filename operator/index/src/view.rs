//! Which objects a DataPlane sees.

use std::collections::BTreeSet;

use crate::key::{Key, Name};

/// Whom an object concerns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Audience {
    pub(crate) namespace: Name,
    /// The Gateways that it asks to be attached to; none where that is not how it reaches a Kong.
    pub(crate) parents: Option<Box<[Key]>>,
}

/// What a DataPlane sees. Rather too much than too little: a name that its Kong never uses is never looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// The Gateways that it serves; none where it is not known that it serves those only.
    pub(crate) gateways: Option<BTreeSet<Key>>,
    /// The namespaces that its ControlPlane watches; none for all.
    pub(crate) namespaces: Option<BTreeSet<Name>>,
}

impl View {
    /// Whether its ControlPlane can know of the Service.
    pub(crate) fn watches(&self, service: &Key) -> bool {
        self.namespaces
            .as_ref()
            .is_none_or(|namespaces| namespaces.contains(&service.namespace))
    }

    pub(crate) fn sees(&self, audience: &Audience) -> bool {
        let namespace = self
            .namespaces
            .as_ref()
            .is_none_or(|namespaces| namespaces.contains(&audience.namespace));
        namespace
            && match (&self.gateways, &audience.parents) {
                (None, _) | (_, None) => true,
                (Some(gateways), Some(parents)) => {
                    parents.iter().any(|parent| gateways.contains(parent))
                }
            }
    }
}
