//! The control plane without a node: who gets in, and whom it calls.

use std::time::Duration;

use tokio::time::Instant;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Client;
use kube::api::{Api, ListParams, PostParams};
use tagalong_cluster::{Cluster, Result};

#[tokio::test]
async fn it_refuses_a_client_without_credentials() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let mut config = cluster.config();
    config.auth_info = Default::default();
    let stranger: Api<Namespace> = Api::all(Client::try_from(config)?);
    match stranger.list(&ListParams::default()).await {
        Err(kube::Error::Api(status)) => {
            // The API server knows such a client as system:anonymous, whom RBAC allows nothing.
            assert_eq!(status.code, 403, "{status:?}");
            assert!(status.message.contains("system:anonymous"), "{status:?}");
        }
        other => panic!("a stranger was answered: {other:?}"),
    }
    let admin: Api<Namespace> = Api::all(cluster.client()?);
    assert!(!admin.list(&ListParams::default()).await?.items.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_namespace_is_gone_after_its_test() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("mine").await?;
    let name = namespace.name().to_owned();
    let maps: Api<ConfigMap> = namespace.api();
    let map = ConfigMap {
        metadata: kube::api::ObjectMeta {
            name: Some("left-behind".to_owned()),
            ..Default::default()
        },
        ..Default::default()
    };
    maps.create(&PostParams::default(), &map).await?;
    namespace.delete().await?;

    let all: Api<Namespace> = Api::all(cluster.client()?);
    assert!(all.get_opt(&name).await?.is_none());

    let dropped = cluster.namespace("dropped").await?;
    let name = dropped.name().to_owned();
    drop(dropped);
    let marked = all.get_opt(&name).await?;
    assert!(
        marked.is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_some()),
        "dropping a namespace deletes it"
    );
    Ok(())
}

#[tokio::test]
async fn a_deadline_tells_of_events_and_pods() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("diagnosis").await?;
    let pod = serde_json::from_value(serde_json::json!({
        "metadata": {"name": "lonely"},
        // The cluster is shared: other stories bring nodes.
        "spec": {"containers": [{"name": "c", "image": "test.local/none:1"}], "nodeSelector": {"no": "such"}},
    }))
    .unwrap();
    let pods: Api<k8s_openapi::api::core::v1::Pod> = namespace.api();
    pods.create(&PostParams::default(), &pod).await?;
    let started = Instant::now();
    let error = namespace
        .until_within(Duration::from_secs(3), "the pod to run", || async {
            let pod = pods.get("lonely").await?;
            let phase = pod
                .status
                .and_then(|status| status.phase)
                .unwrap_or_default();
            Err::<(), _>(format!("phase {phase}").into())
        })
        .await
        .unwrap_err()
        .to_string();
    assert!(started.elapsed() >= Duration::from_secs(3));
    for part in [
        "the pod to run",
        "phase Pending",
        "lonely",
        "FailedScheduling",
    ] {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
    Ok(())
}
