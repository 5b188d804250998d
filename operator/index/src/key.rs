//! Names of objects, shared: a cluster repeats few strings many times.

use std::{collections::HashSet, fmt, str::FromStr, sync::Arc};

use serde::{Serialize, Serializer};
use thiserror::Error;

/// A name, shared by all that hold it.
pub type Name = Arc<str>;

/// The namespace and name of an object. Objects of cluster scope have an empty namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The namespace.
    pub namespace: Name,
    /// The name.
    pub name: Name,
}

/// A text that is no `NAMESPACE/NAME`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is no NAMESPACE/NAME")]
pub struct NoKey(String);

/// The strings in use, each once.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    names: HashSet<Name>,
    sweep_at: usize,
}

// === impl Key ===

impl Key {
    /// The object `name` in `namespace`.
    pub fn new(namespace: impl Into<Name>, name: impl Into<Name>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

impl FromStr for Key {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        match text.split_once('/') {
            Some((namespace, name))
                if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
            {
                Ok(Self::new(namespace, name))
            }
            _ => Err(NoKey(text.to_owned())),
        }
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// For `#[serde(serialize_with)]`: a name as text.
pub(crate) fn text<S: Serializer>(name: &Name, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name)
}

// === impl Interner ===

impl Interner {
    /// The shared copy of a string.
    pub(crate) fn name(&mut self, text: &str) -> Name {
        if let Some(name) = self.names.get(text) {
            return Name::clone(name);
        }
        // Objects come and go: whenever twice as many strings are here as were in use, those nobody holds are dropped.
        if self.names.len() >= self.sweep_at {
            self.names.retain(|name| Arc::strong_count(name) > 1);
            self.sweep_at = (self.names.len() * 2).max(1024);
        }
        let name = Name::from(text);
        self.names.insert(Name::clone(&name));
        name
    }

    /// The shared form of a key.
    pub(crate) fn key(&mut self, namespace: &str, name: &str) -> Key {
        Key {
            namespace: self.name(namespace),
            name: self.name(name),
        }
    }
}

#[cfg(test)]
mod tests;
