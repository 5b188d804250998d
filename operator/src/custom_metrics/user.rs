//! Who asks.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";
const ANONYMOUS: &str = "system:anonymous";
const MASTERS: &str = "system:masters";

/// A user, as Kubernetes knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Their name.
    pub name: String,
    /// Their UID, if one was told.
    pub uid: Option<String>,
    /// The groups that they are in.
    pub groups: Vec<String>,
    /// What else was told of them.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// The same, in the group of all that are authenticated. The API server's own discovery comes without a group.
    /// As `AuthenticatedGroupAdder` of `apiserver/pkg/authentication/group`.
    #[must_use]
    pub fn authenticated(mut self) -> Self {
        let is_in = |group: &str| self.groups.iter().any(|one| one == group);
        if self.name != ANONYMOUS && !is_in(AUTHENTICATED) && !is_in(UNAUTHENTICATED) {
            self.groups.push(AUTHENTICATED.to_owned());
        }
        self
    }

    /// Whether it is known who they are.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.groups.iter().any(|group| group == AUTHENTICATED)
    }

    /// Whether they may do everything, whatever anybody says.
    #[must_use]
    pub fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }

    /// Stands for all that an authorizer may look at.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        let mut add = |text: &str| {
            digest.update(text.len().to_le_bytes());
            digest.update(text);
        };
        add(&self.name);
        add(self.uid.as_deref().unwrap_or_default());
        add(&self.groups.len().to_string());
        self.groups.iter().for_each(|group| add(group));
        for (key, values) in &self.extra {
            add(key);
            add(&values.len().to_string());
            values.iter().for_each(|value| add(value));
        }
        digest.finalize().into()
    }
}

#[cfg(test)]
mod tests;
