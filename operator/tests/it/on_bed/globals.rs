//! A person's global prometheus plugin. In a cluster of its own: it concerns every extension.

use crate::support;

use serde_json::json;
use support::{
    PLUGINS, Result, apply, condition, equal, extension, gateway, get, operator_of_its_own,
    plugins, service,
};

#[tokio::test]
async fn it_loses_nothing() -> Result {
    let (cluster, _operator) = &operator_of_its_own().await?;
    let namespace = gateway(cluster, "global", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    let global = |config: &str| {
        let mut object = json!({
            "apiVersion": PLUGINS, "kind": "KongClusterPlugin", "plugin": "prometheus",
            "metadata": {"name": "global-prometheus", "labels": {"global": "true"},
                "annotations": {"kubernetes.io/ingress.class": "kong"}},
        });
        object[config] = match config {
            "config" => {
                json!({"bandwidth_metrics": true, "per_consumer": true, "latency_metrics": false})
            }
            _ => json!({"secretKeyRef": {"name": "s", "key": "k", "namespace": "n"}}),
        };
        object
    };
    service(&client, name, "a", None).await?;
    extension(&client, name, "x", &["a"]).await?;
    apply(&client, global("config")).await?;
    namespace
        .until("the flags to be merged", || async {
            let plugin = get(&client, name, PLUGINS, "KongPlugin", "x-metrics-prometheus").await?;
            let wanted = json!({
                "bandwidth_metrics": true, "latency_metrics": true, "per_consumer": true,
                "status_code_metrics": false, "upstream_health_metrics": false,
            });
            equal(&plugin["config"], &wanted)?;
            Ok(())
        })
        .await?;

    apply(&client, global("configFrom")).await?;
    namespace
        .until("what cannot be read to be left alone", || async {
            let seen = condition(&client, name, "x", "Programmed").await?;
            equal(&seen.as_str(), &"False GlobalPluginUnreadable")?;
            equal(&plugins(&client, name, "a").await?, &None)?;
            Ok(())
        })
        .await?;
    Ok(())
}
