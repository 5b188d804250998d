//! From a request through Kong to more pods: the sidecar's labels are what the published adapter rule needs.
//!
//! The whole way on one machine: a client, Kong (the stand-in, configured through its Admin API as the
//! ingress controller does), the sidecar in Kong's pod, Prometheus, prometheus-adapter, the autoscaler.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::net::SocketAddr;
use std::path::Path;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use tagalong_cluster::binaries::{Tool, ensured};
use tagalong_cluster::image::Image;
use tagalong_cluster::{Cluster, Namespace, Result, Seen, programs};

const ECHO: &str = "test.local/agnhost:1";
const KONG: &str = "test.local/kong:3.9.1";
const SIDECAR: &str = "test.local/tagalong-sidecar:1";

/// The rule that Kong publishes for its own operator's metrics, for a scrape that relabels the target's
/// namespace and service away.
const RULES: &str = r#"
rules:
- seriesQuery: '{__name__=~"^kong_upstream_latency_ms_(sum|count)",kubernetes_namespace!="",kubernetes_name!="",kubernetes_kind!=""}'
  resources:
    overrides:
      exported_namespace: {resource: namespace}
      exported_service: {resource: service}
  name:
    as: kong_upstream_latency_ms_60s_average
  metricsQuery: |
    sum by (exported_service) (rate(kong_upstream_latency_ms_sum{<<.LabelMatchers>>}[60s:2s]))
      /
    sum by (exported_service) (rate(kong_upstream_latency_ms_count{<<.LabelMatchers>>}[60s:2s]))
"#;

/// The target has labels `namespace` and `service` of its own, as from a ServiceMonitor, so that Prometheus
/// turns the sidecar's into `exported_…`.
fn scraping(namespace: &str) -> String {
    format!(
        r#"
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: kong
  kubernetes_sd_configs:
  - role: pod
    kubeconfig_file: KUBECONFIG
    namespaces: {{names: [{namespace}]}}
  relabel_configs:
  - {{source_labels: [__meta_kubernetes_pod_container_port_name], regex: metrics, action: keep}}
  - {{source_labels: [__meta_kubernetes_namespace], target_label: namespace}}
  - {{target_label: service, replacement: kong}}
"#
    )
}

fn manifests(namespace: &str, kong_service: &str) -> String {
    let table = json!({
        "type": "SNAPSHOT", "version": 1, "upstreams": {},
        "services": {kong_service: {"namespace": namespace, "name": "echo"}},
    });
    let deployment = |name: &str, spec: Value| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {
                "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
            },
        })
    };
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "table"}, "data": {"labels.json": table.to_string()}},
        {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "echo"},
            "spec": {"selector": {"app": "echo"}, "ports": [{"port": 80, "targetPort": 8080}]},
        },
        deployment("echo", json!({
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "echo", "image": ECHO, "args": ["netexec", "--http-port=8080", "--udp-port=-1"],
                "readinessProbe": {"httpGet": {"path": "/hostname", "port": 8080}, "periodSeconds": 1},
            }],
        })),
        deployment("kong", json!({
            "terminationGracePeriodSeconds": 1,
            "initContainers": [{
                "name": "tagalong", "image": SIDECAR, "restartPolicy": "Always",
                "args": ["--labels-file=/etc/tagalong/labels.json"],
                "ports": [{"name": "metrics", "containerPort": 9542}],
                "volumeMounts": [{"name": "table", "mountPath": "/etc/tagalong"}],
            }],
            "containers": [{
                "name": "proxy", "image": KONG,
                "env": [
                    {"name": "KONG_DATABASE", "value": "off"},
                    {"name": "KONG_PROXY_LISTEN", "value": "0.0.0.0:8000"},
                    {"name": "KONG_ADMIN_LISTEN", "value": "0.0.0.0:8001"},
                    {"name": "KONG_STATUS_LISTEN", "value": "0.0.0.0:8100"},
                ],
                "readinessProbe": {"httpGet": {"path": "/status", "port": 8100}, "periodSeconds": 1},
            }],
            "volumes": [{"name": "table", "configMap": {"name": "table"}}],
        })),
        {
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "echo"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "echo"},
                "minReplicas": 1, "maxReplicas": 2,
                "metrics": [{"type": "Object", "object": {
                    "metric": {"name": "kong_upstream_latency_ms_60s_average"},
                    "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "echo"},
                    // A hundredth of a millisecond: whatever the latency is, it is too much.
                    "target": {"type": "Value", "value": "10m"},
                }}],
            },
        },
    ]})
    .to_string()
}

/// As the ingress controller names things: one service per rule, its upstream's targets the pods.
fn kong_configuration(service: &str, target: &str) -> Value {
    json!({
        "_format_version": "3.0",
        "plugins": [{"name": "prometheus", "config": {"latency_metrics": true, "status_code_metrics": true}}],
        "services": [{
            "name": service, "host": service, "port": 80, "protocol": "http", "retries": 5,
            "routes": [{"name": format!("{service}.0"), "paths": ["/echo"]}],
        }],
        "upstreams": [{"name": service, "targets": [{"target": target}]}],
    })
}

async fn load_images(cluster: &Cluster) -> Result<()> {
    let build = || programs::build(&["tagalong-sidecar", "tagalong-kong"]);
    let binaries = tokio::task::spawn_blocking(build).await.unwrap()?;
    for (image, program) in [
        (KONG, binaries.join("tagalong-kong")),
        (SIDECAR, binaries.join("tagalong-sidecar")),
        (ECHO, ensured(Tool::Agnhost).await?),
    ] {
        let mut image = Image::new(image)
            .program(&program, "/program")?
            .directory("/tmp", 0o1777)
            .entrypoint(&["/program"]);
        if image.name() == ECHO {
            // What the published example's load runs in the backend.
            for command in ["/bin/sh", "/bin/sleep"] {
                image = image.program(Path::new(command), command)?;
            }
        }
        cluster.load_image(image).await?;
    }
    Ok(())
}

/// The address of the one ready pod of a Deployment.
async fn pod_ip(namespace: &Namespace, app: &str) -> Result<String> {
    let pods: Api<Pod> = namespace.api();
    let of_app = ListParams::default().labels(&format!("app={app}"));
    namespace
        .until(&format!("a ready pod of {app}"), || async {
            let pod = pods.list(&of_app).await?.items.pop().ok_or("none")?;
            let status = pod.status.unwrap_or_default();
            let ready = status
                .conditions
                .iter()
                .flatten()
                .any(|condition| condition.type_ == "Ready" && condition.status == "True");
            if ready {
                Ok(status.pod_ip.ok_or("no address")?)
            } else {
                Err(json!(status).into())
            }
        })
        .await
}

async fn ask(
    cluster: &Cluster,
    address: String,
    method: &str,
    path: &str,
    body: String,
) -> std::result::Result<String, Seen> {
    let address: SocketAddr = address.parse()?;
    let stream = TokioIo::new(cluster.connect(address).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", address.to_string())
        .header("content-type", "application/json")
        .body(Full::<Bytes>::from(body))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    if status.is_success() {
        Ok(body)
    } else {
        Err(format!("{status}: {body}").into())
    }
}

#[tokio::test]
async fn latency_through_kong_scales_the_backend() -> Result<()> {
    let Some(cluster) = Cluster::shared_with_node().await? else {
        return Ok(());
    };
    load_images(cluster).await?;
    let namespace = cluster.namespace("latency").await?;
    let name = namespace.name();
    let service = format!("httproute.{name}.echo.0");
    cluster
        .kubectl(
            &["apply", "-n", name, "-f", "-"],
            &manifests(name, &service),
        )
        .await?;
    let echo = pod_ip(&namespace, "echo").await?;
    let kong = pod_ip(&namespace, "kong").await?;
    let configuration = kong_configuration(&service, &format!("{echo}:8080")).to_string();
    namespace
        .until("Kong to take the configuration", || {
            ask(
                cluster,
                format!("{kong}:8001"),
                "POST",
                "/config?check_hash=1",
                configuration.clone(),
            )
        })
        .await?;

    let through_kong = |path| {
        let proxy = format!("{kong}:8000");
        ask(cluster, proxy, "GET", path, String::new())
    };
    let answer = namespace
        .until("an answer through Kong", || through_kong("/echo/hostname"))
        .await?;
    assert!(answer.starts_with("echo-"), "{answer}");
    // Kong counts whole milliseconds, and an idle machine answers in none.
    let slowly = || through_kong("/echo/shell?cmd=sleep%200.1");

    let enriched = ask(
        cluster,
        format!("{kong}:9542"),
        "GET",
        "/metrics",
        String::new(),
    );
    let exposition = enriched.await.unwrap_or_else(|_| String::new());
    let sample = exposition
        .lines()
        .find(|line| line.starts_with("kong_upstream_latency_ms_count{"))
        .unwrap_or_else(|| panic!("no latency in {exposition}"));
    for label in [
        format!("namespace=\"{name}\""),
        "service=\"echo\"".to_owned(),
        format!("kong_service=\"{service}\""),
    ] {
        assert!(sample.contains(&label), "no {label} in {sample}");
    }

    let prometheus = cluster.start_prometheus(&scraping(name)).await?;
    cluster.start_adapter(prometheus, RULES).await?;
    let path = format!(
        "/apis/custom.metrics.k8s.io/v1beta2/namespaces/{name}/services/echo/kong_upstream_latency_ms_60s_average"
    );
    namespace
        .until("the metric from the adapter", || async {
            // A rate takes at least two scrapes with requests between them.
            slowly().await?;
            let list = cluster.kubectl(&["get", "--raw", &path], "").await?;
            let list: Value = serde_json::from_str(&list)?;
            match list["items"][0]["value"].as_str() {
                Some(value) if value != "0" => Ok(value.to_owned()),
                _ => Err(list.to_string().into()),
            }
        })
        .await?;
    let deployments: Api<Deployment> = namespace.api();
    namespace
        .until("a second pod of the backend", || async {
            slowly().await?;
            let status = deployments.get("echo").await?.status.unwrap_or_default();
            if status.ready_replicas == Some(2) {
                Ok(())
            } else {
                Err(json!(status).into())
            }
        })
        .await
}
