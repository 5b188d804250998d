//! Many sidecars at once. Prints what it measures; holds what does not depend on the machine.
//!
//! `TAGALONG_SCALE` sets how many (200 without it), and the floors are held then: `make bench` runs it so.

mod support;

use futures::stream::{StreamExt as _, TryStreamExt as _};
use std::sync::Arc;
use std::time::Duration;
use support::sidecar::{Sidecar, pod, token, trust};
use support::{Result, extension, gateway, operator, route, service};
use tagalong_bench::{Figure, Good};
use tokio::time::Instant;

/// How many of them wait for a change.
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
    let (cluster, operator) = operator().await?;
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
                    tagalong_wire::AUDIENCE,
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
                .look(|state| state.index.count(tagalong_index::ObjectKind::Pod));
            if known >= many() {
                Ok(())
            } else {
                Err(format!("{known} of {}", many()).into())
            }
        })
        .await?;

    let one = tokens.first().cloned().unwrap_or_default();
    let mut sidecars: Vec<Sidecar> = futures::stream::iter(tokens)
        .map(|token| {
            let trust = Arc::clone(&trust);
            async move { Sidecar::open(operator.push, &trust, &token).await }
        })
        .buffer_unordered(256)
        .try_collect()
        .await?;
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

    let (kong, echo) = (format!("httproute.{name}.second.0"), format!("{name}/echo"));
    let waiting: Vec<_> = sidecars
        .drain(..)
        .take(LISTENERS)
        .map(|mut sidecar| {
            let (kong, echo) = (kong.clone(), echo.clone());
            tokio::spawn(async move {
                sidecar.until(&kong, Some(&echo)).await?;
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>((sidecar, Instant::now()))
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let changed = Instant::now();
    route(&client, name, "second", &["echo"]).await?;
    let mut took = Vec::new();
    for one in waiting {
        let (_sidecar, heard) = one.await??;
        took.push(heard.duration_since(changed));
    }
    took.sort_unstable();
    let last = took.len() * 99 / 100;
    promise(
        "push: from a change in the API server to the tables of 200 connected sidecars, 99th percentile",
        took[last.min(took.len() - 1)].as_secs_f64() * 1000.0,
        "ms",
        250.0,
    )
}
