//! What attachment does to the cluster's objects, and that nothing of it remains afterwards.

use crate::support;

use kube::api::{Patch, PatchParams};
use serde_json::json;
use support::{
    KONG, KONG_ALPHA, PLUGINS, Result, api, apply, condition, control_plane, delete, equal,
    extension, gateway, get, gone, operator, plugins, service,
};

const PLUGIN: &str = "x-metrics-prometheus";

#[tokio::test]
async fn everything_is_there_and_then_as_it_was_found() -> Result {
    let (cluster, _operator) = operator().await?;
    let namespace = gateway(cluster, "attach", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    let odd = "rate-limit , other:auth,,";
    service(&client, name, "plain", None).await?;
    service(&client, name, "odd", Some(odd)).await?;
    service(&client, name, "empty", Some("")).await?;
    service(&client, name, "unselected", Some("mine")).await?;
    let before = get(&client, name, KONG, "DataPlane", "dp").await?;
    extension(&client, name, "x", &["plain", "odd", "empty"]).await?;

    namespace
        .until("the extension to be ready", || async {
            equal(
                &condition(&client, name, "x", "Ready").await?,
                &"True Ready".to_owned(),
            )?;
            Ok(())
        })
        .await?;
    assert_eq!(
        plugins(&client, name, "plain").await?.as_deref(),
        Some(PLUGIN)
    );
    assert_eq!(
        plugins(&client, name, "odd").await?,
        Some(format!("{odd},{PLUGIN}"))
    );
    assert_eq!(
        plugins(&client, name, "empty").await?,
        Some(format!(",{PLUGIN}"))
    );
    assert_eq!(
        plugins(&client, name, "unselected").await?.as_deref(),
        Some("mine")
    );
    let plugin = get(&client, name, PLUGINS, "KongPlugin", PLUGIN).await?;
    assert_eq!(plugin["plugin"], "prometheus");
    assert_eq!(
        plugin["config"],
        json!({"latency_metrics": true, "bandwidth_metrics": false, "status_code_metrics": false, "upstream_health_metrics": false})
    );
    let dataplane = get(&client, name, KONG, "DataPlane", "dp").await?;
    assert_eq!(
        dataplane["metadata"]["labels"]["tagalong.dev/inject"],
        "enabled"
    );
    let trust = get(&client, name, "v1", "ConfigMap", "tagalong-ca").await?;
    assert!(
        trust["data"]["ca.crt"]
            .as_str()
            .is_some_and(|pem| pem.contains("BEGIN CERTIFICATE"))
    );
    let status = get(&client, name, KONG_ALPHA, "DataPlaneMetricsExtension", "x").await?;
    assert_eq!(
        status["status"]["controlPlaneRef"],
        json!({"name": "cp", "namespace": name})
    );

    delete(&client, name, KONG_ALPHA, "DataPlaneMetricsExtension", "x").await?;
    namespace
        .until("the extension to be let go", || async {
            let gone = gone(&client, name, KONG_ALPHA, "DataPlaneMetricsExtension", "x").await?;
            if gone {
                Ok(())
            } else {
                Err("it is still there".into())
            }
        })
        .await?;
    assert_eq!(plugins(&client, name, "plain").await?, None);
    assert_eq!(plugins(&client, name, "odd").await?.as_deref(), Some(odd));
    assert_eq!(plugins(&client, name, "empty").await?.as_deref(), Some(""));
    assert!(gone(&client, name, PLUGINS, "KongPlugin", PLUGIN).await?);
    assert!(gone(&client, name, "v1", "ConfigMap", "tagalong-ca").await?);
    let after = get(&client, name, KONG, "DataPlane", "dp").await?;
    for part in ["labels", "annotations", "finalizers"] {
        assert_eq!(after["metadata"][part], before["metadata"][part], "{part}");
    }
    for one in ["plain", "odd", "empty"] {
        let object = get(&client, name, "v1", "Service", one).await?;
        assert!(!object.to_string().contains("tagalong.dev"), "{object}");
    }
    Ok(())
}

#[tokio::test]
async fn deselecting_and_detaching_undo_their_part() -> Result {
    let (cluster, _operator) = operator().await?;
    let namespace = gateway(cluster, "detach", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    for one in ["a", "b"] {
        service(&client, name, one, None).await?;
    }
    extension(&client, name, "x", &["a", "b"]).await?;
    let named = async |a: Option<&str>, b: Option<&str>| -> Result {
        namespace
            .until("the annotations", || async {
                let seen = (
                    plugins(&client, name, "a").await?,
                    plugins(&client, name, "b").await?,
                );
                equal(&(seen.0.as_deref(), seen.1.as_deref()), &(a, b))?;
                Ok(())
            })
            .await?;
        Ok(())
    };
    named(Some(PLUGIN), Some(PLUGIN)).await?;
    extension(&client, name, "x", &["b"]).await?;
    named(None, Some(PLUGIN)).await?;
    control_plane(&client, name, "cp", "dp", &[]).await?;
    named(None, None).await?;
    namespace
        .until("the status to say so", || async {
            equal(
                &condition(&client, name, "x", "Accepted").await?,
                &"False NotAttached".to_owned(),
            )?;
            let object = get(&client, name, KONG_ALPHA, "DataPlaneMetricsExtension", "x").await?;
            equal(&object.pointer("/status/controlPlaneRef"), &None)?;
            equal(&object.pointer("/metadata/finalizers"), &None)?;
            let gone = gone(&client, name, PLUGINS, "KongPlugin", PLUGIN).await?;
            equal(&gone, &true)?;
            let dataplane = get(&client, name, KONG, "DataPlane", "dp").await?;
            equal(
                &dataplane.pointer("/metadata/labels/tagalong.dev~1inject"),
                &None,
            )?;
            Ok(())
        })
        .await?;

    // A ControlPlane that goes takes its attachment with it; Kong's own controller leaves the plugin's name behind.
    control_plane(&client, name, "cp", "dp", &["x"]).await?;
    named(None, Some(PLUGIN)).await?;
    delete(&client, name, KONG, "ControlPlane", "cp").await?;
    named(None, None).await?;
    namespace
        .until("the plugin to go", || async {
            let gone = gone(&client, name, PLUGINS, "KongPlugin", PLUGIN).await?;
            equal(&gone, &true)?;
            Ok(())
        })
        .await?;
    Ok(())
}

/// Its plugin and its Services are in the ControlPlane's namespace, and the plugin is not that of a namesake there.
#[tokio::test]
async fn an_extension_of_another_namespace() -> Result {
    let (cluster, _operator) = operator().await?;
    let namespace = gateway(cluster, "here", &["x"]).await?;
    let elsewhere = cluster.namespace("elsewhere").await?;
    let (client, name) = (namespace.client(), namespace.name());
    let reference = json!({"group": "gateway-operator.konghq.com", "kind": "DataPlaneMetricsExtension",
        "name": "x", "namespace": elsewhere.name()});
    let refer = json!({"spec": {"extensions": [reference]}});
    api(&client, name, KONG, "ControlPlane")
        .patch("cp", &PatchParams::default(), &Patch::Merge(refer))
        .await?;
    for namespace in [name, elsewhere.name()] {
        service(&client, namespace, "a", None).await?;
        extension(&client, namespace, "x", &["a"]).await?;
    }
    let named = namespace.until("the plugin to be named", || async {
        Ok(plugins(&client, name, "a").await?.ok_or("none")?)
    });
    let plugin = named.await?;
    assert!(plugin.starts_with("x-") && plugin != PLUGIN, "{plugin}");
    get(&client, name, PLUGINS, "KongPlugin", &plugin).await?;
    assert_eq!(plugins(&client, elsewhere.name(), "a").await?, None);
    let there = elsewhere.name();
    delete(&client, there, KONG_ALPHA, "DataPlaneMetricsExtension", "x").await?;
    let let_go = namespace.until("the extension to be let go", || async {
        let gone = gone(&client, there, KONG_ALPHA, "DataPlaneMetricsExtension", "x").await?;
        equal(&gone, &true)?;
        Ok(())
    });
    let_go.await?;
    assert_eq!(plugins(&client, name, "a").await?, None);
    assert!(gone(&client, name, PLUGINS, "KongPlugin", &plugin).await?);
    Ok(())
}

#[tokio::test]
async fn what_others_undo_is_done_again_and_what_they_add_stays() -> Result {
    let (cluster, _operator) = operator().await?;
    let namespace = gateway(cluster, "conflict", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "a", None).await?;
    extension(&client, name, "x", &["a"]).await?;
    let value = async |wanted: &str| -> Result {
        namespace
            .until("the annotation", || async {
                equal(
                    &plugins(&client, name, "a").await?.as_deref(),
                    &Some(wanted),
                )?;
                Ok(())
            })
            .await?;
        Ok(())
    };
    value(PLUGIN).await?;
    let services = api(&client, name, "v1", "Service");
    let write = async |text: String| {
        let patch = json!({"metadata": {"annotations": {"konghq.com/plugins": text}}});
        services
            .patch("a", &PatchParams::default(), &Patch::Merge(patch))
            .await
    };
    write("theirs".to_owned()).await?;
    value("theirs,x-metrics-prometheus").await?;
    // Two writers at once: whoever loses looks again.
    for i in 0..20 {
        write(format!("theirs-{i}")).await?;
    }
    value("theirs-19,x-metrics-prometheus").await?;
    let dataplanes = api(&client, name, KONG, "DataPlane");
    let patch = json!({"metadata": {"labels": {"tagalong.dev/inject": null}}});
    dataplanes
        .patch("dp", &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    delete(&client, name, PLUGINS, "KongPlugin", PLUGIN).await?;
    delete(&client, name, "v1", "ConfigMap", "tagalong-ca").await?;
    namespace
        .until("all of it to be back", || async {
            get(&client, name, PLUGINS, "KongPlugin", PLUGIN).await?;
            get(&client, name, "v1", "ConfigMap", "tagalong-ca").await?;
            let dataplane = get(&client, name, KONG, "DataPlane", "dp").await?;
            equal(
                &dataplane["metadata"]["labels"]["tagalong.dev/inject"],
                &json!("enabled"),
            )?;
            Ok(())
        })
        .await?;
    delete(&client, name, KONG_ALPHA, "DataPlaneMetricsExtension", "x").await?;
    value("theirs-19").await
}

#[tokio::test]
async fn a_persons_own_marks_stay() -> Result {
    let (cluster, _operator) = operator().await?;
    let namespace = gateway(cluster, "own", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "a", Some(PLUGIN)).await?;
    let dataplanes = api(&client, name, KONG, "DataPlane");
    let patch = json!({"metadata": {"labels": {"tagalong.dev/inject": "enabled"}}});
    dataplanes
        .patch("dp", &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    let trust = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"ca.crt": "mine"},
        "metadata": {"namespace": name, "name": "tagalong-ca"}});
    apply(&client, trust).await?;
    extension(&client, name, "x", &["a"]).await?;
    namespace
        .until("the extension to be ready", || async {
            equal(
                &condition(&client, name, "x", "Ready").await?,
                &"True Ready".to_owned(),
            )?;
            Ok(())
        })
        .await?;
    delete(&client, name, KONG_ALPHA, "DataPlaneMetricsExtension", "x").await?;
    namespace
        .until("the extension to be let go", || async {
            let gone = gone(&client, name, KONG_ALPHA, "DataPlaneMetricsExtension", "x").await?;
            equal(&gone, &true)?;
            Ok(())
        })
        .await?;
    assert_eq!(plugins(&client, name, "a").await?.as_deref(), Some(PLUGIN));
    let trust = get(&client, name, "v1", "ConfigMap", "tagalong-ca").await?;
    assert_eq!(trust["data"], json!({"ca.crt": "mine"}));
    let dataplane = get(&client, name, KONG, "DataPlane", "dp").await?;
    assert_eq!(
        dataplane["metadata"]["labels"]["tagalong.dev/inject"],
        "enabled"
    );
    Ok(())
}

#[tokio::test]
async fn the_status_follows_what_comes_late() -> Result {
    let (cluster, _operator) = operator().await?;
    let namespace = cluster.namespace("late").await?;
    let (client, name) = (namespace.client(), namespace.name());
    let says = async |kind: &str, wanted: &str| -> Result {
        namespace
            .until("the condition", || async {
                equal(
                    &condition(&client, name, "x", kind).await?,
                    &wanted.to_owned(),
                )?;
                Ok(())
            })
            .await?;
        Ok(())
    };
    extension(&client, name, "x", &["a"]).await?;
    says("Accepted", "False NotAttached").await?;
    control_plane(&client, name, "cp", "dp", &["x"]).await?;
    says("Accepted", "True Accepted").await?;
    says("ResolvedRefs", "False DataPlaneNotFound").await?;
    // Conditions say at once what an Event says only where it stays: each new Gateway begins so.
    let told = support::told::events(&client, name, "DataPlaneNotFound").await?;
    assert!(told.is_empty(), "{told:?}");
    support::dataplane(&client, name, "dp").await?;
    says("ResolvedRefs", "False ServiceNotFound").await?;
    service(&client, name, "a", None).await?;
    says("Ready", "True Ready").await
}
