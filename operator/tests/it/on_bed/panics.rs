//! A panic in the middle of a change of the index: nobody goes on from there, and another replica takes over.

use crate::support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use support::replica::Replica;
use support::told::named;
use support::{Definition, Result, cluster, extension, gateway, service};
use tagalong_cluster::until;

const TIMEOUT: Duration = Duration::from_secs(90);

#[tokio::test]
async fn whoever_has_half_an_index_ends() -> Result {
    let cluster = &cluster(Definition::Ours).await?;
    let namespace = gateway(cluster, "panics", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "a", None).await?;
    let first = Replica::start(cluster, "first").await?;
    until("the lease", TIMEOUT, || async {
        let leads = first.leads();
        leads.then_some(()).ok_or_else(|| "not yet".into())
    })
    .await?;
    let second = Replica::start(cluster, "second").await?;
    assert!(!second.leads());

    let half = AssertUnwindSafe(|| first.world.note(|_| panic!("in the middle of it")));
    assert!(catch_unwind(half).is_err());
    extension(&client, name, "x", &["a"]).await?;
    let why = first.ended().await?.unwrap_or_default();
    assert!(
        why.contains("a panic has left the index half changed"),
        "{why}"
    );
    named(&namespace, "a", Some("x-metrics-prometheus")).await?;
    assert!(second.leads());
    assert_eq!(second.stop().await?, None);
    Ok(())
}
