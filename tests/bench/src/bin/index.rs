//! What one change of a route costs the index, from the object to the deltas of all tables, and what the index weighs.
//!
//! Two clusters, one ten times the other, with the same fifty DataPlanes, whose changes are timed in turn. The larger one is
//! also built a second time with DataPlanes that all see every route, which is the most that one change can mean.

use std::{
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use serde_json::json;
use tagalong_bench::{Figure, Good, median};
use tagalong_crds::{DataPlane, HttpRoute, Service};
use tagalong_index::{Changes, Index, ObjectKind, Settings};

const DATAPLANES: usize = 50;
const CHANGES: usize = 2_000;
const NAMESPACES: usize = 100;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<ExitCode, Failure> {
    let before = resident()?;
    let mut large = cluster(10_000, 5_000, true)?;
    let weight = resident()? - before;
    let mut small = cluster(1_000, 500, true)?;

    let (mut large_times, mut small_times) = (Vec::new(), Vec::new());
    for round in 0..CHANGES {
        small_times.push(change(&mut small, round % 1_000, round)?);
        large_times.push(change(&mut large, round * 7 % 10_000, round)?);
    }
    let (small, large) = (median(small_times), median(large_times));

    let mut shared = cluster(10_000, 5_000, false)?;
    let shared = (0..CHANGES / 10)
        .map(|round| change(&mut shared, round * 7 % 10_000, round))
        .collect::<Result<Vec<_>, _>>()?;

    let mut ok = true;
    for figure in [
        Figure {
            figure: "index: one route's change to deltas ready, 10,000 routes, 5,000 Services, 50 DataPlanes, median",
            value: large,
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
            value: large / small,
            unit: "ratio",
            floor: 1.5,
            good: Good::AtMost,
        },
        Figure {
            figure: "index: resident memory at 10,000 routes, 5,000 Services, 50 DataPlanes",
            value: weight,
            unit: "MiB",
            floor: 40.0,
            good: Good::AtMost,
        },
    ] {
        ok &= figure.print()?;
    }
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A cluster of routes with two rules each, spread over the DataPlanes' Gateways, or seen by all.
fn cluster(routes: usize, services: usize, gateways: bool) -> Result<Index, Failure> {
    let mut index = Index::new(Settings::default());
    for at in 0..DATAPLANES {
        let owner = json!([{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "uid": "u",
                            "name": format!("gateway-{at}")}]);
        let owners = if gateways { owner } else { json!([]) };
        let metadata = json!({"namespace": "kong", "name": format!("dataplane-{at}"), "ownerReferences": owners});
        index.apply(serde_json::from_value::<DataPlane>(
            json!({"metadata": metadata}),
        )?);
    }
    let all = (0..services).map(|at| {
        let name = format!("service-{at}");
        let metadata = json!({"namespace": format!("namespace-{}", at % NAMESPACES), "name": name});
        serde_json::from_value::<Service>(json!({"metadata": metadata})).map(Into::into)
    });
    index.reset(ObjectKind::Service, all.collect::<Result<_, _>>()?);
    let all = (0..routes).map(|at| route(at, at % services).map(Into::into));
    index.reset(ObjectKind::HttpRoute, all.collect::<Result<_, _>>()?);
    Ok(index)
}

fn route(at: usize, service: usize) -> Result<HttpRoute, serde_json::Error> {
    let backend = |port: u16| json!({"name": format!("service-{service}"), "port": port});
    serde_json::from_value(json!({
        "metadata": {"namespace": format!("namespace-{}", at % NAMESPACES), "name": format!("route-{at}")},
        "spec": {
            "parentRefs": [{"name": format!("gateway-{}", at % DATAPLANES), "namespace": "kong"}],
            "hostnames": [format!("host-{at}.example.com")],
            "rules": [{"backendRefs": [backend(80)]}, {"backendRefs": [backend(8080)]}],
        },
    }))
}

/// A route gets another backend. In milliseconds, the object not read but ready.
fn change(index: &mut Index, at: usize, round: usize) -> Result<f64, Failure> {
    let route = route(at, 100_000 + round)?;
    let (changes, time) = timed(|| index.apply(route));
    if changes.tables.is_empty() {
        return Err("a change of a route changed no table".into());
    }
    black_box(changes);
    Ok(time.as_secs_f64() * 1_000.0)
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
