//! What Datadog's own OpenMetrics check sends of the operator's `/metrics`, configured as `docs/guides/datadog.md` says.

use crate::support;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::Result;
use support::pods::{Host, Pod, tell};
use support::prometheus::operator;

/// What Kong says, behind a sidecar: two Services, one with two routes.
const SAMPLES: &str = r#"# HELP kong_upstream_latency_ms Latency added by upstream response
# TYPE kong_upstream_latency_ms histogram
kong_upstream_latency_ms_bucket{LABELS_0,le="25"} 3
kong_upstream_latency_ms_bucket{LABELS_0,le="+Inf"} 5
kong_upstream_latency_ms_count{LABELS_0} 5
kong_upstream_latency_ms_sum{LABELS_0} 500
kong_upstream_latency_ms_bucket{LABELS_1,le="25"} 1
kong_upstream_latency_ms_bucket{LABELS_1,le="+Inf"} 7
kong_upstream_latency_ms_count{LABELS_1} 7
kong_upstream_latency_ms_sum{LABELS_1} 900
kong_upstream_latency_ms_bucket{LABELS_2,le="25"} 11
kong_upstream_latency_ms_bucket{LABELS_2,le="+Inf"} 13
kong_upstream_latency_ms_count{LABELS_2} 13
kong_upstream_latency_ms_sum{LABELS_2} 100
"#;

/// Service and route of each set of labels.
const SERIES: [(&str, &str); 3] = [("echo", "a"), ("echo", "b"), ("other", "c")];

fn enriched() -> String {
    let mut text = SAMPLES.to_owned();
    for (at, (service, route)) in SERIES.iter().enumerate() {
        let labels = format!(
            "namespace=\"shop\",service=\"{service}\",kubernetes_apiversion=\"v1\",kubernetes_kind=\"service\",\
             kubernetes_name=\"{service}\",kubernetes_namespace=\"shop\",kong_service=\"shop.{service}.80\",\
             route=\"{route}\",workspace=\"default\""
        );
        text = text.replace(&format!("LABELS_{at}"), &labels);
    }
    text
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The instance that the page's annotation configures, at this address instead of a pod's.
fn instance(address: std::net::SocketAddr) -> Result<Value> {
    let page = std::fs::read_to_string(root().join("docs/guides/datadog.md"))?;
    let block = page.split("```yaml\n").nth(1).ok_or("no block")?;
    let block = block.split("```").next().ok_or("no end")?;
    let values: Value = serde_saphyr::from_str(block)?;
    let annotation = &values["operator"]["podAnnotations"]["ad.datadoghq.com/operator.checks"];
    let checks: Value = serde_json::from_str(annotation.as_str().ok_or("no annotation")?)?;
    let mut instance = checks["openmetrics"]["instances"][0].clone();
    let endpoint = instance["openmetrics_endpoint"]
        .as_str()
        .ok_or("no endpoint")?;
    let own = endpoint.replace("%%host%%:8080", &address.to_string());
    instance["openmetrics_endpoint"] = json!(own);
    Ok(instance)
}

fn check(instance: &Value) -> Result<Vec<Value>> {
    let mut process = Command::new(root().join("tests/datadog/run"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = process.stdin.take().ok_or("no pipe")?;
    stdin.write_all(instance.to_string().as_bytes())?;
    drop(stdin);
    let output = process.wait_with_output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_histogram_arrives_with_its_services_name() -> Result {
    let mut pod = Pod::new("kong-1");
    pod.text = Some(enriched());
    let host = Host::start(210, pod.clone()).await?;
    let manifests = tempfile::tempdir()?;
    tell(manifests.path(), &[(pod, host.address)])?;
    let logs = tempfile::tempdir()?;
    let operator = operator(manifests.path(), logs.path()).await?;
    let instance = instance(operator.address)?;
    let sent = tokio::task::spawn_blocking(move || check(&instance)).await??;

    let mut seen = BTreeSet::new();
    for metric in &sent {
        let tags: BTreeSet<&str> = metric["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let tag = |name: &str| {
            let found = tags
                .iter()
                .find_map(|tag| tag.strip_prefix(name)?.strip_prefix(':'));
            found.unwrap_or("none").to_owned()
        };
        let name = metric["name"].as_str().unwrap_or_default();
        let Some(part) = name.strip_prefix("autoscaling.kong_upstream_latency_ms.") else {
            continue;
        };
        assert_eq!(tag("kubernetes_name"), tag("service"), "{metric}");
        assert_eq!(tag("kubernetes_namespace"), "shop", "{metric}");
        assert_eq!(tag("namespace"), "shop", "{metric}");
        assert_eq!(tag("dataplane_pod"), "kong-1", "{metric}");
        assert_eq!(tag("kubernetes_kind"), "none", "{metric}");
        let value = metric["value"].as_f64().ok_or("no value")?;
        seen.insert(format!(
            "{part} {} {} {} {value}",
            tag("service"),
            tag("route"),
            tag("upper_bound"),
        ));
    }
    let wanted = [
        "bucket echo a 25.0 3",
        "bucket echo b 25.0 1",
        "bucket other c 25.0 11",
        "count echo a none 5",
        "count echo b none 7",
        "count other c none 13",
        "sum echo a none 500",
        "sum echo b none 900",
        "sum other c none 100",
    ];
    for one in wanted {
        assert!(seen.contains(one), "{one} is not in {seen:#?}");
    }
    Ok(())
}
