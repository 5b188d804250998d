//! Replicas that come and go, and an API server that is away: one test after the other, since all are
//! about the one Lease.

use crate::support;

use std::time::Duration;
use support::replica::Replica;
use support::sidecar::{Sidecar, pod, token, trust};
use support::told::named;
use support::wire::Wire;
use support::{
    Definition, Result, cluster, condition, equal, extension, gateway, operator_config, plugins,
    route, service,
};
use tagalong_cluster::{Cluster, until};

const PLUGIN: &str = "x-metrics-prometheus";
const TIMEOUT: Duration = Duration::from_secs(90);

async fn leads(replica: &Replica) -> Result {
    until("the lease", TIMEOUT, || async {
        if replica.leads() {
            Ok(())
        } else {
            Err("another has it".into())
        }
    })
    .await?;
    Ok(())
}

/// Waits until `replica` has made so many passes.
async fn passes(replica: &Replica, wanted: u64) -> Result {
    until("passes", TIMEOUT, || async {
        let made = replica.metrics.reconcile.passes.get();
        if made >= wanted {
            Ok(())
        } else {
            Err(format!("{made} of {wanted}").into())
        }
    })
    .await?;
    Ok(())
}

fn writes(replica: &Replica) -> u64 {
    let text = replica.metrics.encode();
    let lines = text
        .lines()
        .filter(|line| line.starts_with("tagalong_reconcile_writes_total"));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[tokio::test]
async fn replicas() -> Result {
    let cluster = &cluster(Definition::Ours).await?;
    one_is_killed_after_the_other(cluster).await?;
    a_restart_writes_nothing(cluster).await?;
    a_dropped_watch_misses_nothing(cluster).await?;
    whoever_cannot_renew_ends(cluster).await
}

/// Two replicas, each killed in turn: no attachment is lost, and each change is made by whoever is left.
async fn one_is_killed_after_the_other(cluster: &Cluster) -> Result {
    let namespace = gateway(cluster, "killed", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    for one in ["a", "b", "c"] {
        service(&client, name, one, None).await?;
    }
    let first = Replica::start(cluster, "first").await?;
    leads(&first).await?;
    let second = Replica::start(cluster, "second").await?;
    extension(&client, name, "x", &["a"]).await?;
    named(&namespace, "a", Some(PLUGIN)).await?;
    assert!(!second.leads());

    // The one that does not lead serves labels all the same.
    let uid = pod(&client, name, "proxy", "dp").await?;
    let (trust, token) = (
        trust(&namespace).await?,
        token(
            &client,
            name,
            tagalong_wire::contract::AUDIENCE,
            Some(("proxy", &uid)),
        )
        .await?,
    );
    let open = namespace.until("the stream", || async {
        Ok(Sidecar::open(second.push, &trust, &token).await?)
    });
    let mut sidecar = open.await?;

    first.kill();
    extension(&client, name, "x", &["a", "b"]).await?;
    named(&namespace, "b", Some(PLUGIN)).await?;
    assert!(second.leads());
    assert_eq!(plugins(&client, name, "a").await?.as_deref(), Some(PLUGIN));
    route(&client, name, "r", &["a"]).await?;
    sidecar
        .until(&format!("httproute.{name}.r.0"), Some(&format!("{name}/a")))
        .await?;

    let third = Replica::start(cluster, "third").await?;
    assert_eq!(second.stop().await?, None, "an orderly end");
    sidecar.until_end().await?;
    extension(&client, name, "x", &["a", "b", "c"]).await?;
    named(&namespace, "c", Some(PLUGIN)).await?;
    assert!(third.leads());
    for kept in ["a", "b"] {
        let seen = plugins(&client, name, kept).await?;
        assert_eq!(seen.as_deref(), Some(PLUGIN), "{kept}");
    }
    // A certificate of the first replica's authority: the third one serves under the same.
    Sidecar::open(third.push, &trust, &token).await?;
    support::delete(
        &client,
        name,
        support::KONG_ALPHA,
        "DataPlaneMetricsExtension",
        "x",
    )
    .await?;
    namespace
        .until("the extension to be let go", || async {
            let gone = support::gone(
                &client,
                name,
                support::KONG_ALPHA,
                "DataPlaneMetricsExtension",
                "x",
            )
            .await?;
            equal(&gone, &true)?;
            Ok(())
        })
        .await?;
    assert_eq!(third.stop().await?, None);
    namespace.delete().await?;
    Ok(())
}

/// A new process sees everything as new, and still finds nothing to write.
async fn a_restart_writes_nothing(cluster: &Cluster) -> Result {
    let namespace = gateway(cluster, "unchanged", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "a", Some("mine")).await?;
    extension(&client, name, "x", &["a", "missing"]).await?;
    let first = Replica::start(cluster, "first").await?;
    namespace
        .until("the status", || async {
            let seen = condition(&client, name, "x", "ResolvedRefs").await?;
            equal(&seen.as_str(), &"False ServiceNotFound")?;
            Ok(())
        })
        .await?;
    named(&namespace, "a", Some("mine,x-metrics-prometheus")).await?;
    passes(&first, 1).await?;
    assert_eq!(first.stop().await?, None);
    let second = Replica::start(cluster, "second").await?;
    leads(&second).await?;
    passes(&second, 1).await?;
    // Something that concerns nobody brings passes, but no writes.
    service(&client, name, "bystander", Some("theirs")).await?;
    passes(&second, 2).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(writes(&second), 0, "{}", second.metrics.encode());
    assert_eq!(second.stop().await?, None);
    Ok(())
}

/// The wire is cut while the world changes: what came, what changed and what went are all seen afterwards.
async fn a_dropped_watch_misses_nothing(cluster: &Cluster) -> Result {
    let namespace = gateway(cluster, "dropped", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    for one in ["a", "b"] {
        service(&client, name, one, None).await?;
    }
    extension(&client, name, "x", &["a"]).await?;
    route(&client, name, "goes", &["a"]).await?;
    let (wire, replica) = on_a_wire(cluster).await?;
    named(&namespace, "a", Some(PLUGIN)).await?;
    let uid = pod(&client, name, "proxy", "dp").await?;
    let (trust, token) = (
        trust(&namespace).await?,
        token(
            &client,
            name,
            tagalong_wire::contract::AUDIENCE,
            Some(("proxy", &uid)),
        )
        .await?,
    );
    let open = namespace.until("the stream", || async {
        Ok(Sidecar::open(replica.push, &trust, &token).await?)
    });
    let mut sidecar = open.await?;
    let kong = |route: &str| format!("httproute.{name}.{route}.0");
    sidecar
        .until(&kong("goes"), Some(&format!("{name}/a")))
        .await?;

    wire.cut();
    support::delete(&client, name, support::GATEWAY, "HTTPRoute", "goes").await?;
    route(&client, name, "comes", &["b"]).await?;
    extension(&client, name, "x", &["b"]).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    wire.mend();

    sidecar
        .until(&kong("comes"), Some(&format!("{name}/b")))
        .await?;
    sidecar.until(&kong("goes"), None).await?;
    named(&namespace, "b", Some(PLUGIN)).await?;
    named(&namespace, "a", None).await?;
    assert_eq!(replica.stop().await?, None, "it kept the lease");
    Ok(())
}

/// Away for longer than a claim lasts: the process ends, so that nobody writes twice.
async fn whoever_cannot_renew_ends(cluster: &Cluster) -> Result {
    let (wire, replica) = on_a_wire(cluster).await?;
    leads(&replica).await?;
    wire.cut();
    let other = Replica::start(cluster, "other").await?;
    let why = replica.ended().await?;
    assert!(
        why.as_deref().is_some_and(|why| why.contains("lease")),
        "{why:?}"
    );
    leads(&other).await?;
    assert_eq!(other.stop().await?, None);
    Ok(())
}

async fn on_a_wire(cluster: &Cluster) -> Result<(Wire, Replica)> {
    let mut config = operator_config(cluster).await?;
    let target = config
        .cluster_url
        .authority()
        .map(ToString::to_string)
        .unwrap_or_default();
    let wire = Wire::to(target).await?;
    config.cluster_url = format!("https://{}", wire.address).parse()?;
    let replica = Replica::with(config, "wired", &[]).await?;
    leads(&replica).await?;
    Ok((wire, replica))
}
