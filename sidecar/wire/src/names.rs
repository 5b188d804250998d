//! Kong's names and the Kubernetes Services they stand for.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A Kubernetes Service.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct ServiceRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
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
#[serde(expecting = "an object with services and upstreams")]
pub struct Entries {
    /// By the name of Kong's service: the `service` label.
    #[serde(default)]
    pub services: Names,
    /// By the name of Kong's upstream: the `upstream` label of `kong_upstream_target_health`.
    #[serde(default)]
    pub upstreams: Names,
    /// Names that could stand for two Services, and are in neither of the others.
    #[serde(default, skip_serializing_if = "Ambiguous::is_empty")]
    pub ambiguous: Ambiguous,
}

/// Names that earn no labels since they could stand for two Services: samples of them are counted apart.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(expecting = "an object with services and upstreams")]
pub struct Ambiguous {
    /// As [`Entries::services`].
    #[serde(default)]
    pub services: BTreeSet<String>,
    /// As [`Entries::upstreams`].
    #[serde(default)]
    pub upstreams: BTreeSet<String>,
}

// === impl Ambiguous ===

impl Ambiguous {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.upstreams.is_empty()
    }
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

    /// Adds a name; false if it was there before.
    pub(crate) fn add(&mut self, kong: &str, namespace: &str, name: &str) -> bool {
        let service = ServiceRef::new(namespace, name);
        self.0.insert(kong.to_owned(), service).is_none()
    }
}

impl<K: Into<String>> FromIterator<(K, ServiceRef)> for Names {
    fn from_iter<I: IntoIterator<Item = (K, ServiceRef)>>(names: I) -> Self {
        Self(names.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut names = Self::default();
        Each(|kong: &str, namespace: &str, name: &str| Ok(names.add(kong, namespace, name)))
            .deserialize(deserializer)?;
        Ok(names)
    }
}

/// Reads names and hands each over with its Service's namespace and name, before it reads the next. The function says
/// whether the name is new; or that it takes no more, and why.
pub(crate) struct Each<F>(pub(crate) F);

impl<'de, F> DeserializeSeed<'de> for Each<F>
where
    F: FnMut(&str, &str, &str) -> Result<bool, String>,
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F> Visitor<'de> for Each<F>
where
    F: FnMut(&str, &str, &str) -> Result<bool, String>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an object of Kong names, each with the namespace and name of a Kubernetes Service",
        )
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(kong)) = map.next_key()? {
            if kong.is_empty() {
                return Err(A::Error::custom("an empty Kong name"));
            }
            let Service { namespace, name } = map.next_value()?;
            if !(self.0)(&kong, &namespace.0, &name.0).map_err(A::Error::custom)? {
                return Err(A::Error::custom(format_args!(
                    "the Kong name {kong:?} appears twice"
                )));
            }
        }
        Ok(())
    }
}

/// Reads a list of names and hands each over before it reads the next. The function answers as that of [`Each`].
pub(crate) struct EachAlone<F>(pub(crate) F);

impl<'de, F> DeserializeSeed<'de> for EachAlone<F>
where
    F: FnMut(&str) -> Result<bool, String>,
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F> Visitor<'de> for EachAlone<F>
where
    F: FnMut(&str) -> Result<bool, String>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of Kong names")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut names: A) -> Result<(), A::Error> {
        while let Some(Text(kong)) = names.next_element()? {
            if !(self.0)(&kong).map_err(A::Error::custom)? {
                return Err(A::Error::custom(format_args!(
                    "the Kong name {kong:?} appears twice"
                )));
            }
        }
        Ok(())
    }
}

/// A string where it stands, if it stands there unescaped.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

#[derive(Deserialize)]
#[serde(expecting = "an object with the namespace and name of a Kubernetes Service")]
struct Service<'a> {
    #[serde(borrow, deserialize_with = "kubernetes_name")]
    namespace: Text<'a>,
    #[serde(borrow, deserialize_with = "kubernetes_name")]
    name: Text<'a>,
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

/// Whether a Service or namespace may have this name. They have names of lower-case letters, digits and `-` (RFC 1035 and
/// 1123 labels). Read a little wider, for the API server is the judge of names.
pub(crate) fn is_kubernetes_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

/// What could never be a name is a broken table.
fn kubernetes_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Text<'de>, D::Error> {
    let name = Text::deserialize(deserializer)?;
    if is_kubernetes_name(&name.0) {
        Ok(name)
    } else {
        Err(D::Error::custom(format_args!(
            "{:?} is not a Kubernetes name",
            name.0
        )))
    }
}
