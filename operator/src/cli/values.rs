//! `tagalong-operator values`: what an HPA would be told of a Service or of Kong itself, asked as an HPA asks.

use crate::cli::read::print;
use crate::custom_metrics::GROUP;
use crate::error::Failure;
use crate::process::{client, on_runtime};
use crate::summaries::DATAPLANES;
use crate::watch;
use http::Request;
use jiff::Timestamp;
use serde_json::Value;
use std::fmt::Write as _;
use tagalong_index::Key;
use tagalong_runtime::{logging, with_causes};
use tagalong_signals::{PlaneSignal, ServiceSignal};

/// Prints all values of `what`: `service/NAME`, `dataplane/NAME`, or either as `KIND/NAMESPACE/NAME`.
///
/// # Errors
///
/// When it names nothing that has values, or there is no cluster.
pub fn run(what: &str, namespace: &str) -> Result<(), Failure> {
    let unknown = || Failure::NoValuesOf(what.to_owned());
    let (kind, name) = what.split_once('/').ok_or_else(unknown)?;
    let object = match name.split_once('/') {
        Some((namespace, name)) => Key::new(namespace, name),
        None => Key::new(namespace, name),
    };
    let service = || ServiceSignal::ALL.map(ServiceSignal::name).to_vec();
    let plane = || PlaneSignal::ALL.map(PlaneSignal::name).to_vec();
    let (resource, metrics) = match kind {
        "service" | "svc" => ("services", service()),
        "dataplane" => (DATAPLANES, plane()),
        _ => return Err(unknown()),
    };
    logging::warn_person(watch::LOGGED_TWICE);
    let told = on_runtime(async {
        let (client, mut told) = (client().await?, format!("{kind} {object}\n"));
        for metric in metrics {
            let path = format!(
                "/apis/{GROUP}/v1beta2/namespaces/{}/{resource}/{}/{metric}",
                object.namespace, object.name
            );
            let line = match Request::get(path).body(Vec::new()) {
                Ok(request) => match client.request::<Value>(request).await {
                    Ok(list) => line(&list, Timestamp::now()),
                    Err(kube::Error::Api(status)) => status.message.clone(),
                    Err(error) => with_causes(&error),
                },
                Err(error) => error.to_string(),
            };
            // Into a text: there is nothing that could fail.
            let _ = writeln!(told, "  {metric:<36}  {line}");
        }
        Ok(told)
    })?;
    print(told.as_bytes())
}

/// What one value is, and what it rests on.
fn line(list: &Value, now: Timestamp) -> String {
    let item = &list["items"][0];
    let Some(value) = item["value"].as_str() else {
        return "the answer has no value: who answers for the group?".to_owned();
    };
    let at = item["timestamp"]
        .as_str()
        .and_then(|at| at.parse::<Timestamp>().ok());
    let age = at.map_or("?".to_owned(), |at| {
        (now.as_second() - at.as_second()).to_string()
    });
    let window = &item["windowSeconds"];
    format!("{value:<10}  over {window} s, {age} s old")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_told_with_its_window_and_age() {
        let now = "2026-01-01T00:00:07Z".parse().unwrap();
        let list = json!({"items": [{"value": "1500m", "windowSeconds": 30, "timestamp": "2026-01-01T00:00:00Z"}]});
        assert_eq!(line(&list, now), "1500m       over 30 s, 7 s old");
        assert!(line(&json!({"items": []}), now).contains("no value"));
    }
}
