//! Kong without an operator: Deployments, DaemonSets and StatefulSets that say themselves what they want. Their pods are
//! those that Kubernetes' own controllers make.

use crate::support;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};
use support::replica::Replica;
use support::sidecar::{Sidecar, token, trust};
use support::{
    Definition, KONG_ALPHA, Result, apply, cluster, delete, equal, extension, operator_config,
    plugins, route, service,
};
use tagalong_cluster::Namespace;

fn workload(namespace: &Namespace, kind: &str) -> Value {
    let name = kind.to_lowercase();
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": {
            "namespace": namespace.name(), "name": name,
            "labels": {"tagalong.dev/inject": "enabled"},
            "annotations": {"tagalong.dev/metrics-extension": "x"},
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                // As the webhook leaves it.
                "spec": {"containers": [
                    {"name": "proxy", "image": "kong:3.9"},
                    {"name": "tagalong", "image": "tagalong", "ports": [{"name": "tagalong", "containerPort": 9542}]},
                ]},
            },
        },
    })
}

/// The pod that the workload's controller made.
async fn pod_of(namespace: &Namespace, kind: &str) -> Result<(String, String)> {
    let pods: Api<Pod> = namespace.api();
    let labelled = ListParams::default().labels(&format!("app={}", kind.to_lowercase()));
    let what = format!("a pod of the {kind}");
    let found = namespace.until(&what, || async {
        let pod = pods.list(&labelled).await?.items.pop().ok_or("none")?;
        Ok((pod.name_any(), pod.uid().unwrap_or_default()))
    });
    Ok(found.await?)
}

#[tokio::test]
async fn workloads_attach_by_annotation_and_their_pods_get_labels() -> Result {
    let cluster = &cluster(Definition::Ours).await?;
    let config = operator_config(cluster).await?;
    let replica = Replica::with(config, "plain", &["--pod-selector="]).await?;
    // A DaemonSet has a pod for each node, be it a fake one.
    cluster.fake_nodes(1).await?;
    for kind in ["Deployment", "DaemonSet", "StatefulSet"] {
        let namespace = cluster.namespace("plain").await?;
        let (client, name) = (namespace.client(), namespace.name());
        service(&client, name, "echo", None).await?;
        route(&client, name, "r", &["echo"]).await?;
        extension(&client, name, "x", &["echo"]).await?;
        apply(&client, workload(&namespace, kind)).await?;
        let attached = namespace.until("the plugin to be named", || async {
            let seen = plugins(&client, name, "echo").await?;
            equal(&seen.as_deref(), &Some("x-metrics-prometheus"))?;
            Ok(())
        });
        attached.await?;

        let (pod, uid) = pod_of(&namespace, kind).await?;
        let trust = trust(&namespace).await?;
        let bound = Some((pod.as_str(), uid.as_str()));
        let token = token(&client, name, tagalong_wire::contract::AUDIENCE, bound).await?;
        let open = namespace.until("the stream", || async {
            Ok(Sidecar::open(replica.push, &trust, &token).await?)
        });
        let mut sidecar = open.await?;
        let (kong, echo) = (format!("httproute.{name}.r.0"), format!("{name}/echo"));
        sidecar.until(&kong, Some(&echo)).await?;

        delete(&client, name, KONG_ALPHA, "DataPlaneMetricsExtension", "x").await?;
        let detached = namespace.until("the plugin's name to be gone", || async {
            equal(&plugins(&client, name, "echo").await?, &None)?;
            Ok(())
        });
        detached.await?;
    }
    assert_eq!(replica.stop().await?, None);
    Ok(())
}
