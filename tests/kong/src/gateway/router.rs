//! Which route a request takes: Kong's router flavour `traditional_compatible`.
//!
//! From `kong/router/transform.lua` of Kong 3.9.1. A route with several paths acts as several, one per length of prefix
//! and one for all its regular expressions; the candidates are ordered once and the first that matches wins.

mod host;
mod path;

use std::cmp::Reverse;
use std::sync::Arc;

use http::HeaderMap;

use super::config::Route;
use host::Host;
pub(crate) use path::upstream_path;
use path::{Path, Taken};

/// What of a request the router looks at.
pub(crate) struct Subject<'a> {
    pub(crate) https: bool,
    pub(crate) sni: Option<&'a str>,
    pub(crate) method: &'a str,
    /// The `Host` header, with its port.
    pub(crate) host: &'a str,
    /// The path, without the query.
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
}

/// A route, and how much of the path it took.
#[derive(Debug)]
pub(crate) struct Match {
    pub(crate) route: Arc<Route>,
    /// Bytes of the path that `strip_path` cuts.
    pub(crate) taken: usize,
}

/// All candidates, best first.
#[derive(Debug, Default)]
pub(crate) struct Router {
    candidates: Vec<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    route: Arc<Route>,
    hosts: Vec<Host>,
    paths: Vec<Path>,
    headers: Vec<Header>,
}

/// Higher goes first, field by field.
type Rank = (usize, bool, usize, bool, i64, usize);

impl Router {
    pub(crate) fn new(routes: &[Arc<Route>]) -> Self {
        let mut ranked: Vec<(Rank, Candidate)> = routes.iter().flat_map(candidates).collect();
        ranked.sort_by(|(a, one), (b, other)| {
            Reverse(a)
                .cmp(&Reverse(b))
                .then_with(|| other.route.id.cmp(&one.route.id))
        });
        Self {
            candidates: ranked.into_iter().map(|(_, candidate)| candidate).collect(),
        }
    }

    pub(crate) fn find(&self, subject: &Subject<'_>) -> Option<Match> {
        self.candidates.iter().find_map(|candidate| {
            let taken = candidate.matches(subject)?;
            Some(Match {
                route: candidate.route.clone(),
                taken,
            })
        })
    }
}

fn candidates(route: &Arc<Route>) -> Vec<(Rank, Candidate)> {
    let hosts: Vec<Host> = route.hosts.iter().map(|host| Host::new(host)).collect();
    let headers: Vec<Header> = route
        .headers
        .iter()
        .map(|(name, values)| Header::new(name, values))
        .collect();
    let kinds = [
        !route.methods.is_empty(),
        !hosts.is_empty(),
        !headers.is_empty(),
        !route.paths.is_empty(),
        !route.snis.is_empty(),
    ];
    let kinds = kinds.into_iter().filter(|given| *given).count();
    let plain_hosts = !hosts.is_empty() && hosts.iter().all(Host::is_exact);

    path::groups(&route.paths)
        .into_iter()
        .map(|group| {
            let regex_priority = if group.regex { route.regex_priority } else { 0 };
            let rank = (
                kinds,
                plain_hosts,
                headers.len(),
                group.regex,
                regex_priority,
                group.length,
            );
            let candidate = Candidate {
                route: route.clone(),
                hosts: hosts.clone(),
                paths: group.paths,
                headers: headers.clone(),
            };
            (rank, candidate)
        })
        .collect()
}

impl Candidate {
    /// How many bytes of the path it takes, if it matches.
    fn matches(&self, subject: &Subject<'_>) -> Option<usize> {
        let route = &self.route;
        let any =
            |list: &[String], value: &str| list.is_empty() || list.iter().any(|item| item == value);
        let sni = !subject.https
            || subject.sni.is_some_and(|sni| any(&route.snis, sni))
            || route.snis.is_empty();
        let matches = protocol(route, subject.https)
            && sni
            && any(&route.methods, subject.method)
            && (self.hosts.is_empty() || self.hosts.iter().any(|host| host.matches(subject.host)))
            && self
                .headers
                .iter()
                .all(|header| header.matches(subject.headers));
        if !matches {
            return None;
        }
        if self.paths.is_empty() {
            return Some(0);
        }
        self.paths
            .iter()
            .find_map(|path| path.take(subject.path))
            .map(|Taken(bytes)| bytes)
    }
}

/// A route for HTTPS alone takes HTTP requests too, to tell them where to go.
fn protocol(route: &Route, https: bool) -> bool {
    let has = |names: [&str; 2]| {
        route
            .protocols
            .iter()
            .any(|protocol| names.contains(&protocol.as_str()))
    };
    has(["https", "grpcs"]) || (!https && has(["http", "grpc"]))
}

#[derive(Clone, Debug)]
struct Header {
    name: String,
    values: Vec<HeaderValue>,
}

#[derive(Clone, Debug)]
enum HeaderValue {
    Exact(String),
    Regex(Box<regex::Regex>),
}

impl Header {
    fn new(name: &str, values: &[String]) -> Self {
        let value = |value: &String| {
            // A pattern that does not compile matches what it says, letter by letter.
            let pattern = value
                .strip_prefix("~*")
                .and_then(|pattern| regex::Regex::new(pattern).ok());
            pattern.map_or_else(
                || HeaderValue::Exact(value.to_lowercase()),
                |regex| HeaderValue::Regex(Box::new(regex)),
            )
        };
        Self {
            name: name.to_lowercase(),
            values: values.iter().map(value).collect(),
        }
    }

    fn matches(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(&self.name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|found| {
                let found = found.to_lowercase();
                self.values.iter().any(|value| match value {
                    HeaderValue::Exact(exact) => *exact == found,
                    HeaderValue::Regex(regex) => regex.is_match(&found),
                })
            })
    }
}

#[cfg(test)]
mod tests;
