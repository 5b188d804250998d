//! Datadog's OpenMetrics check, in both of its modes.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use super::REFUSED_BY_DATADOG;
use super::bed::{Bed, Pod};

#[derive(Deserialize)]
struct Run {
    refused: String,
    sent: Vec<Metric>,
}

#[derive(Deserialize)]
struct Metric {
    name: String,
    value: f64,
}

/// The values of each histogram's buckets, counts and sums, sorted.
type Values = BTreeMap<String, Vec<String>>;

impl Run {
    fn histograms(&self) -> Values {
        let mut values = Values::new();
        let parts = [".bucket", ".count", ".sum"];
        for metric in &self.sent {
            if metric.name.contains("latency_ms")
                && parts.iter().any(|part| metric.name.ends_with(part))
            {
                let of = values.entry(metric.name.clone()).or_default();
                of.push(metric.value.to_string());
            }
        }
        values
            .values_mut()
            .for_each(|values| values.sort_unstable());
        values
    }
}

fn instance(address: SocketAddr, latest: bool) -> Value {
    json!({"openmetrics_endpoint": format!("http://{address}/metrics"), "namespace": "x", "metrics": ["kong_.+"],
        "max_returned_metrics": 10_000_000, "use_latest_spec": latest, "timeout": 60})
}

fn check(instances: &[Value]) -> Vec<Run> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("datadog/run");
    let mut process = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the check runs");
    let mut stdin = process.stdin.take().expect("a pipe");
    stdin
        .write_all(json!(instances).to_string().as_bytes())
        .expect("written");
    drop(stdin);
    let output = process.wait_with_output().expect("the check ends");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

pub fn reads(bed: &Bed) {
    let mut instances = Vec::new();
    for pod in &bed.pods {
        for latest in [false, true] {
            instances.push(instance(pod.kong.addr(), latest));
            instances.push(instance(pod.sidecar.address, latest));
        }
    }
    for latest in [false, true] {
        instances.push(instance(bed.whole.address, latest));
        instances.push(instance(bed.plain.address, latest));
    }
    instances.push(instance(bed.all.address, false));
    let runs = check(&instances);
    assert_eq!(runs.len(), instances.len());
    let (mut plain, mut whole) = (Values::new(), Values::new());
    for (pod, runs) in bed.pods.iter().zip(runs.chunks(4)) {
        let known = REFUSED_BY_DATADOG.contains(&pod.name.as_str());
        for (run, who) in runs.iter().zip(["Kong", "sidecar"]) {
            let name = &pod.name;
            let refused = &run.refused;
            assert_eq!(!refused.is_empty(), known, "{name}, {who}: {refused}");
        }
        // Strict about OpenMetrics, it refuses most of what Kong says, whose text that is not.
        let [kong, sidecar] = [2, 3].map(|at| runs[at].refused.is_empty());
        assert_eq!(kong, sidecar, "{}, use_latest_spec", pod.name);
        let said = runs[0].histograms();
        assert_eq!(runs[1].histograms(), said, "{}", pod.name);
        for (name, values) in said {
            if Pod::is_whole(pod) {
                whole
                    .entry(name.clone())
                    .or_default()
                    .extend(values.clone());
            }
            if Pod::is_plain(pod) {
                plain.entry(name).or_default().extend(values);
            }
        }
    }
    for values in plain.values_mut().chain(whole.values_mut()) {
        values.sort_unstable();
    }
    assert!(
        whole.values().map(Vec::len).sum::<usize>() > 1000,
        "{whole:?}"
    );
    let operators = &runs[4 * bed.pods.len()..];
    for (run, wanted) in operators.iter().zip([&whole, &plain, &whole]) {
        assert_eq!(run.refused, "");
        assert_eq!(&run.histograms(), wanted);
    }
    // With what OpenMetrics has no place for the types are lost there; nothing is refused.
    assert_eq!(operators[3].refused, "");
    assert!(
        !operators[4].refused.is_empty(),
        "the check takes what ends lines for it"
    );
}
