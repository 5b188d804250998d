//! A `MetricValueList` of one value (`k8s.io/metrics/pkg/apis/custom_metrics`, `v1beta1` and `v1beta2`), which k8s-openapi
//! has no types for.

use crate::custom_metrics::path::Version;
use crate::custom_metrics::signals::{CatalogueEntry, Described, Measured};
use jiff::Timestamp;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MetricValueList<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: Empty,
    items: [MetricValue<'a>; 1],
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MetricValue<'a> {
    described_object: ObjectReference<'a>,
    /// As `v1beta1` calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    metric_name: Option<&'a str>,
    /// As `v1beta2` calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<MetricIdentifier<'a>>,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_seconds: Option<u64>,
    value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectReference<'a> {
    kind: &'static str,
    namespace: &'a str,
    name: &'a str,
    api_version: &'static str,
}

#[derive(Serialize)]
struct MetricIdentifier<'a> {
    name: &'a str,
}

/// The list, as JSON. A value that cannot be written would be read as 0, so it is none.
#[must_use]
pub fn of(
    version: Version,
    served: CatalogueEntry,
    object: Described<'_>,
    value: &Measured,
) -> Option<Vec<u8>> {
    let name = served.metric;
    let window = value.window.as_secs();
    let (old, new) = match version {
        Version::V1Beta1 => (true, false),
        Version::V1Beta2 => (false, true),
    };
    let list = MetricValueList {
        kind: "MetricValueList",
        api_version: version.group_version(),
        metadata: Empty {},
        items: [MetricValue {
            described_object: ObjectReference {
                kind: served.kind,
                namespace: object.namespace,
                name: object.name,
                api_version: served.api_version,
            },
            metric_name: old.then_some(name),
            metric: new.then_some(MetricIdentifier { name }),
            timestamp: seconds(value.timestamp),
            window: old.then_some(window),
            window_seconds: new.then_some(window),
            value: &value.quantity,
        }],
    };
    (!value.quantity.is_empty())
        .then(|| serde_json::to_vec(&list).ok())
        .flatten()
}

/// A time as Kubernetes writes its own: in whole seconds.
#[must_use]
pub fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests;
