//! What one change of a route, of a grant or of a Service costs the index, from the object to the deltas of all tables, and what
//! the index weighs. It waits for Kong, as in a cluster: what a change costs is what it costs until the label is another one.
//!
//! Two clusters, one ten times the other, with the same fifty DataPlanes, whose changes are timed in turn. The larger one is
//! also built a second time with DataPlanes that all see every route, which is the most that one change can mean.

use std::{
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use serde_json::json;
use tagalong_bench::{Figure, Good, exit, median, print_all};
use tagalong_crds::{DataPlane, Gateway, HttpRoute, ReferenceGrant, Service};
use tagalong_index::{Changes, Index, Key, ObjectKind, Settings};

const DATAPLANES: usize = 50;
const CHANGES: usize = 2_000;
const NAMESPACES: usize = 100;
/// Routes, in either cluster, that have a rule into another namespace, five for each grant, and one that names two Services.
const FOREIGN: usize = 5 * NAMESPACES;
/// Longer than anything is waited for.
const LATER: Duration = Duration::from_secs(100);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<ExitCode, Failure> {
    let before = resident()?;
    let mut large = cluster(10_000, 5_000, true)?;
    let weight = resident()? - before;
    let mut small = cluster(1_000, 500, true)?;

    // In turn, so that a busy machine disturbs both alike.
    let mut times: [[Vec<f64>; 2]; 3] = Default::default();
    for round in 0..CHANGES {
        let [routes, grants, services] = &mut times;
        routes[0].push(small.change(round % 1_000, round)?);
        routes[1].push(large.change(round * 7 % 10_000, round)?);
        for (at, cluster) in [&mut small, &mut large].into_iter().enumerate() {
            grants[at].push(cluster.change_grant(round / 2, round % 2 == 0)?);
            services[at].push(cluster.change_service(round / 2, round % 2 == 0)?);
        }
    }
    let [routes, grants, services] = times.map(|pair| pair.map(median));

    let mut shared = cluster(10_000, 5_000, false)?;
    let shared = (0..CHANGES / 10)
        .map(|round| shared.change(round * 7 % 10_000, round))
        .collect::<Result<Vec<_>, _>>()?;

    let ok = print_all([
        Figure {
            figure: "index: one route's change to deltas ready, 10,000 routes, 5,000 Services, 50 DataPlanes, median",
            value: routes[1],
            unit: "ms",
            floor: 1.0,
            good: Good::AtMost,
        },
        Figure {
            figure: "index: the same, where all 50 DataPlanes see every route",
            value: median(shared),
            unit: "ms",
            floor: 1.0,
            good: Good::AtMost,
        },
        Figure {
            figure: "index: its cost at 10,000 routes ÷ at 1,000 routes",
            value: routes[1] / routes[0],
            unit: "ratio",
            floor: 1.5,
            good: Good::AtMost,
        },
        Figure {
            figure: "index: a grant that comes or goes, of which five routes' labels depend, at 10,000 routes",
            value: grants[1],
            unit: "ms",
            floor: 1.0,
            good: Good::AtMost,
        },
        Figure {
            figure: "index: a grant's cost at 10,000 routes ÷ at 1,000 routes",
            value: grants[1] / grants[0],
            unit: "ratio",
            floor: 1.5,
            good: Good::AtMost,
        },
        Figure {
            figure: "index: a Service that comes or goes, which a rule names beside another, at 10,000 routes",
            value: services[1],
            unit: "ms",
            floor: 1.0,
            good: Good::AtMost,
        },
        Figure {
            figure: "index: a Service's cost at 10,000 routes ÷ at 1,000 routes",
            value: services[1] / services[0],
            unit: "ratio",
            floor: 1.5,
            good: Good::AtMost,
        },
        Figure {
            figure: "index: resident memory at 10,000 routes, 5,000 Services, 100 grants, 50 Gateways and DataPlanes",
            value: weight,
            unit: "MiB",
            floor: 40.0,
            good: Good::AtMost,
        },
    ])?;
    Ok(exit(ok))
}

/// An index, and how late it is.
struct Cluster {
    index: Index,
    now: Duration,
}

/// A cluster of routes with two rules each, some with four, spread over the DataPlanes' Gateways, or seen by all.
fn cluster(routes: usize, services: usize, gateways: bool) -> Result<Cluster, Failure> {
    let mut index = Index::new(Settings {
        wait_for_kong: true,
        ..Settings::default()
    });
    for at in 0..DATAPLANES {
        let name = format!("gateway-{at}");
        let owner = json!([{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "uid": "u", "name": name}]);
        let owners = if gateways { owner } else { json!([]) };
        let metadata = json!({"namespace": "kong", "name": format!("dataplane-{at}"), "ownerReferences": owners});
        index.apply(serde_json::from_value::<DataPlane>(
            json!({"metadata": metadata}),
        )?);
        let listeners: Vec<_> = (0..8)
            .map(|listener| json!({"hostname": format!("listener-{at}-{listener}.example.com")}))
            .collect();
        let body = json!({"metadata": {"namespace": "kong", "name": name}, "spec": {"listeners": listeners}});
        index.apply(serde_json::from_value::<Gateway>(body)?);
    }
    let all = (0..services).map(|at| service(at, "service").map(Into::into));
    index.reset(ObjectKind::Service, all.collect::<Result<_, _>>()?);
    let all = (0..NAMESPACES).map(|at| grant(at).map(Into::into));
    index.reset(ObjectKind::Grant, all.collect::<Result<_, _>>()?);
    let all = (0..routes).map(|at| route(at, at % services).map(Into::into));
    index.reset(ObjectKind::HttpRoute, all.collect::<Result<_, _>>()?);
    let now = LATER;
    index.tick(now);
    Ok(Cluster { index, now })
}

fn namespace(at: usize) -> String {
    format!("namespace-{}", at % NAMESPACES)
}

fn service(at: usize, name: &str) -> Result<Service, serde_json::Error> {
    serde_json::from_value(
        json!({"metadata": {"namespace": namespace(at), "name": format!("{name}-{at}")}}),
    )
}

/// Permits the routes of the namespace before.
fn grant(at: usize) -> Result<ReferenceGrant, serde_json::Error> {
    let from = json!([{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": namespace(at + NAMESPACES - 1)}]);
    serde_json::from_value(json!({
        "metadata": {"namespace": namespace(at), "name": "routes"},
        "spec": {"from": from, "to": [{"group": "", "kind": "Service"}]},
    }))
}

fn route(at: usize, service: usize) -> Result<HttpRoute, serde_json::Error> {
    let backend = |port: u16| json!({"name": format!("service-{service}"), "port": port});
    let mut rules = vec![
        json!({"backendRefs": [backend(80)]}),
        json!({"backendRefs": [backend(8080)]}),
    ];
    if at < FOREIGN {
        let foreign = json!({"name": "foreign", "namespace": namespace(at + 1), "port": 80});
        let canary = json!({"name": format!("canary-{at}"), "port": 8080});
        rules.push(json!({"backendRefs": [foreign]}));
        rules.push(json!({"backendRefs": [backend(8080), canary]}));
    }
    serde_json::from_value(json!({
        "metadata": {"namespace": namespace(at), "name": format!("route-{at}")},
        "spec": {
            "parentRefs": [{"name": format!("gateway-{}", at % DATAPLANES), "namespace": "kong"}],
            "hostnames": [format!("host-{at}.example.com")],
            "rules": rules,
        },
    }))
}

impl Cluster {
    /// A route gets another backend.
    fn change(&mut self, at: usize, round: usize) -> Result<f64, Failure> {
        let route = route(at, 100_000 + round)?;
        self.costs(|index| index.apply(route))
    }

    /// A grant goes, or comes back.
    fn change_grant(&mut self, at: usize, goes: bool) -> Result<f64, Failure> {
        let at = at % NAMESPACES;
        let grant = grant(at)?;
        let key = Key::new(namespace(at), "routes");
        self.costs(|index| match goes {
            true => index.delete(ObjectKind::Grant, &key),
            false => index.apply(grant),
        })
    }

    /// The second Service of a rule comes, or goes.
    fn change_service(&mut self, at: usize, comes: bool) -> Result<f64, Failure> {
        let at = at % FOREIGN;
        let canary = service(at, "canary")?;
        let key = Key::new(namespace(at), format!("canary-{at}"));
        self.costs(|index| match comes {
            true => index.apply(canary),
            false => index.delete(ObjectKind::Service, &key),
        })
    }

    /// What it costs in milliseconds, the object not read but ready: what is told at once, and what is told when the older
    /// reading ends.
    fn costs(&mut self, change: impl FnOnce(&mut Index) -> Changes) -> Result<f64, Failure> {
        let (told, at_once) = timed(|| change(&mut self.index));
        self.now += LATER;
        let (told_later, later) = timed(|| self.index.tick(self.now));
        if told.tables.is_empty() && told_later.tables.is_empty() {
            return Err("a change changed no table".into());
        }
        black_box((told, told_later));
        Ok((at_once + later).as_secs_f64() * 1_000.0)
    }
}

// The process' own clock: nothing here is asynchronous.
#[allow(clippy::disallowed_methods)]
fn timed(work: impl FnOnce() -> Changes) -> (Changes, Duration) {
    let start = Instant::now();
    let changes = work();
    (changes, start.elapsed())
}

/// Resident memory in MiB.
fn resident() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS in /proc/self/status")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1_024.0)
}
