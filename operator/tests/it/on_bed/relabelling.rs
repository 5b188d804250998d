//! Which labels a real Prometheus stores when it scrapes a pod, and when it scrapes the operator, by way of a ServiceMonitor
//! or a PodMonitor, with both settings of `honorLabels`. The page `docs/scraping.md` has the same table.

use crate::support;

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use support::pods::{Host, Pod, tell};
use support::prometheus::{Server, operator, prometheus};
use support::{Result, equal};
use tagalong_cluster::until;
use tagalong_exposition::{LabelTable, Options, Rewriter};

type Labels = Map<String, Value>;

/// Target labels that both monitors set, but for `namespace`; Kong has none of these.
const TARGET: [&str; 5] = ["instance", "job", "pod", "container", "endpoint"];
const OURS: [&str; 4] = [
    "dataplane",
    "dataplane_namespace",
    "dataplane_pod",
    "dataplane_url",
];

/// A captured `/metrics` of Kong as the sidecar passes it on, asked for enriched samples only.
fn enriched() -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/kong-metrics/small.txt");
    let text = std::fs::read_to_string(path)?;
    let names: std::collections::BTreeSet<&str> = text
        .split("{service=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let mut table = LabelTable::builder();
    for (at, name) in names.iter().enumerate() {
        table = table.service(name, "shop", &format!("backend-{at}"));
    }
    let (table, mut out) = (table.build(), Vec::new());
    let mut rewriter = Rewriter::new(Options {
        keep: tagalong_exposition::Keep::Enriched,
        ..Options::default()
    });
    rewriter.push(&table, text.as_bytes(), &mut out);
    rewriter.finish(&table, &mut out);
    Ok(String::from_utf8(out)?)
}

/// A scrape as Prometheus Operator configures it for a monitor.
fn job(name: &str, target: std::net::SocketAddr, service: bool, honor: bool) -> String {
    let service = if service { ", service: metrics" } else { "" };
    format!(
        "- job_name: {name}\n  honor_labels: {honor}\n  static_configs:\n  - targets: ['{target}']\n    \
         labels: {{namespace: system, pod: target-0, container: main, endpoint: metrics{service}}}\n"
    )
}

/// Kong's series of a job, without what says where they were scraped.
async fn series(prometheus: &Server, job: &str) -> Result<Vec<Labels>> {
    let query = format!("{{__name__=~\"kong_.+\",job=\"{job}\"}}");
    let found = prometheus.query(&query, None).await?;
    let mut series = Vec::new();
    for one in found {
        let Value::Object(mut labels) = one["metric"].clone() else {
            return Err("no labels".into());
        };
        for name in TARGET {
            let wanted = if name == "job" { Some(job) } else { None };
            let value = labels.remove(name);
            let value = value.as_ref().and_then(Value::as_str);
            assert!(
                value.is_some() && (wanted.is_none() || value == wanted),
                "{name}"
            );
        }
        series.push(labels);
    }
    series.sort_by_key(|labels| Value::Object(labels.clone()).to_string());
    Ok(series)
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_and_operator_agree_and_clashes_are_as_documented() -> Result {
    let text = enriched()?;
    let samples = text.lines().filter(|line| !line.starts_with('#')).count();
    assert!(samples > 50, "{samples}");
    let mut pod = Pod::new("kong-1");
    pod.text = Some(text);
    let host = Host::start(200, pod.clone()).await?;
    let manifests = tempfile::tempdir()?;
    tell(manifests.path(), &[(pod, host.address)])?;
    let directory = tempfile::tempdir()?;
    let operator = operator(manifests.path(), directory.path()).await?;
    let mut configuration =
        "global: {scrape_interval: 2s, scrape_timeout: 2s}\nscrape_configs:\n".to_owned();
    let mut jobs = BTreeMap::new();
    for (target, address) in [("pod", host.address), ("operator", operator.address)] {
        for (monitor, service) in [("pod-monitor", false), ("service-monitor", true)] {
            for honor in [false, true] {
                let name = format!("{target} by {monitor}, {honor}");
                configuration += &job(&name, address, service, honor);
                jobs.insert((target, service, honor), name);
            }
        }
    }
    for honor in [false, true] {
        let name = annotated(honor);
        configuration += &format!(
            "- job_name: {name}\n  honor_labels: {honor}\n  static_configs:\n  - targets: ['{}']\n    \
             labels: {{kubernetes_namespace: kong, kubernetes_name: metrics, kubernetes_pod_name: target-0,\n      pod: target-0, container: main, endpoint: metrics}}\n",
            host.address
        );
    }
    let prometheus = prometheus(&configuration, directory.path()).await?;
    let (prometheus, jobs) = (&prometheus, &jobs);
    until(
        "a scrape of each job",
        Duration::from_secs(60),
        || async move {
            let annotated = [annotated(false), annotated(true)];
            for job in jobs.values().chain(&annotated) {
                equal(&series(prometheus, job).await?.len(), &samples)?;
            }
            Ok(())
        },
    )
    .await?;

    for service in [false, true] {
        for honor in [false, true] {
            let at_pod = series(prometheus, &jobs[&("pod", service, honor)]).await?;
            let mut at_operator = series(prometheus, &jobs[&("operator", service, honor)]).await?;
            for labels in &mut at_operator {
                for name in OURS {
                    assert!(labels.remove(name).is_some(), "{name}");
                }
            }
            at_operator.sort_by_key(|labels| Value::Object(labels.clone()).to_string());
            assert!(
                at_pod == at_operator,
                "ServiceMonitor: {service}, honorLabels: {honor}"
            );
            for labels in &at_pod {
                holds(labels, service, honor);
            }
        }
    }
    for honor in [false, true] {
        for labels in series(prometheus, &annotated(honor)).await? {
            by_annotation(&labels, honor);
        }
    }
    let zeros =
        serde_json::json!({"duplicate_timestamp": "0", "out_of_order": "0", "out_of_bounds": "0"});
    assert_eq!(prometheus.complaints().await?, zeros);
    Ok(())
}

/// The job that scrapes as the much copied configuration for `prometheus.io/*` annotations does.
fn annotated(honor: bool) -> String {
    format!("pod by annotation, {honor}")
}

/// What `docs/scraping.md` says of that configuration.
fn by_annotation(labels: &Labels, honor: bool) {
    let label = |name: &str| labels.get(name).and_then(Value::as_str);
    let (backend, target) = match honor {
        false => (
            ["exported_kubernetes_namespace", "exported_kubernetes_name"],
            Some("kong"),
        ),
        true => (["kubernetes_namespace", "kubernetes_name"], Some("shop")),
    };
    assert_eq!(label(backend[0]), Some("shop"), "{labels:?}");
    let name = label(backend[1]);
    assert!(name.is_some_and(|name| name.starts_with("backend-")));
    assert_eq!(label("kubernetes_namespace"), target, "{labels:?}");
    // These hold with any scraper.
    assert_eq!(label("service"), name, "{labels:?}");
    assert!(label("kong_service").is_some() || label("upstream").is_some());
}

/// The table of `docs/scraping.md`.
fn holds(labels: &Labels, service_monitor: bool, honor: bool) {
    let label = |name: &str| labels.get(name).and_then(Value::as_str);
    let kubernetes = (label("kubernetes_namespace"), label("kubernetes_name"));
    assert!(
        kubernetes.0 == Some("shop")
            && kubernetes
                .1
                .is_some_and(|name| name.starts_with("backend-"))
    );
    let found = (
        label("namespace"),
        label("service"),
        label("exported_namespace"),
        label("exported_service"),
    );
    let wanted = match (service_monitor, honor) {
        (_, true) => (kubernetes.0, kubernetes.1, None, None),
        (true, false) => (Some("system"), Some("metrics"), kubernetes.0, kubernetes.1),
        (false, false) => (Some("system"), kubernetes.1, kubernetes.0, None),
    };
    assert_eq!(found, wanted, "{labels:?}");
}
