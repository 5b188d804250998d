//! What is left alone, and how people learn of it.

use crate::support;

use kube::Client;
use serde_json::{Value, json};
use support::told::{events, named, says};
use support::{
    PLUGINS, Result, api, apply, control_plane, dataplane, equal, extension, gateway, get,
    operator, plugins, route, service,
};

const PLUGIN: &str = "x-metrics-prometheus";

async fn foreign_plugin(client: &Client, namespace: &str, name: &str, labels: Value) -> Result {
    apply(
        client,
        json!({
            "apiVersion": PLUGINS, "kind": "KongPlugin",
            "metadata": {"namespace": namespace, "name": name, "labels": labels},
            "plugin": "prometheus", "config": {"per_consumer": true},
        }),
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_service_of_a_shared_rule_is_touched_with_its_fellows_or_not_at_all() -> Result {
    let (cluster, _operator) = operator().await?;
    let namespace = gateway(cluster, "fellows", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    for one in ["a", "b", "alone"] {
        service(&client, name, one, None).await?;
    }
    route(&client, name, "split", &["a", "b"]).await?;
    extension(&client, name, "x", &["a", "alone"]).await?;
    named(&namespace, "alone", Some(PLUGIN)).await?;
    says(&namespace, "x", "Programmed", "False MultiBackendRule").await?;
    assert_eq!(plugins(&client, name, "a").await?, None);
    let told = events(&client, name, "MultiBackendRule").await?;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["regarding"]["name"], "x");
    assert_eq!(told[0]["related"]["name"], "a");

    extension(&client, name, "x", &["a", "b", "alone"]).await?;
    says(&namespace, "x", "Ready", "True Ready").await?;
    named(&namespace, "a", Some(PLUGIN)).await?;
    named(&namespace, "b", Some(PLUGIN)).await?;

    // Someone annotates one of the two differently: both are left alone.
    let patch = json!({"metadata": {"annotations": {"konghq.com/protocol": "https"}}});
    let services = api(&client, name, "v1", "Service");
    services
        .patch("b", &Default::default(), &kube::api::Patch::Merge(patch))
        .await?;
    says(&namespace, "x", "Programmed", "False MultiBackendRule").await?;
    named(&namespace, "a", None).await?;
    named(&namespace, "b", None).await?;
    named(&namespace, "alone", Some(PLUGIN)).await
}

#[tokio::test]
async fn one_service_two_extensions() -> Result {
    let (cluster, _operator) = operator().await?;
    let namespace = gateway(cluster, "twice", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    dataplane(&client, name, "other").await?;
    control_plane(&client, name, "other", "other", &["y"]).await?;
    service(&client, name, "a", None).await?;
    extension(&client, name, "x", &["a"]).await?;
    extension(&client, name, "y", &["a"]).await?;
    says(&namespace, "y", "Programmed", "False OtherExtension").await?;
    says(&namespace, "x", "Ready", "True Ready").await?;
    named(&namespace, "a", Some(PLUGIN)).await?;
    extension(&client, name, "x", &["another"]).await?;
    says(&namespace, "y", "Ready", "True Ready").await?;
    named(&namespace, "a", Some("y-metrics-prometheus")).await
}

#[tokio::test]
async fn one_extension_two_control_planes() -> Result {
    let (cluster, operator) = operator().await?;
    let namespace = gateway(cluster, "two-cps", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    dataplane(&client, name, "other").await?;
    control_plane(&client, name, "other", "other", &["x"]).await?;
    extension(&client, name, "x", &[]).await?;
    says(&namespace, "x", "Ready", "True Ready").await?;
    for one in ["dp", "other"] {
        namespace
            .until("the mark", || async {
                let object = get(&client, name, support::KONG, "DataPlane", one).await?;
                equal(
                    &object["metadata"]["labels"]["tagalong.dev/inject"],
                    &json!("enabled"),
                )?;
                Ok(())
            })
            .await?;
    }
    let told = async |times: usize| -> Result<Vec<Value>> {
        let told = namespace.until("the Event", || async {
            let told = events(&client, name, "AttachedTwice").await?;
            equal(&told.len(), &times)?;
            Ok(told)
        });
        Ok(told.await?)
    };
    told(1).await?;
    // It is not said again with every pass.
    let passes = || operator.metrics.reconcile.passes.get();
    let before = passes();
    for bystander in 0..3 {
        service(&client, name, &format!("bystander-{bystander}"), None).await?;
        namespace
            .until("another pass", || async {
                if passes() > before + bystander {
                    return Ok(());
                }
                Err("none".into())
            })
            .await?;
    }
    assert_eq!(told(1).await?[0]["series"], Value::Null);
    // What is too long for an Event is cut.
    for third in 0..6 {
        let long = format!("{third}{}", "l".repeat(200));
        control_plane(&client, name, &long, "other", &["x"]).await?;
    }
    namespace
        .until("an Event about all of them", || async {
            let told = events(&client, name, "AttachedTwice").await?;
            let cut = told.iter().any(|event| {
                let note = event["note"].as_str().unwrap_or_default();
                note.len() > 900 && note.ends_with('…')
            });
            equal(&cut, &true)?;
            Ok(())
        })
        .await?;
    Ok(())
}

/// Kong's own webhook may refuse a plugin, or be away.
#[tokio::test]
async fn what_cannot_be_written_is_tried_again() -> Result {
    let (cluster, _operator) = operator().await?;
    let namespace = gateway(cluster, "refused", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "a", None).await?;
    let version = "admissionregistration.k8s.io/v1";
    let (policy, binding) = (
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    );
    let rule = json!({"apiGroups": ["configuration.konghq.com"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["kongplugins"]});
    let here = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}});
    for (kind, spec) in [
        (
            policy,
            json!({"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": "false", "message": "not now"}]}),
        ),
        (
            binding,
            json!({"policyName": name, "validationActions": ["Deny"], "matchResources": here}),
        ),
    ] {
        let object =
            json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec});
        apply(&client, object).await?;
    }
    namespace
        .until("plugins to be refused", || async {
            let made = foreign_plugin(&client, name, "probe", json!({})).await;
            let Err(error) = made else {
                support::delete(&client, name, PLUGINS, "KongPlugin", "probe").await?;
                return Err("it was made".into());
            };
            equal(&error.to_string().contains("not now"), &true)?;
            Ok(())
        })
        .await?;
    extension(&client, name, "x", &["a"]).await?;
    says(&namespace, "x", "Programmed", "False WriteFailed").await?;
    assert_eq!(
        plugins(&client, name, "a").await?,
        None,
        "there is no plugin"
    );
    // Nobody else is kept waiting.
    let beside = gateway(cluster, "beside", &["x"]).await?;
    service(&beside.client(), beside.name(), "b", None).await?;
    extension(&beside.client(), beside.name(), "x", &["b"]).await?;
    named(&beside, "b", Some(PLUGIN)).await?;
    for kind in [binding, policy] {
        support::delete(&client, "", version, kind, name).await?;
    }
    says(&namespace, "x", "Ready", "True Ready").await?;
    named(&namespace, "a", Some(PLUGIN)).await
}

#[tokio::test]
async fn beside_kongs_own_controller_it_steps_back() -> Result {
    let (cluster, _operator) = operator().await?;
    let namespace = gateway(cluster, "built-in", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "a", Some("mine")).await?;
    extension(&client, name, "x", &["a"]).await?;
    named(&namespace, "a", Some("mine,x-metrics-prometheus")).await?;
    let labels = json!({
        "gateway-operator.konghq.com/managed-by": "controlplane",
        "gateway-operator.konghq.com/kong-plugin-type": "prometheus",
    });
    foreign_plugin(&client, name, "a-metrics-prometheus", labels).await?;
    says(&namespace, "x", "Programmed", "False BuiltInController").await?;
    named(&namespace, "a", Some("mine")).await?;
    support::delete(&client, name, PLUGINS, "KongPlugin", "a-metrics-prometheus").await?;
    named(&namespace, "a", Some("mine,x-metrics-prometheus")).await
}

#[tokio::test]
async fn plugins_of_others_are_not_taken_over() -> Result {
    let (cluster, _operator) = operator().await?;
    let namespace = gateway(cluster, "foreign", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    foreign_plugin(&client, name, PLUGIN, json!({})).await?;
    service(&client, name, "a", None).await?;
    extension(&client, name, "x", &["a"]).await?;
    says(&namespace, "x", "Programmed", "False PluginNameTaken").await?;
    let plugin = get(&client, name, PLUGINS, "KongPlugin", PLUGIN).await?;
    assert_eq!(plugin["config"], json!({"per_consumer": true}));
    assert_eq!(plugins(&client, name, "a").await?, None);
    support::delete(&client, name, PLUGINS, "KongPlugin", PLUGIN).await?;
    named(&namespace, "a", Some(PLUGIN)).await?;

    foreign_plugin(&client, name, "mine", json!({})).await?;
    service(&client, name, "b", Some("mine")).await?;
    extension(&client, name, "x", &["a", "b"]).await?;
    says(&namespace, "x", "Programmed", "False OwnPlugin").await?;
    named(&namespace, "b", Some("mine")).await?;
    named(&namespace, "a", Some(PLUGIN)).await
}

#[tokio::test]
async fn names_that_would_be_too_long_are_cut() -> Result {
    let (cluster, _operator) = operator().await?;
    let long = "l".repeat(250);
    let namespace = gateway(cluster, "long", &[&long]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "a", None).await?;
    extension(&client, name, &long, &["a"]).await?;
    says(&namespace, &long, "Ready", "True Ready").await?;
    let plugin = plugins(&client, name, "a").await?.unwrap_or_default();
    assert!(
        plugin.len() <= 253 && plugin.ends_with("-metrics-prometheus"),
        "{plugin}"
    );
    get(&client, name, PLUGINS, "KongPlugin", &plugin).await?;
    Ok(())
}

#[tokio::test]
async fn annotations_that_are_full_cost_that_service_only() -> Result {
    let (cluster, _operator) = operator().await?;
    let namespace = gateway(cluster, "full", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    let full = json!({"filler": "f".repeat((256 << 10) - 10)});
    apply(
        &client,
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"namespace": name, "name": "full", "annotations": full},
            "spec": {"ports": [{"port": 80}]},
        }),
    )
    .await?;
    service(&client, name, "a", None).await?;
    extension(&client, name, "x", &["a", "full"]).await?;
    says(&namespace, "x", "Programmed", "False WriteFailed").await?;
    named(&namespace, "a", Some(PLUGIN)).await
}
