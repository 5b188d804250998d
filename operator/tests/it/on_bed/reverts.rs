//! A Service whose annotations are kept in Git, by a tool that puts them back whenever they differ.

use crate::support;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use support::told::{events, named, says};
use support::{Result, api, extension, gateway, get, operator, service};

const PLUGIN: &str = "mine,x-metrics-prometheus";

#[tokio::test]
async fn what_somebody_keeps_taking_back_is_told_and_written_ever_more_rarely() -> Result {
    let (cluster, _operator) = operator().await?;
    let namespace = gateway(cluster, "in-git", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "web", Some("mine")).await?;
    extension(&client, name, "x", &["web"]).await?;
    let git = PatchParams {
        field_manager: Some("argocd-controller".to_owned()),
        ..PatchParams::default()
    };
    let mine = json!({"metadata": {"annotations": {"konghq.com/plugins": "mine"}}});
    let services = api(&client, name, "v1", "Service");
    // Three times it is taken for somebody who does not know yet.
    for _ in 0..4 {
        named(&namespace, "web", Some(PLUGIN)).await?;
        services.patch("web", &git, &Patch::Merge(&mine)).await?;
    }
    named(&namespace, "web", Some(PLUGIN)).await?;
    says(&namespace, "x", "Programmed", "False Reverted").await?;
    says(&namespace, "x", "Ready", "False Reverted").await?;
    let told = events(&client, name, "Reverted").await?;
    let [event] = told.as_slice() else {
        return Err(format!("{told:?}").into());
    };
    let note = event["note"].as_str().unwrap_or_default();
    assert!(note.contains("something keeps undoing"), "{note}");
    let found = get(&client, name, "v1", "Service", "web").await?;
    let managers = found["metadata"]["managedFields"].as_array();
    let managers: Vec<&Value> = managers
        .into_iter()
        .flatten()
        .map(|one| &one["manager"])
        .collect();
    assert!(
        managers.contains(&&json!("tagalong-operator")),
        "{managers:?}"
    );
    Ok(())
}
