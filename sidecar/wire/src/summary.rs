//! What a sidecar says of the load: growing numbers of each Kubernetes Service, as one line of JSON.
//!
//! The operator asks `GET /v1/summary` (`docs/design.md` §11):
//!
//! ```text
//! {"type":"SUMMARY","look":{"epoch":"5f0c","sequence":17,"age_ms":1234,"every_ms":0,"since_ms":61000,"complete":true,
//!  "pod":{"requests":812,"reading":0,"writing":3,"active":9}},
//!  "services":{"default/echo":{"arrivals":17,"count":16,"sum":900,"request_sum":1000,"buckets":{"25":3,"50":9,"+Inf":16}}}}
//! ```
//!
//! - All numbers of a Service, and `pod.requests`, only grow while the epoch stays the same; what is not said is 0.
//! - A field or a bucket that is not known is ignored, so that either side can be updated first.
//! - Unchanged since the asker's `If-None-Match`, the answer is 304 without a body, and the header [`LOOK_HEADER`] holds
//!   what stands behind `"look":`. So an idle pod and one that nobody looked at again do not look alike.

use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::ParseError;
use crate::names::{Text, is_kubernetes_name};

mod totals;

pub use totals::{Apart, BOUNDS, Buckets, Totals};

/// Where a sidecar serves its summary.
pub const SUMMARY_PATH: &str = "/v1/summary";

/// Header of an answer: the [`Look`] as JSON, which a 304 has no body for.
pub const LOOK_HEADER: &str = "x-tagalong-look";

/// The longest summary, in bytes: some ten thousand Services. A sidecar says no more, and an operator reads no more.
pub const MAX_SUMMARY: usize = 8 << 20;

/// The most that one Service takes in a summary, in bytes: names of 63 letters, and 20 digits for each number.
pub const MAX_SERVICE: usize = 900;

/// When, and at what, the sidecar looked last.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(expecting = "an object with epoch, sequence and age_ms")]
pub struct Look {
    /// Another one means that all numbers have begun again at 0.
    pub epoch: String,
    /// Counts the looks of an epoch, from 1. The first finds the numbers at 0.
    pub sequence: u64,
    /// How long ago Kong was looked at, in milliseconds.
    pub age_ms: u64,
    /// The sidecar has Kong looked at for summaries no more often than this, in milliseconds.
    #[serde(default)]
    pub every_ms: u64,
    /// How long ago the epoch's first look was, in milliseconds: all numbers have grown since then.
    pub since_ms: u64,
    /// Whether a Service that is not named is known to have had no requests. Not while the sidecar has no label table, nor
    /// where series were left out for lack of memory.
    #[serde(default)]
    pub complete: bool,
    /// Nginx' own numbers.
    #[serde(default)]
    pub pod: PodTotals,
}

/// Nginx' own numbers (`kong_nginx_requests_total`, `kong_nginx_connections_total`), of all that is HTTP.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, expecting = "an object with requests")]
pub struct PodTotals {
    /// Requests that have begun, probes and scrapes among them; only grows.
    pub requests: u64,
    /// Requests whose head is being read at the look.
    pub reading: u64,
    /// Requests under way at the look, the look itself among them.
    pub writing: u64,
    /// Open connections at the look.
    pub active: u64,
}

// === impl Look ===

impl Look {
    /// Reads the value of [`LOOK_HEADER`].
    ///
    /// ```
    /// let look = tagalong_wire::Look::parse(br#"{"epoch":"a","sequence":2,"age_ms":5,"since_ms":9,"new":[1]}"#)?;
    /// assert_eq!((look.sequence, look.complete), (2, false));
    /// # Ok::<_, tagalong_wire::ParseError>(())
    /// ```
    ///
    /// # Errors
    /// Not JSON, or its fields do not fit.
    pub fn parse(json: &[u8]) -> Result<Self, ParseError> {
        Ok(serde_json::from_slice(json)?)
    }

    /// Appends it as JSON, as it stands in a summary and in [`LOOK_HEADER`].
    pub fn write(&self, out: &mut Vec<u8>) {
        // Numbers and a string into memory: there is nothing that could fail.
        let _ = serde_json::to_writer(out, self);
    }

    /// Appends the beginning of a summary. Each Service follows, as [`Totals::write`] appends it, and then
    /// [`SUMMARY_END`].
    pub fn begin_summary(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"type":"SUMMARY","look":"#);
        self.write(out);
        out.extend_from_slice(br#","services":{"#);
    }
}

/// The end of a summary, with its newline.
pub const SUMMARY_END: &[u8] = b"}}\n";

/// Reads a summary. Hands over each Service (namespace, name) as soon as it is read, so that it is nowhere in memory as a
/// whole; what was handed over is void if an error follows. `take` says whether the Service is new to this summary, or why
/// it takes no more.
///
/// ```
/// let json = br#"{"type":"SUMMARY","look":{"epoch":"a","sequence":1,"age_ms":0,"since_ms":0},
///     "services":{"shop/cart":{"arrivals":3}}}"#;
/// let look = tagalong_wire::read_summary(json, |namespace, name, totals| {
///     assert_eq!((namespace, name, totals.arrivals), ("shop", "cart", 3));
///     Ok(true)
/// })?;
/// assert_eq!(look.epoch, "a");
/// # Ok::<_, tagalong_wire::ParseError>(())
/// ```
///
/// # Errors
/// Longer than [`MAX_SUMMARY`], no SUMMARY, fields that do not fit, a Service that comes twice, or `take` takes no more.
pub fn read_summary(
    json: &[u8],
    take: impl FnMut(&str, &str, &Totals) -> Result<bool, String>,
) -> Result<Look, ParseError> {
    if json.len() > MAX_SUMMARY {
        return Err(ParseError {
            line: 1,
            column: 0,
            what: format!("{} bytes are more than {MAX_SUMMARY}", json.len()),
        });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let look = deserializer.deserialize_map(Whole(take))?;
    deserializer.end()?;
    Ok(look)
}

struct Whole<F>(F);

impl<'de, F> Visitor<'de> for Whole<F>
where
    F: FnMut(&str, &str, &Totals) -> Result<bool, String>,
{
    type Value = Look;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a `type`, look and services")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Look, A::Error> {
        let (mut typed, mut look, mut services) = (false, None, false);
        while let Some(Text(field)) = map.next_key()? {
            match &*field {
                "type" if !typed => {
                    typed = true;
                    let Text(kind) = map.next_value()?;
                    if kind != "SUMMARY" {
                        return Err(A::Error::custom(format_args!(
                            "the type is {kind:?}, expected \"SUMMARY\""
                        )));
                    }
                }
                "look" if look.is_none() => look = Some(map.next_value()?),
                "services" if !services => {
                    services = true;
                    map.next_value_seed(Each(&mut self.0))?;
                }
                "type" | "look" | "services" => {
                    return Err(A::Error::custom(format_args!("duplicate field `{field}`")));
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if !typed {
            return Err(A::Error::missing_field("type"));
        }
        look.ok_or_else(|| A::Error::missing_field("look"))
    }
}

struct Each<'f, F>(&'f mut F);

impl<'de, F> DeserializeSeed<'de> for Each<'_, F>
where
    F: FnMut(&str, &str, &Totals) -> Result<bool, String>,
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F> Visitor<'de> for Each<'_, F>
where
    F: FnMut(&str, &str, &Totals) -> Result<bool, String>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of Kubernetes Services as `namespace/name`, each with its totals")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(service)) = map.next_key()? {
            let (namespace, name) = service
                .split_once('/')
                .filter(|(namespace, name)| {
                    is_kubernetes_name(namespace) && is_kubernetes_name(name)
                })
                .ok_or_else(|| {
                    A::Error::custom(format_args!("{service:?} is no Kubernetes Service"))
                })?;
            let totals = map.next_value()?;
            if !(self.0)(namespace, name, &totals).map_err(A::Error::custom)? {
                return Err(A::Error::custom(format_args!(
                    "the Service {service:?} appears twice"
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
