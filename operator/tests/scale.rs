//! Many sidecars at once. Prints what it measures; holds what does not depend on the machine.
//!
//! `TAGALONG_SCALE` sets how many (200 without it).

mod support;

use futures::stream::{StreamExt as _, TryStreamExt as _};
use std::sync::Arc;
use std::time::Duration;
use support::sidecar::{Sidecar, pod, token, trust};
use support::{Result, extension, gateway, operator, route, service};
use tokio::time::Instant;

fn many() -> usize {
    let asked = std::env::var("TAGALONG_SCALE").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(200)
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
    let begun = Instant::now();
    let mut sidecars: Vec<Sidecar> = futures::stream::iter(tokens)
        .map(|token| {
            let trust = Arc::clone(&trust);
            async move { Sidecar::open(operator.push, &trust, &token).await }
        })
        .buffer_unordered(256)
        .try_collect()
        .await?;
    let reviews = operator.metrics.push.reviews.get();
    println!(
        "{} sidecars connected in {:?}, {reviews} TokenReviews",
        many(),
        begun.elapsed()
    );
    assert_eq!(sidecars.len(), many());
    assert!(
        usize::try_from(reviews)? <= many() + many() / 20,
        "{reviews} TokenReviews for {}",
        many()
    );

    // A token is asked about once, however often its sidecar comes back.
    for _ in 0..5 {
        Sidecar::open(operator.push, &trust, &one).await?;
    }
    assert_eq!(operator.metrics.push.reviews.get(), reviews);

    let (kong, echo) = (format!("httproute.{name}.second.0"), format!("{name}/echo"));
    let waiting: Vec<_> = sidecars
        .drain(..)
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
    let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)];
    println!(
        "a change reached {} sidecars: median {:?}, 99th percentile {:?}",
        took.len(),
        at(50),
        at(99)
    );
    Ok(())
}
