//! The whole way of a plain HPA, with neither Prometheus nor an adapter: sidecars' summaries, our operator under its own
//! permissions, the API server's aggregation layer, and Kubernetes' own controller.

use crate::support;

use k8s_openapi::api::core::v1::Pod as KubePod;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::Duration;
use support::pods::{Host, Pod};
use support::replica::Replica;
use support::{
    Definition, HOME, Result, apply, cluster, equal, extension, gateway, operator_config, route,
    rules, service,
};
use tagalong_cluster::{Cluster, until};
use tagalong_ports::Reserved;

const PATIENCE: Duration = Duration::from_secs(90);
const OWNER: &str = "tagalong-operator-api-services";
const RULES: &str = "operator-custom-metrics-rules.yaml";

/// Where it all is: a stand-in for a sidecar has to name it.
static NAMESPACE: OnceLock<String> = OnceLock::new();

fn place() -> &'static str {
    NAMESPACE.get().map_or("", String::as_str)
}

/// 100 requests a second that wait for 200 ms: 20 in flight.
fn load(since: Duration) -> String {
    let age = u64::try_from(since.as_millis()).unwrap_or_default();
    let count = age / 10;
    json!({"type": "SUMMARY",
        "look": {"epoch": "e", "sequence": age, "age_ms": 0, "every_ms": 1000, "since_ms": age, "complete": true,
            "pod": {"requests": count, "writing": 25, "active": 30}},
        "services": {(format!("{}/a", place())): {"arrivals": count, "count": count, "sum": count * 200,
            "request_sum": count * 200, "buckets": {"250": count, "+Inf": count}}}})
    .to_string()
}

/// A pod of the DataPlane that runs, as a kubelet would tell, and a stand-in for its sidecar.
async fn kong(client: &kube::Client, number: u8) -> Result<Host> {
    let name = format!("kong-{number}");
    let host = Host::start(number, Pod::new(&name)).await?;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": place(), "name": name,
            "labels": {"gateway-operator.konghq.com/selector": format!("{}-dp", place())}},
        "spec": {"containers": [{"name": "tagalong", "image": "tagalong", "ports":
            [{"name": "tagalong", "containerPort": host.address.port()}]}]},
    });
    let uid = apply(client, pod).await?.metadata.uid.unwrap_or_default();
    host.change(|pod| {
        pod.uid = uid;
        pod.counts = Some(load);
    });
    let ip = host.address.ip().to_string();
    let status = json!({"status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
        "conditions": [{"type": "Ready", "status": "True"}]}});
    let pods: Api<KubePod> = Api::namespaced(client.clone(), place());
    pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
        .await?;
    Ok(host)
}

/// What the chart makes where the metrics API is on.
async fn allow(cluster: &Cluster) -> Result {
    let client = &cluster.client()?;
    let subject =
        json!([{"kind": "ServiceAccount", "name": "tagalong-operator", "namespace": HOME}]);
    let rbac = "rbac.authorization.k8s.io";
    for object in [
        json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": {"name": OWNER}, "rules": rules(RULES)?}),
        json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": OWNER},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": OWNER}, "subjects": subject}),
        json!({"apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding", "metadata": {"name": OWNER, "namespace": "kube-system"},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "extension-apiserver-authentication-reader"}, "subjects": subject}),
        // The API server asks no endpoints for a Service of this type.
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "tagalong-operator", "namespace": HOME},
            "spec": {"type": "ExternalName", "externalName": "localhost"}}),
    ] {
        apply(client, object).await?;
    }
    Ok(())
}

async fn value(cluster: &Cluster, of: &str) -> Result<f64> {
    let path = format!(
        "/apis/custom.metrics.k8s.io/v1beta2/namespaces/{}/{of}",
        place()
    );
    let list = cluster.kubectl(&["get", "--raw", &path], "").await?;
    let list: Value = serde_json::from_str(&list)?;
    let value = list["items"][0]["value"].as_str().ok_or("no value")?;
    Ok(match value.strip_suffix('m') {
        Some(thousandths) => thousandths.parse::<f64>()? / 1000.0,
        None => value.parse()?,
    })
}

async fn is_near(cluster: &Cluster, of: &str, truth: f64) -> Result {
    until(of, PATIENCE, || async {
        let value = value(cluster, of)
            .await
            .map_err(|error| error.to_string())?;
        if (truth * 0.9..=truth * 1.1).contains(&value) {
            Ok(())
        } else {
            Err(format!("{value} instead of {truth}").into())
        }
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_plain_hpa_scales_on_what_sidecars_say() -> Result {
    let cluster = cluster(Definition::Ours).await?;
    let client = cluster.client()?;
    allow(&cluster).await?;
    let namespace = gateway(&cluster, "scaled", &["x"]).await?;
    let place = NAMESPACE.get_or_init(|| namespace.name().to_owned());
    service(&client, place, "a", None).await?;
    route(&client, place, "a", &["a"]).await?;
    extension(&client, place, "x", &["a"]).await?;
    let (one, other) = (kong(&client, 1).await?, kong(&client, 2).await?);
    let reserved = Reserved::new()?;
    let port = reserved.port();
    let flags = [
        &*format!("--custom-metrics-address=127.0.0.1:{port}"),
        "--custom-metrics-service=tagalong-operator",
        &*format!("--custom-metrics-port={port}"),
        &*format!("--custom-metrics-owner={OWNER}"),
        "--custom-metrics-interval=2",
        "--custom-metrics-window=15",
    ];
    let replica = Replica::with(operator_config(&cluster).await?, "only", &flags).await?;

    is_near(
        &cluster,
        "services/a/kong_upstream_requests_per_second",
        200.0,
    )
    .await?;
    is_near(&cluster, "services/a/kong_requests_in_flight", 40.0).await?;
    is_near(
        &cluster,
        "services/a/kong_upstream_latency_ms_60s_average",
        200.0,
    )
    .await?;
    let plane = "dataplanes.gateway-operator.konghq.com/dp/kong_requests_per_second";
    is_near(&cluster, plane, 200.0).await?;
    let nobody = value(&cluster, "services/nobody/kong_requests_in_flight").await;
    let why = nobody.map_err(|error| error.to_string());
    assert!(
        why.as_ref()
            .is_err_and(|why| why.contains(&format!("explain service/{place}/nobody"))),
        "{why:?}"
    );

    // 40 in flight, 10 for each pod.
    for object in [
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": place, "name": "a"}, "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": "a"}},
            "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "a", "image": "example.com/a"}]}}}}),
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"namespace": place, "name": "a"},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}, "minReplicas": 1, "maxReplicas": 10,
            "metrics": [{"type": "Object", "object": {"describedObject": {"apiVersion": "v1", "kind": "Service", "name": "a"},
                "metric": {"name": "kong_requests_in_flight"}, "target": {"type": "AverageValue", "averageValue": "11"}}}]}}),
    ] {
        apply(&client, object).await?;
    }
    let replicas = [
        "--namespace",
        place,
        "get",
        "deployment",
        "a",
        "-o",
        "jsonpath={.spec.replicas}",
    ];
    until("four replicas", PATIENCE, || async {
        equal(&&*cluster.kubectl(&replicas, "").await?, &"4")?;
        Ok(())
    })
    .await?;

    // Both fall silent: not known is an error in words, and the replicas stay.
    for host in [&one, &other] {
        host.change(|pod| pod.manner = support::pods::Manner::Fails);
    }
    until("the words of the refusal in the HPA", PATIENCE, || async {
        let hpa = cluster
            .kubectl(&["--namespace", place, "describe", "hpa", "a"], "")
            .await?;
        if hpa.contains("0 of 2 Kong pods report") {
            Ok(())
        } else {
            Err(hpa.into())
        }
    })
    .await?;
    equal(&&*cluster.kubectl(&replicas, "").await?, &"4")?;

    // Its owner takes the APIServices along, whoever deletes it: else no namespace could be deleted.
    assert_eq!(replica.stop().await?, None);
    cluster
        .kubectl(&["delete", "clusterrole", OWNER], "")
        .await?;
    until("the APIServices to go", PATIENCE, || async {
        let left = cluster
            .kubectl(&["get", "apiservices", "-o", "name"], "")
            .await?;
        equal(&left.contains("custom.metrics.k8s.io"), &false)?;
        Ok(())
    })
    .await?;
    Ok(())
}
