//! What a person would look at first when a test fails: events, pods, and the logs of containers.

use std::fmt::Write as _;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, ListParams, LogParams};
use kube::{Client, ResourceExt as _};

/// Longest that a diagnosis may take: the cluster may be what is broken.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Events and pods of a namespace, as text. Never fails: it says what it could not see.
pub(crate) async fn of_namespace(client: &Client, namespace: &str) -> String {
    let look = async {
        let mut text = format!("--- events in {namespace}\n");
        match events(client, namespace).await {
            Ok(events) => text += &events,
            Err(error) => {
                let _ = writeln!(text, "cannot be listed: {error}");
            }
        }
        let _ = writeln!(text, "--- pods in {namespace}");
        match pods(client, namespace).await {
            Ok(pods) => text += &pods,
            Err(error) => {
                let _ = writeln!(text, "cannot be listed: {error}");
            }
        }
        text
    };
    tokio::time::timeout(TIMEOUT, look)
        .await
        .unwrap_or_else(|_| "the API server does not answer\n".to_owned())
}

async fn events(client: &Client, namespace: &str) -> kube::Result<String> {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let mut events = api.list(&ListParams::default()).await?.items;
    events.sort_by_key(|event| event.metadata.creation_timestamp.clone().map(|time| time.0));
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    Ok(events
        .iter()
        .map(|event| {
            format!(
                "{} {} {}/{}: {}\n",
                text(&event.type_),
                text(&event.reason),
                text(&event.involved_object.kind),
                text(&event.involved_object.name),
                text(&event.message),
            )
        })
        .collect())
}

async fn pods(client: &Client, namespace: &str) -> kube::Result<String> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut text = String::new();
    for pod in api.list(&ListParams::default()).await? {
        let name = pod.name_any();
        let status = pod.status.unwrap_or_default();
        let phase = status.phase.unwrap_or_default();
        let _ = writeln!(text, "{name}: {phase}");
        for condition in status.conditions.into_iter().flatten() {
            if condition.status != "True" {
                let reason = condition.reason.unwrap_or_default();
                let message = condition.message.unwrap_or_default();
                let _ = writeln!(text, "  not {}: {reason} {message}", condition.type_);
            }
        }
        let init = status.init_container_statuses.into_iter().flatten();
        for container in init.chain(status.container_statuses.into_iter().flatten()) {
            let state = serde_json::to_string(&container.state).unwrap_or_default();
            let _ = writeln!(
                text,
                "  {} ({} restarts): {state}",
                container.name, container.restart_count
            );
            let tail = LogParams {
                container: Some(container.name),
                tail_lines: Some(15),
                ..LogParams::default()
            };
            if let Ok(log) = api.logs(&name, &tail).await {
                for line in log.lines() {
                    let _ = writeln!(text, "    | {line}");
                }
            }
        }
    }
    Ok(text)
}
