//! Many sidecars at once. Prints what it measures; holds what does not depend on the machine.
//!
//! `TAGALONG_SCALE` sets how many (200 without it), and the floors are held then: `make bench` runs it so.

use crate::support;

use futures::stream::{StreamExt as _, TryStreamExt as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use support::sidecar::{Sidecar, pod, token, trust};
use support::{HOME, Result, extension, gateway, operator_of_its_own, route, service};
use tagalong_bench::{Figure, Good};
use tagalong_cluster::process::{Ground, Process};
use tagalong_cluster::{Cluster, Namespace};
use tagalong_ports::Reserved;
use tokio::time::Instant;

/// How many there are, and how many still are when the smaller figure is measured.
const LISTENERS: usize = 200;

fn asked() -> Option<usize> {
    let asked = std::env::var("TAGALONG_SCALE").ok();
    asked.and_then(|text| text.parse().ok())
}

fn many() -> usize {
    asked().unwrap_or(LISTENERS)
}

/// Prints a figure; one that is asked for must keep its floor.
fn promise(figure: &'static str, value: f64, unit: &'static str, floor: f64) -> Result {
    let good = Good::AtMost;
    let kept = Figure {
        figure,
        value,
        unit,
        floor,
        good,
    }
    .print()?;
    if asked().is_some() && !kept {
        return Err(format!("{figure}: {value} {unit}, floor {floor}").into());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_connect_at_once_and_all_hear_of_a_change() -> Result {
    let (cluster, operator) = &operator_of_its_own().await?;
    let namespace = gateway(cluster, "scale", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "echo", None).await?;
    extension(&client, name, "x", &["echo"]).await?;
    route(&client, name, "first", &["echo"]).await?;
    let trust = Arc::new(trust(&namespace).await?);
    let tokens: Vec<String> = futures::stream::iter(0..many())
        .map(|i| {
            let client = client.clone();
            async move {
                let pod_name = format!("proxy-{i}");
                let uid = pod(&client, name, &pod_name, "dp").await?;
                token(
                    &client,
                    name,
                    tagalong_wire::contract::AUDIENCE,
                    Some((&pod_name, &uid)),
                )
                .await
            }
        })
        .buffer_unordered(16)
        .try_collect()
        .await?;
    namespace
        .until("all pods to be known", || async {
            let known = operator
                .world
                .with(|state| state.index.count(tagalong_index::ObjectKind::Pod));
            if known >= many() {
                Ok(())
            } else {
                Err(format!("{known} of {}", many()).into())
            }
        })
        .await?;

    let one = tokens.first().cloned().unwrap_or_default();
    let mut sidecars = open(operator.push, &trust, &tokens).await?;
    let reviews = operator.metrics.push.reviews.get();
    assert_eq!(sidecars.len(), many());
    assert!(
        usize::try_from(reviews)? <= many() + many() / 20,
        "{reviews} TokenReviews for {}",
        many()
    );
    // A restarted operator knows of nobody, as this one did.
    promise(
        "push: TokenReviews for each of the sidecars that connect to a restarted operator at once",
        f64::from(u32::try_from(reviews)?) / f64::from(u32::try_from(many())?),
        "ratio",
        1.05,
    )?;

    // A token is asked about once, however often its sidecar comes back.
    for _ in 0..5 {
        Sidecar::open(operator.push, &trust, &one).await?;
    }
    assert_eq!(operator.metrics.push.reviews.get(), reviews);

    // All of them, then no more than so many: how long it takes from a change in the API server to all tables.
    let promised = if many() > LISTENERS {
        let (heard, slowest) = changed(&namespace, "all", sidecars).await?;
        sidecars = heard;
        promise(
            "push: from a change in the API server to the tables of all connected sidecars (2,000 in `make bench`), 99th percentile, \
             best of five changes",
            slowest,
            "ms",
            250.0,
        )
    } else {
        Ok(())
    };
    sidecars.truncate(LISTENERS);
    let (_heard, slowest) = changed(&namespace, "few", sidecars).await?;
    promise(
        "push: from a change in the API server to the tables of 200 connected sidecars, 99th percentile, best of five changes",
        slowest,
        "ms",
        25.0,
    )?;
    promised?;
    weigh(cluster, &namespace, &trust, &tokens).await
}

/// Routes come, one after the other. The 99th percentile, in ms, of when the sidecars have the label, of the route that was
/// heard of soonest: in the others the machine had something else to do.
async fn changed(
    namespace: &Namespace,
    prefix: &str,
    mut sidecars: Vec<Sidecar>,
) -> Result<(Vec<Sidecar>, f64)> {
    let (client, name) = (namespace.client(), namespace.name());
    let mut best = f64::INFINITY;
    for round in 0..5 {
        let of_round = format!("{prefix}-{round}");
        let (kong, echo) = (
            format!("httproute.{name}.{of_round}.0"),
            format!("{name}/echo"),
        );
        let wait = |mut sidecar: Sidecar| {
            let (kong, echo) = (kong.clone(), echo.clone());
            tokio::spawn(async move {
                sidecar.until(&kong, Some(&echo)).await?;
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>((sidecar, Instant::now()))
            })
        };
        let waiting: Vec<_> = sidecars.drain(..).map(wait).collect();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let changed = Instant::now();
        route(&client, name, &of_round, &["echo"]).await?;
        let mut took = Vec::new();
        for one in waiting {
            let (sidecar, heard) = one.await??;
            sidecars.push(sidecar);
            took.push(heard.duration_since(changed));
        }
        took.sort_unstable();
        let last = took.len() * 99 / 100;
        let slowest = took.get(last).or(took.last()).copied().unwrap_or_default();
        best = best.min(slowest.as_secs_f64() * 1_000.0);
    }
    Ok((sidecars, best))
}

async fn open(push: SocketAddr, trust: &Arc<String>, tokens: &[String]) -> Result<Vec<Sidecar>> {
    futures::stream::iter(tokens.to_vec())
        .map(|token| {
            let trust = Arc::clone(trust);
            async move { Sidecar::open(push, &trust, &token).await }
        })
        .buffer_unordered(256)
        .try_collect()
        .await
}

/// What each sidecar costs an operator, which is a process of its own so that this side of the streams is not counted.
async fn weigh(
    cluster: &Cluster,
    namespace: &Namespace,
    trust: &Arc<String>,
    tokens: &[String],
) -> Result {
    let (logs, port) = (tempfile::tempdir()?, Reserved::new()?);
    let push = port.address();
    let mut command = Ground::Host.command(env!("CARGO_BIN_EXE_tagalong-operator"));
    command
        .env("KUBECONFIG", cluster.kubeconfig())
        .args(["--namespace", HOME, "--pod-name", "weighed"])
        .args(["--push-address", &push.to_string()])
        .args(["--metrics-address", "127.0.0.1:0"])
        .args(["--admin-address", "127.0.0.1:0"]);
    let operator = Process::start("operator", command, logs.path())?.keeping([port]);
    let first = namespace.until("the operator's first stream", || async {
        Ok(open(push, trust, &tokens[..1]).await?)
    });
    let first = first.await?;
    let before = resident(operator.id())?;
    let others = open(push, trust, &tokens[1..]).await?;
    let each = (resident(operator.id())? - before) / f64::from(u32::try_from(others.len())?);
    drop((first, others));
    promise(
        "push: resident memory of the operator for each connected sidecar",
        each,
        "KiB",
        64.0,
    )
}

/// In KiB.
fn resident(process: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.ok_or("no VmRSS in /proc")?.parse()?)
}
