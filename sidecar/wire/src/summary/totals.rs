//! The growing numbers of one Service.

use std::fmt;
use std::ops::{Index, IndexMut};

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::names::Text;

/// The bounds of `kong_upstream_latency_ms` as Kong prints them, in milliseconds (Kong 3.0 to 3.9,
/// `kong/plugins/prometheus/exporter.lua`). Buckets are cumulative, so a bound that is not here may be left out.
pub const BOUNDS: [&str; 14] = [
    "25", "50", "80", "100", "250", "400", "700", "1000", "2000", "5000", "10000", "30000",
    "60000", "+Inf",
];

/// What has been counted of one Service since the epoch began. All numbers only grow.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, expecting = "an object with the totals of a Service")]
pub struct Totals {
    /// Requests that Kong matched to the Service and that have ended, also those that it answered itself
    /// (`kong_request_latency_ms_count`).
    #[serde(skip_serializing_if = "is_zero")]
    pub arrivals: u64,
    /// Those that reached the backend (`kong_upstream_latency_ms_count`).
    #[serde(skip_serializing_if = "is_zero")]
    pub count: u64,
    /// How long these waited for the backend, in milliseconds (`kong_upstream_latency_ms_sum`).
    #[serde(skip_serializing_if = "is_zero")]
    pub sum: u64,
    /// How long all requests took, in milliseconds (`kong_request_latency_ms_sum`).
    #[serde(skip_serializing_if = "is_zero")]
    pub request_sum: u64,
    /// The part of `count` and `sum` that may not belong together, and goes into no average.
    #[serde(skip_serializing_if = "Apart::is_none")]
    pub apart: Apart,
    /// Requests of which it is not known whose they are: their name meant this Service before, or means it since. While it
    /// grows, this Service's other numbers are too small.
    #[serde(skip_serializing_if = "is_zero")]
    pub unsettled: u64,
    /// Requests that reached the backend, by how long they waited.
    #[serde(skip_serializing_if = "Buckets::is_none")]
    pub buckets: Buckets,
}

/// See [`Totals::apart`].
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, expecting = "an object with count and sum")]
pub struct Apart {
    /// Of [`Totals::count`].
    pub count: u64,
    /// Of [`Totals::sum`], in milliseconds.
    pub sum: u64,
}

/// How many requests waited at most so long, by the [`BOUNDS`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Buckets(pub [u64; BOUNDS.len()]);

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

// === impl Totals ===

impl Totals {
    /// Appends the Service as a member of a summary's services; `first` says whether it is the first one.
    pub fn write(&self, namespace: &str, name: &str, first: bool, out: &mut Vec<u8>) {
        if !first {
            out.push(b',');
        }
        out.push(b'"');
        // Names of Kubernetes need no escapes.
        out.extend_from_slice(namespace.as_bytes());
        out.push(b'/');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        // Numbers into memory: there is nothing that could fail.
        let _ = serde_json::to_writer(out, self);
    }
}

// === impl Apart ===

impl Apart {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

// === impl Buckets ===

impl Buckets {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Index<usize> for Buckets {
    type Output = u64;

    fn index(&self, bound: usize) -> &u64 {
        &self.0[bound]
    }
}

impl IndexMut<usize> for Buckets {
    fn index_mut(&mut self, bound: usize) -> &mut u64 {
        &mut self.0[bound]
    }
}

impl Serialize for Buckets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (bound, count) in BOUNDS.iter().zip(self.0).filter(|(_, count)| *count > 0) {
            map.serialize_entry(bound, &count)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Buckets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ByBound)
    }
}

struct ByBound;

impl<'de> Visitor<'de> for ByBound {
    type Value = Buckets;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of counts by bound")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Buckets, A::Error> {
        let mut buckets = Buckets::default();
        while let Some(Text(bound)) = map.next_key()? {
            let known = BOUNDS.iter().zip(&mut buckets.0);
            match known.into_iter().find(|(known, _)| **known == bound) {
                Some((_, count)) => *count = map.next_value()?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(buckets)
    }
}
