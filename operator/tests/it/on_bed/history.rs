//! An API server that has forgotten what it told: 410 Gone, and a list anew.

use crate::support;

use support::audit::asked;
use support::replica::Replica;
use support::sidecar::{Sidecar, pod, token, trust};
use support::wire::Wire;
use support::{
    Definition, GATEWAY, Result, delete, extension, gateway, operator_config, prepare, route,
    service,
};
use tagalong_cluster::Cluster;

/// In a cluster of its own, whose API server may be ended.
#[tokio::test]
async fn what_changed_before_a_new_history_is_seen() -> Result {
    let cluster = Cluster::start().await?;
    prepare(&cluster, Definition::Ours).await?;
    let namespace = gateway(&cluster, "history", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "a", None).await?;
    extension(&client, name, "x", &["a"]).await?;
    route(&client, name, "goes", &["a"]).await?;
    // Whoever leads ends when it cannot renew: that is another test's matter. This one follows.
    let leader = Replica::start(&cluster, "leader").await?;
    let trust = trust(&namespace).await?;
    let mut config = operator_config(&cluster).await?;
    let target = config.cluster_url.authority().map(ToString::to_string);
    let wire = Wire::to(target.unwrap_or_default()).await?;
    config.cluster_url = format!("https://{}", wire.address).parse()?;
    let follower = Replica::with(config, "follower", &[]).await?;
    assert!(!follower.leads());
    let uid = pod(&client, name, "proxy", "dp").await?;
    let bound = Some(("proxy", uid.as_str()));
    let token = token(&client, name, tagalong_wire::contract::AUDIENCE, bound).await?;
    let open = namespace.until("the stream", || async {
        Ok(Sidecar::open(follower.push, &trust, &token).await?)
    });
    let mut sidecar = open.await?;
    let (kong, a) = (
        |route: &str| format!("httproute.{name}.{route}.0"),
        format!("{name}/a"),
    );
    sidecar.until(&kong("goes"), Some(&a)).await?;
    leader.kill();

    wire.cut();
    delete(&client, name, GATEWAY, "HTTPRoute", "goes").await?;
    route(&client, name, "comes", &["a"]).await?;
    let before = lists(&cluster)?;
    cluster.restart_api_server().await?;
    wire.mend();
    sidecar.until(&kong("comes"), Some(&a)).await?;
    sidecar.until(&kong("goes"), None).await?;
    // Without 410 it would have gone on watching from where it was.
    assert!(lists(&cluster)? > before, "it did not list anew");
    assert_eq!(follower.stop().await?, None);
    Ok(())
}

fn lists(cluster: &Cluster) -> Result<usize> {
    let asked = asked(cluster)?.into_iter();
    Ok(asked
        .filter(|one| one.resource == "httproutes" && one.verb == "list")
        .count())
}
