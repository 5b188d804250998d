//! The message that holds the whole table, read name by name: it is as large as the table, and nobody needs it twice.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};

use crate::error::ParseError;
use crate::names::{Ambiguous, Each, EachAlone, Names, Text};

/// The whole table.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// The table's version.
    pub version: u64,
    /// As [`Entries::services`](crate::Entries::services).
    pub services: Names,
    /// As [`Entries::upstreams`](crate::Entries::upstreams).
    pub upstreams: Names,
    /// As [`Entries::ambiguous`](crate::Entries::ambiguous).
    pub ambiguous: Ambiguous,
}

/// Which of Kong's entities a name is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NameKind {
    /// A service.
    Service,
    /// An upstream.
    Upstream,
}

impl Snapshot {
    /// Reads a SNAPSHOT message whole.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn parse(json: &[u8]) -> Result<Self, ParseError> {
        let mut snapshot = Self::default();
        let (services, upstreams) = (&mut snapshot.services, &mut snapshot.upstreams);
        let ambiguous = &mut snapshot.ambiguous;
        let version = Self::read(json, |kind, kong, service| {
            let (names, ambiguous) = match kind {
                NameKind::Service => (&mut *services, &mut ambiguous.services),
                NameKind::Upstream => (&mut *upstreams, &mut ambiguous.upstreams),
            };
            let new = !names.0.contains_key(kong) && !ambiguous.contains(kong);
            match service {
                Some((namespace, name)) => names.add(kong, namespace, name),
                None => ambiguous.insert(kong.to_owned()),
            };
            Ok(new)
        })?;
        snapshot.version = version;
        Ok(snapshot)
    }

    /// Reads a SNAPSHOT message and returns its version. Hands over each Kong name, with the namespace and name of its
    /// Kubernetes Service, or with none where it is [ambiguous](Ambiguous), as soon as it is read, so that no second table need be held; what was handed over is void if an
    /// error follows. `take` says whether the name is new, or why it takes no more.
    ///
    /// ```
    /// use tagalong_wire::{NameKind, Snapshot};
    ///
    /// let json = br#"{"type":"SNAPSHOT","version":7,"services":{"a":{"namespace":"n","name":"s"}}}"#;
    /// let version = Snapshot::read(json, |kind, kong, service| {
    ///     assert_eq!((kind, kong, service), (NameKind::Service, "a", Some(("n", "s"))));
    ///     Ok(true)
    /// })?;
    /// assert_eq!(version, 7);
    /// # Ok::<_, tagalong_wire::ParseError>(())
    /// ```
    ///
    /// # Errors
    /// Its fields do not fit, a name comes twice, or `take` takes no more. The message's type is not looked at.
    pub fn read(
        json: &[u8],
        take: impl FnMut(NameKind, &str, Option<(&str, &str)>) -> Result<bool, String>,
    ) -> Result<u64, ParseError> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let version = deserializer.deserialize_map(Whole(take))?;
        deserializer.end()?;
        Ok(version)
    }
}

struct Whole<F>(F);

impl<'de, F> Visitor<'de> for Whole<F>
where
    F: FnMut(NameKind, &str, Option<(&str, &str)>) -> Result<bool, String>,
{
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with version, services and upstreams")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<u64, A::Error> {
        let (mut version, mut services, mut upstreams) = (None, false, false);
        let mut ambiguous = false;
        while let Some(Text(field)) = map.next_key()? {
            match &*field {
                "version" if version.is_none() => version = Some(map.next_value()?),
                "services" if !services => {
                    services = true;
                    map.next_value_seed(self.each(NameKind::Service))?;
                }
                "upstreams" if !upstreams => {
                    upstreams = true;
                    map.next_value_seed(self.each(NameKind::Upstream))?;
                }
                "ambiguous" if !ambiguous => {
                    ambiguous = true;
                    map.next_value_seed(WithoutService(&mut self.0))?;
                }
                "version" | "services" | "upstreams" | "ambiguous" => {
                    return Err(A::Error::custom(format_args!("duplicate field `{field}`")));
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        version.ok_or_else(|| A::Error::missing_field("version"))
    }
}

impl<F> Whole<F>
where
    F: FnMut(NameKind, &str, Option<(&str, &str)>) -> Result<bool, String>,
{
    fn each(&mut self, kind: NameKind) -> impl for<'de> DeserializeSeed<'de, Value = ()> {
        Each(move |kong: &str, namespace: &str, name: &str| {
            (self.0)(kind, kong, Some((namespace, name)))
        })
    }
}

/// Reads the names that are ambiguous.
struct WithoutService<'a, F>(&'a mut F);

impl<'de, F> DeserializeSeed<'de> for WithoutService<'_, F>
where
    F: FnMut(NameKind, &str, Option<(&str, &str)>) -> Result<bool, String>,
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F> Visitor<'de> for WithoutService<'_, F>
where
    F: FnMut(NameKind, &str, Option<(&str, &str)>) -> Result<bool, String>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with services and upstreams")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(field)) = map.next_key()? {
            let kind = match &*field {
                "services" => NameKind::Service,
                "upstreams" => NameKind::Upstream,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            map.next_value_seed(EachAlone(|kong: &str| (self.0)(kind, kong, None)))?;
        }
        Ok(())
    }
}
