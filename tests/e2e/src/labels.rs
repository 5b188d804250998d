//! Finds enriched samples that carry another Service's labels.

use serde_json::{Map, Value, json};

use crate::example::stands_for;

/// What is wrong with an enriched series, whose names of Service and namespace are in these two labels.
#[must_use]
pub fn wrong(series: &Value, service: &str, namespace: &str) -> Option<&'static str> {
    // Health has the name in its upstream label.
    let kong_service = series.get("kong_service").or(series.get("upstream"));
    let Some(name) = kong_service.and_then(Value::as_str).and_then(stands_for) else {
        return Some("a Kong service that no route has");
    };
    let expected = [
        ("kubernetes_name", name),
        ("kubernetes_namespace", "default"),
        ("kubernetes_kind", "service"),
        ("kubernetes_apiversion", "v1"),
        (namespace, "default"),
        (service, name),
    ];
    let differs = expected
        .iter()
        .any(|(label, value)| series[label] != *value);
    differs.then_some("another Service's name")
}

/// The first wrong line of an exposition, as a sidecar or the operator gives it, and what is wrong with it.
#[must_use]
pub fn wrong_line(exposition: &str) -> Option<String> {
    let enriched = |line: &&str| line.contains("kubernetes_name=\"");
    exposition.lines().filter(enriched).find_map(|line| {
        let what = wrong(&labels(line), "service", "namespace")?;
        Some(format!("{what}: {line}"))
    })
}

/// The labels of a line; no value of this test's has a quote or a comma in it.
fn labels(line: &str) -> Value {
    let between = line.split_once('{').and_then(|(_, rest)| {
        let (labels, _) = rest.split_once('}')?;
        Some(labels)
    });
    let pairs = between.unwrap_or_default().split(',').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.to_owned(), json!(value.trim_matches('"'))))
    });
    Value::Object(pairs.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests;
