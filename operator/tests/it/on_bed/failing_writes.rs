//! Writes that the API server refuses, in a cluster where much else changes: how often they are tried, and how often
//! that is told.

use crate::support;

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::time::Duration;
use support::audit::{Asked, asked};
use support::replica::Replica;
use support::told::{events, named, says};
use support::{PLUGINS, Result, extension, gateway, get, operator_of_its_own, service};
use tagalong_cluster::{Cluster, Namespace};
use tokio::time::Instant;

const PLUGIN: &str = "x-metrics-prometheus";
/// Changes of the world, ten a second.
const CHANGES: u32 = 100;

/// One test, since requests are counted: the operator is asked for nothing else meanwhile.
#[tokio::test]
async fn refused_writes() -> Result {
    let (cluster, operator) = &operator_of_its_own().await?;
    let namespace = gateway(cluster, "refused", &["x"]).await?;
    service(&namespace.client(), namespace.name(), "a", None).await?;
    a_busy_world_does_not_hasten_them(cluster, operator, &namespace).await?;
    what_cannot_be_taken_back_is_told_at_the_object(&namespace).await
}

/// The refusal has other words each time, as an error with a port in it has.
async fn a_busy_world_does_not_hasten_them(
    cluster: &Cluster,
    operator: &Replica,
    namespace: &Namespace,
) -> Result {
    let (client, name) = (namespace.client(), namespace.name());
    let what = ("configuration.konghq.com", "kongplugins", "CREATE");
    forbid(namespace, what, "'not this one: ' + object.metadata.uid").await?;
    let plugins = support::api(&client, name, PLUGINS, "KongPlugin");
    let try_it: DynamicObject = serde_json::from_value(json!({
        "apiVersion": PLUGINS, "kind": "KongPlugin", "metadata": {"name": "trial"}, "plugin": "prometheus",
    }))?;
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let in_force = namespace.until("the policy to be in force", || async {
        match plugins.create(&params, &try_it).await {
            Ok(_) => Err("let through".into()),
            Err(_refused) => Ok(()),
        }
    });
    in_force.await?;

    let begun = Instant::now();
    extension(&client, name, "x", &["a"]).await?;
    says(namespace, "x", "Programmed", "False WriteFailed").await?;
    let first = message(namespace).await?;
    assert!(first.contains("not this one"), "{first}");
    let passes = operator.metrics.reconcile.passes.get();
    for n in 0..CHANGES {
        let plugins = format!("theirs-{n}");
        service(&client, name, "bystander", Some(&plugins)).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let passes = operator.metrics.reconcile.passes.get() - passes;
    let asked = asked(cluster)?;
    let count = |verb: &str, resource: &str| {
        let of_kind = |one: &&Asked| one.verb == verb && one.resource == resource;
        asked.iter().filter(of_kind).count()
    };
    let tries = count("create", "kongplugins");
    let statuses = count("patch", "dataplanemetricsextensions/status");

    // At most at half of 1, 2, 4, … seconds.
    let most = (begun.elapsed().as_secs_f64() * 2.0 + 1.0).log2() + 1.0;
    assert!((tries as f64) <= most, "{tries} tries, {most} at most");
    assert!(tries >= 2, "{tries} tries");
    assert!(passes > 4 * tries as u64, "{passes} passes, {tries} tries");
    assert!(statuses <= tries + 3, "{statuses} statuses, {tries} tries");
    assert_ne!(message(namespace).await?, first, "other words, no news");
    let told = events(&client, name, "WriteFailed").await?;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["series"], Value::Null, "told once");

    allow(namespace, "kongplugins").await?;
    says(namespace, "x", "Ready", "True Ready").await?;
    get(&client, name, PLUGINS, "KongPlugin", PLUGIN).await?;
    named(namespace, "a", Some(PLUGIN)).await
}

async fn what_cannot_be_taken_back_is_told_at_the_object(namespace: &Namespace) -> Result {
    let (client, name) = (namespace.client(), namespace.name());
    forbid(namespace, ("", "services", "UPDATE"), "'not now'").await?;
    let services = support::api(&client, name, "v1", "Service");
    let params = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let trial = Patch::Merge(json!({"metadata": {"labels": {"trial": "yes"}}}));
    let in_force = namespace.until("the policy to be in force", || async {
        match services.patch("a", &params, &trial).await {
            Ok(_) => Err("let through".into()),
            Err(_refused) => Ok(()),
        }
    });
    in_force.await?;
    extension(&client, name, "x", &["another"]).await?;
    let told = namespace.until("an Event at the Service", || async {
        let told = events(&client, name, "WriteFailed").await?;
        let at = |event: &&Value| event["regarding"]["kind"] == "Service";
        let event = told.iter().find(at).ok_or("none")?;
        assert_eq!(event["regarding"]["name"], "a");
        Ok(())
    });
    told.await?;
    allow(namespace, "services").await?;
    named(namespace, "a", None).await
}

/// What is said of `Programmed`.
async fn message(namespace: &Namespace) -> Result<String> {
    let (client, name) = (namespace.client(), namespace.name());
    let kind = "DataPlaneMetricsExtension";
    let object = get(&client, name, support::KONG_ALPHA, kind, "x").await?;
    let conditions = object["status"]["conditions"].as_array();
    let programmed = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Programmed");
    let message = programmed.and_then(|condition| condition["message"].as_str());
    Ok(message.ok_or("no message")?.to_owned())
}

/// Forbids an operation on a resource in the namespace: group, resource, operation.
async fn forbid(
    namespace: &Namespace,
    (group, resource, operation): (&str, &str, &str),
    message: &str,
) -> Result {
    let name = format!("{}-{resource}", namespace.name());
    let policy = json!({
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [group], "apiVersions": ["*"], "operations": [operation], "resources": [resource],
            }]},
            "validations": [{"expression": "false", "messageExpression": message}],
        },
    });
    let binding = json!({
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name()}}},
        },
    });
    let params = PostParams::default();
    let policies = Api::<ValidatingAdmissionPolicy>::all(namespace.client());
    policies
        .create(&params, &serde_json::from_value(policy)?)
        .await?;
    let bindings = Api::<ValidatingAdmissionPolicyBinding>::all(namespace.client());
    bindings
        .create(&params, &serde_json::from_value(binding)?)
        .await?;
    Ok(())
}

async fn allow(namespace: &Namespace, resource: &str) -> Result {
    let name = format!("{}-{resource}", namespace.name());
    let bindings = Api::<ValidatingAdmissionPolicyBinding>::all(namespace.client());
    bindings.delete(&name, &DeleteParams::default()).await?;
    let policies = Api::<ValidatingAdmissionPolicy>::all(namespace.client());
    policies.delete(&name, &DeleteParams::default()).await?;
    Ok(())
}
