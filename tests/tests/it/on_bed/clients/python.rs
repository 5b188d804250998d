//! Prometheus' strict parsers for Python.

use super::super::strict_parsers;
use super::REFUSED_OF_KONG;
use super::bed::{Bed, get};

/// Accepts nothing else, as Datadog's `use_latest_spec: true`.
const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0";

pub fn reads(bed: &Bed) {
    let mut files = Vec::new();
    let mut keep = |name: String, body: &[u8]| {
        let file = bed.home.path().join(name);
        std::fs::write(&file, body).expect("written");
        files.push(file);
    };
    for pod in &bed.pods {
        let answer = get(pod.sidecar.address, "/metrics", "text/plain");
        keep(format!("text.kong.{}", pod.name), &pod.text);
        keep(
            format!("text.sidecar.{}", pod.name),
            &answer.expect("an answer").1,
        );
    }
    for (name, operator) in [("whole", &bed.whole), ("all", &bed.all)] {
        for (format, accept) in [("text", "text/plain"), ("openmetrics", OPENMETRICS)] {
            let (kind, body) = get(operator.address, "/metrics", accept).expect("an answer");
            let wanted = accept.split(';').next().unwrap_or_default();
            assert!(kind.starts_with(wanted), "{name}: {kind}");
            keep(format!("{format}.operator.{name}"), &body);
        }
    }
    let read = strict_parsers::read(&files);
    assert_eq!(read.len(), files.len());
    for pod in &bed.pods {
        let kong = &read[&format!("text.kong.{}", pod.name)];
        let sidecar = &read[&format!("text.sidecar.{}", pod.name)];
        let known = REFUSED_OF_KONG.contains(&pod.name.as_str());
        assert_eq!(
            kong.refused.is_some(),
            known,
            "{}: {:?}",
            pod.name,
            kong.refused
        );
        assert_eq!(
            sidecar.refused.is_some(),
            known,
            "{}: {:?}",
            pod.name,
            sidecar.refused
        );
        if !known {
            assert!(sidecar.samples > kong.samples, "{}", pod.name);
        }
    }
    for name in [
        "text.operator.whole",
        "openmetrics.operator.whole",
        "text.operator.all",
        "openmetrics.operator.all",
    ] {
        assert_eq!(read[name].refused, None, "{name}");
        let latency = "kong_upstream_latency_ms";
        let split = name == "openmetrics.operator.all";
        assert_eq!(read[name].types.contains_key(latency), !split, "{name}");
    }
}
