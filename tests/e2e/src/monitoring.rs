//! Monitoring as the published guide sets it up, and a second way past the operator: what is scraped, by which
//! rules, with what result.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tagalong_cluster::Prometheus;

use crate::Tried;
use crate::example::file;
use crate::labels::wrong;
use crate::stage::Stage;

/// The metric of the published rule.
pub const PUBLISHED: &str = "kong_upstream_latency_ms_60s_average";

/// The metrics of `OWN_RULE` for either way of scraping.
pub const THROUGH_OPERATOR: &str = "kong_upstream_latency_ms_operator";
/// The same, from the pods themselves.
pub const FROM_PODS: &str = "kong_upstream_latency_ms_pods";

/// The jobs that Prometheus scrapes.
const OPERATOR_JOB: &str = "tagalong-metrics";
const PODS_JOB: &str = "kong-pods";

/// A rule that does not depend on which labels the target has.
const OWN_RULE: &str = r#"
seriesQuery: 'kong_upstream_latency_ms_count{job="JOB",kubernetes_namespace!="",kubernetes_name!=""}'
resources:
  overrides:
    kubernetes_namespace: {resource: namespace}
    kubernetes_name: {resource: service}
name: {as: METRIC}
metricsQuery: |
  sum by (kubernetes_name) (rate(kong_upstream_latency_ms_sum{job="JOB",<<.LabelMatchers>>}[60s:10s]))
    /
  sum by (kubernetes_name) (rate(kong_upstream_latency_ms_count{job="JOB",<<.LabelMatchers>>}[60s:10s]))
"#;

fn parse(yaml: &str) -> Tried<Value> {
    Ok(serde_saphyr::from_str(yaml)?)
}

/// What Prometheus Operator makes of the published ServiceMonitor, and beside it the pods.
fn scraping(monitor: &Value) -> Tried<String> {
    let endpoint = &monitor["spec"]["endpoints"][0];
    let text = |value: &Value| -> Tried<String> {
        Ok(value
            .as_str()
            .ok_or("the ServiceMonitor lacks a field")?
            .to_owned())
    };
    let mut relabel = Vec::new();
    let selected = monitor["spec"]["selector"]["matchLabels"].as_object();
    for (label, value) in selected.into_iter().flatten() {
        let meta: String = label
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        relabel.push(json!({
            "action": "keep", "regex": value,
            "source_labels": [format!("__meta_kubernetes_service_label_{meta}")],
        }));
    }
    relabel.push(json!({
        "action": "keep", "regex": endpoint["port"],
        "source_labels": ["__meta_kubernetes_endpointslice_port_name"],
    }));
    let target = |from: &str, to: &str| json!({"source_labels": [from], "target_label": to});
    relabel.extend([
        target("__meta_kubernetes_namespace", "namespace"),
        target("__meta_kubernetes_service_name", "service"),
        target("__meta_kubernetes_pod_name", "pod"),
        target("__meta_kubernetes_pod_container_name", "container"),
        target("__meta_kubernetes_service_name", "job"),
        json!({"target_label": "endpoint", "replacement": endpoint["port"]}),
    ]);
    let pods = json!({
        "job_name": PODS_JOB,
        "kubernetes_sd_configs": [{
            "role": "pod", "kubeconfig_file": "KUBECONFIG", "namespaces": {"names": ["default"]},
        }],
        "relabel_configs": [
            {"action": "keep", "regex": "tagalong", "source_labels": ["__meta_kubernetes_pod_container_port_name"]},
            target("__meta_kubernetes_namespace", "namespace"),
            target("__meta_kubernetes_pod_name", "pod"),
            target("__meta_kubernetes_pod_container_name", "container"),
        ],
    });
    let operator = json!({
        "job_name": "operator",
        "honor_labels": false,
        "scheme": text(&endpoint["scheme"])?,
        "metrics_path": text(&endpoint["path"])?,
        "kubernetes_sd_configs": [{
            "role": "endpointslice", "kubeconfig_file": "KUBECONFIG",
            "namespaces": {"names": [monitor["metadata"]["namespace"]]},
        }],
        "relabel_configs": relabel,
    });
    let configuration = json!({
        "global": {"scrape_interval": "5s", "scrape_timeout": "5s"},
        "scrape_configs": [operator, pods],
    });
    Ok(configuration.to_string())
}

/// The published rules, unchanged, and ours behind them.
fn rules(values: &Value) -> Tried<String> {
    let mut rules = match &values["rules"]["custom"] {
        Value::Array(rules) => rules.clone(),
        _ => return Err("the published values have no rules".into()),
    };
    for (metric, job) in [(THROUGH_OPERATOR, OPERATOR_JOB), (FROM_PODS, PODS_JOB)] {
        rules.push(parse(
            &OWN_RULE.replace("METRIC", metric).replace("JOB", job),
        )?);
    }
    Ok(json!({"rules": rules}).to_string())
}

/// Prometheus and its adapter as the guide sets them up.
pub struct Monitoring {
    prometheus: Prometheus,
}

impl Monitoring {
    /// Starts both.
    ///
    /// # Errors
    ///
    /// When one does not start.
    pub async fn start(stage: &Stage) -> Tried<Self> {
        let monitor = parse(&file("servicemonitor.yaml")?)?;
        let prometheus = stage.cluster.start_prometheus(&scraping(&monitor)?).await?;
        let values = parse(&file("adapter-values.yaml")?)?;
        stage
            .cluster
            .start_adapter(prometheus, &rules(&values)?)
            .await?;
        Ok(Self { prometheus })
    }

    async fn ask(&self, stage: &Stage, path: &str) -> Tried<Value> {
        let address: SocketAddr = self.prometheus.address;
        Ok(serde_json::from_str(
            &stage.cluster.get(address, path).await?,
        )?)
    }

    /// Succeeds once requests of this Kong service, which is new, have come both ways.
    ///
    /// # Errors
    ///
    /// When they have not.
    pub async fn both_ways(&self, stage: &Stage, kong_service: &str) -> Tried<()> {
        let path = format!(
            "/api/v1/query?query=kong_upstream_latency_ms_count%7Bkong_service=%22{kong_service}%22%7D"
        );
        let answer = self.ask(stage, &path).await?;
        let series = answer["data"]["result"].as_array();
        for job in [OPERATOR_JOB, PODS_JOB] {
            let has = |one: &Value| one["metric"]["job"] == job;
            if !series.is_some_and(|all| all.iter().any(has)) {
                return Err(format!("{job} has no {kong_service}: {answer}").into());
            }
        }
        Ok(())
    }

    /// Fails if any series, at any time, said that a sample was another Service's. Returns how many series said anything.
    ///
    /// # Errors
    ///
    /// When one did, or Prometheus does not answer.
    pub async fn no_label_was_wrong(&self, stage: &Stage) -> Tried<usize> {
        let path = "/api/v1/series?match[]=%7Bkubernetes_name!=%22%22%7D&start=0";
        let answer = self.ask(stage, path).await?;
        let Some(series) = answer["data"].as_array() else {
            return Err(answer.to_string().into());
        };
        for one in series {
            // The operator's target has a Service and a namespace of its own, a pod only the latter.
            let service = if one["job"] == OPERATOR_JOB {
                "exported_service"
            } else {
                "service"
            };
            if let Some(what) = wrong(one, service, "exported_namespace") {
                return Err(format!("{what}: {one}").into());
            }
        }
        Ok(series.len())
    }
}

impl Stage {
    /// A metric of the Service `echo`, as the autoscaler gets it, in milliseconds.
    ///
    /// # Errors
    ///
    /// When the adapter has none.
    pub async fn metric(&self, name: &str) -> Tried<f64> {
        let path =
            format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/services/echo/{name}");
        let list = self.get(&path).await?;
        let value = list["items"][0]["value"].as_str().ok_or("no value")?;
        Ok(match value.strip_suffix('m') {
            Some(thousandths) => thousandths.parse::<f64>()? / 1000.0,
            None => value.parse()?,
        })
    }
}

#[cfg(test)]
mod tests;
