//! Kong's names and the Kubernetes Services they stand for.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A Kubernetes Service.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct ServiceRef {
    /// Its namespace.
    #[serde(deserialize_with = "kubernetes_name")]
    pub namespace: String,
    /// Its name.
    #[serde(deserialize_with = "kubernetes_name")]
    pub name: String,
}

/// Kong's names, each with the Kubernetes Service that it stands for.
///
/// Read strictly: no empty name, and no name twice, for which of two Services would be meant?
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Names(pub BTreeMap<String, ServiceRef>);

/// A table's content.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Entries {
    /// By the name of Kong's service: the `service` label.
    #[serde(default)]
    pub services: Names,
    /// By the name of Kong's upstream: the `upstream` label of `kong_upstream_target_health`.
    #[serde(default)]
    pub upstreams: Names,
}

// === impl Names ===

impl Names {
    /// How many names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ServiceRef)> {
        self.0
            .iter()
            .map(|(kong, service)| (kong.as_str(), service))
    }
}

impl<K: Into<String>> FromIterator<(K, ServiceRef)> for Names {
    fn from_iter<I: IntoIterator<Item = (K, ServiceRef)>>(names: I) -> Self {
        Self(names.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> Visitor<'de> for Map {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of Kong names, each with the namespace and name of a Kubernetes Service")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = BTreeMap::new();
                while let Some(kong) = map.next_key::<String>()? {
                    if kong.is_empty() {
                        return Err(A::Error::custom("an empty Kong name"));
                    }
                    if names.contains_key(&kong) {
                        return Err(A::Error::custom(format_args!(
                            "the Kong name {kong:?} appears twice"
                        )));
                    }
                    let service = map.next_value()?;
                    names.insert(kong, service);
                }
                Ok(Names(names))
            }
        }

        deserializer.deserialize_map(Map)
    }
}

// === impl ServiceRef ===

impl ServiceRef {
    /// The Service `name` in `namespace`.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ServiceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A Service and a namespace have names of lower-case letters, digits and `-` (RFC 1035 and 1123 labels). Read a little
/// wider, for the API server is the judge of names; what could never be one is a broken table.
fn kubernetes_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let fits = (1..=253).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    if fits {
        Ok(name)
    } else {
        Err(D::Error::custom(format_args!(
            "{name:?} is not a Kubernetes name"
        )))
    }
}
