use super::*;
use serde_json::{Value, json};
use std::time::Duration;

const SERVED: CatalogueEntry = CatalogueEntry {
    resource: "services",
    kind: "Service",
    api_version: "v1",
    metric: "kong_requests_in_flight",
};
const ECHO: Described<'_> = Described {
    resource: "services",
    namespace: "default",
    name: "echo",
};

fn list(version: Version, quantity: &str) -> Option<Value> {
    let value = Measured {
        quantity: quantity.to_owned(),
        timestamp: "2026-11-28T10:00:00.123456Z".parse().expect("a time"),
        window: Duration::from_secs(30),
    };
    let text = of(version, SERVED, ECHO, &value)?;
    Some(serde_json::from_slice(&text).expect("JSON"))
}

/// What an HPA of 1.36 takes, field by field.
#[test]
fn each_version_has_its_names() {
    assert_eq!(
        list(Version::V1Beta2, "1500m"),
        Some(json!({
            "kind": "MetricValueList",
            "apiVersion": "custom.metrics.k8s.io/v1beta2",
            "metadata": {},
            "items": [{
                "describedObject": {"kind": "Service", "namespace": "default", "name": "echo", "apiVersion": "v1"},
                "metric": {"name": "kong_requests_in_flight"},
                "timestamp": "2026-11-28T10:00:00Z",
                "windowSeconds": 30,
                "value": "1500m",
            }],
        }))
    );
    assert_eq!(
        list(Version::V1Beta1, "30"),
        Some(json!({
            "kind": "MetricValueList",
            "apiVersion": "custom.metrics.k8s.io/v1beta1",
            "metadata": {},
            "items": [{
                "describedObject": {"kind": "Service", "namespace": "default", "name": "echo", "apiVersion": "v1"},
                "metricName": "kong_requests_in_flight",
                "timestamp": "2026-11-28T10:00:00Z",
                "window": 30,
                "value": "30",
            }],
        }))
    );
}

/// An HPA reads an item without a value as 0, and scales to its minimum.
#[test]
fn without_a_value_there_is_no_list() {
    assert_eq!(list(Version::V1Beta2, ""), None);
}
