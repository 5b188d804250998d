//! Holds a table of names to what one of Kong's translators made of the same objects.
//!
//! The translator's answer is a line of JSON: Kong's services with their upstreams, and those with their targets, each given to
//! the Kubernetes Service whose address it is. Nothing here knows how names are formed or what a route means; the judge
//! looks at where requests under a name can go.
//!
//! A label is *wrong* when
//! - its Kong service has a target of weight > 0 of another Service, or one of weight 0 under an algorithm that may use it,
//! - its Service exists, in another namespace than the route, and the Kong service was not made of it (nobody granted the
//!   reference, so Kong dropped it),
//! - it is an upstream's (`kong_upstream_target_health`) and the upstream has any target of another Service.
//!
//! A name is *missed* when all targets behind it are one Service's and the table does not have it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

/// What a translator made of a world.
#[derive(Clone, Debug, Deserialize)]
pub struct Answer {
    /// Which world.
    pub world: String,
    /// The translator, such as `kic-v3.4.20`.
    pub translator: String,
    /// How it was set, such as `combined,ids`.
    pub flags: String,
    /// Kong's services, by name.
    #[serde(default)]
    pub services: BTreeMap<String, KongService>,
    /// Kong's upstreams, by name.
    #[serde(default)]
    pub upstreams: BTreeMap<String, Upstream>,
    /// Why it made nothing.
    #[serde(default)]
    pub error: Option<String>,
}

/// A service of Kong's.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct KongService {
    /// The upstream that it sends to.
    pub upstream: String,
    /// The Kubernetes Services that it is made of, as `NAMESPACE/NAME`, whether they exist or not.
    pub backends: BTreeSet<String>,
}

/// An upstream of Kong's.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Upstream {
    /// The greatest weight of each Kubernetes Service's addresses.
    pub targets: BTreeMap<String, u32>,
    /// How a target is chosen, if it is not Kong's default.
    #[serde(default)]
    pub algorithm: Option<String>,
}

/// A table: Kong's names, each with the Service (`NAMESPACE/NAME`) that it is labelled with.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// By the name of Kong's service.
    pub services: BTreeMap<String, String>,
    /// By the name of Kong's upstream.
    pub upstreams: BTreeMap<String, String>,
}

/// A label that says what is not so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Kong's name.
    pub name: String,
    /// The Service that it is labelled with.
    pub label: String,
    /// What is wrong about it.
    pub why: Why,
}

/// What is wrong about a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Requests under the name go to another Service, too.
    Traffic,
    /// Requests under the name may go to another Service, though its weight is 0.
    Weightless,
    /// Kong dropped the reference, since nobody granted it.
    NotGranted,
    /// The upstream has a target of another Service.
    Target,
}

/// What is to be said about a table.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// How many services the translator made.
    pub made: usize,
    /// How many of them the table has.
    pub labelled: usize,
    /// Labels that are wrong.
    pub wrong: Vec<Wrong>,
    /// Services that the table could have and has not, with the Service behind each.
    pub missed: BTreeMap<String, String>,
    /// Upstreams that it could have and has not, likewise.
    pub missed_upstreams: BTreeMap<String, String>,
}

/// Algorithms under which Kong never picks a target of weight 0 (`kong/runloop/balancer/`: `round_robin.lua`,
/// `consistent_hashing.lua`; the others divide by the weight or keep a client where it was).
const LEAVES_WEIGHTLESS_OUT: [&str; 2] = ["round-robin", "consistent-hashing"];

impl Answer {
    /// Judges a table. `exists` tells of which Services, as `NAMESPACE/NAME`, there are objects.
    #[must_use]
    pub fn judge(&self, table: &Table, exists: impl Fn(&str) -> bool) -> Verdict {
        let mut verdict = Verdict::default();
        for (name, service) in &self.services {
            verdict.made += 1;
            let upstream = self.upstreams.get(&service.upstream);
            let Some(label) = table.services.get(name) else {
                let only = upstream.and_then(Upstream::only);
                verdict
                    .missed
                    .extend(only.map(|only| (name.clone(), only.to_owned())));
                continue;
            };
            verdict.labelled += 1;
            let dropped = exists(label)
                && namespace(label) != route_namespace(name)
                && !service.backends.contains(label);
            let why = upstream
                .and_then(|upstream| upstream.denies(label))
                .or(dropped.then_some(Why::NotGranted));
            verdict
                .wrong
                .extend(why.map(|why| Wrong::new(name, label, why)));
        }
        for (name, upstream) in &self.upstreams {
            let Some(label) = table.upstreams.get(name) else {
                let only = upstream.only().map(|only| (name.clone(), only.to_owned()));
                verdict.missed_upstreams.extend(only);
                continue;
            };
            if upstream.targets.keys().any(|service| service != label) {
                verdict.wrong.push(Wrong::new(name, label, Why::Target));
            }
        }
        verdict
    }
}

impl Upstream {
    /// The Service of all targets, if it is one.
    #[must_use]
    pub fn only(&self) -> Option<&str> {
        let mut services = self.targets.keys();
        services
            .next()
            .filter(|_| services.next().is_none())
            .map(String::as_str)
    }

    fn denies(&self, label: &str) -> Option<Why> {
        let mut others = self.targets.iter().filter(|(service, _)| *service != label);
        if others.clone().any(|(_, weight)| *weight > 0) {
            return Some(Why::Traffic);
        }
        let safe = self
            .algorithm
            .as_deref()
            .is_none_or(|algorithm| LEAVES_WEIGHTLESS_OUT.contains(&algorithm));
        (!safe && others.next().is_some()).then_some(Why::Weightless)
    }
}

impl Wrong {
    fn new(name: &str, label: &str, why: Why) -> Self {
        Self {
            name: name.to_owned(),
            label: label.to_owned(),
            why,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::Traffic => "its requests go to another Service, too",
            Why::Weightless => "its requests may go to a Service of weight 0",
            Why::NotGranted => "nobody granted the reference",
            Why::Target => "it has a target of another Service",
        };
        write!(f, "{} is labelled {}: {why}", self.name, self.label)
    }
}

fn namespace(service: &str) -> &str {
    service
        .split_once('/')
        .map_or("", |(namespace, _)| namespace)
}

// Names of routes begin with the kind, all others with the namespace, and no namespace has a dot.
fn route_namespace(name: &str) -> &str {
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default();
    let routes = ["httproute", "grpcroute", "tcproute", "tlsroute", "udproute"];
    match parts.next() {
        Some(second) if routes.contains(&first) => second,
        _ => first,
    }
}
