//! What is in the cluster before tagalong, and must be unchanged afterwards.

use super::release::Release;
use serde_json::{Value, json};
use std::time::Duration;
use tagalong_chart::Result;
use tagalong_cluster::until;

/// The release's namespace.
pub const HOME: &str = "tagalong-system";
/// The kinds outside namespaces that the chart has.
pub const CLUSTER_SCOPED: &str = "clusterroles,clusterrolebindings,mutatingwebhookconfigurations";

const KONG: &str = "kong";
const TIMEOUT: Duration = Duration::from_secs(120);
/// What tagalong writes to.
const WRITTEN: [&str; 3] = [
    "service/echo",
    "dataplane/dp",
    "dataplanemetricsextension/x",
];

/// A Service, a DataPlane, a ControlPlane, an extension attached to it; returns those that tagalong writes to.
pub async fn make(release: &Release) -> Result<Vec<Value>> {
    let operator = "gateway-operator.konghq.com";
    let template = |container: &str, image: &str| json!({"podTemplateSpec": {"spec": {"containers": [{"name": container, "image": image}]}}});
    for object in [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": KONG}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": KONG, "name": "echo", "annotations": {"konghq.com/plugins": "mine"}},
            "spec": {"ports": [{"port": 80}]}}),
        json!({"apiVersion": format!("{operator}/v1beta1"), "kind": "DataPlane", "metadata": {"namespace": KONG, "name": "dp"},
            "spec": {"deployment": template("proxy", "kong:3.9")}}),
        json!({"apiVersion": format!("{operator}/v1alpha1"), "kind": "DataPlaneMetricsExtension", "metadata": {"namespace": KONG, "name": "x"},
            "spec": {"serviceSelector": {"matchNames": [{"name": "echo"}]}, "config": {"latency": true}}}),
        json!({"apiVersion": format!("{operator}/v1beta1"), "kind": "ControlPlane", "metadata": {"namespace": KONG, "name": "cp"},
            "spec": {"dataplane": "dp", "extensions": [{"group": operator, "kind": "DataPlaneMetricsExtension", "name": "x"}],
                "deployment": template("controller", "kong/kubernetes-ingress-controller:3.4")}}),
    ] {
        release.apply(&object).await?;
    }
    written(release).await
}

async fn written(release: &Release) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for name in WRITTEN {
        let text = release
            .kubectl(&["get", name, "--namespace", KONG, "-ojson"], "")
            .await?;
        let mut object: Value = serde_json::from_str(&text)?;
        let metadata = object["metadata"].as_object_mut().ok_or("no metadata")?;
        metadata.retain(|key, value| {
            !["resourceVersion", "managedFields"].contains(&key.as_str()) && *value != json!({})
        });
        // An empty status says nothing.
        let parts = object.as_object_mut().ok_or("no object")?;
        parts.retain(|_, value| *value != json!({}));
        objects.push(object);
    }
    Ok(objects)
}

/// Until everything that tagalong does to others' objects is done.
pub async fn until_attached(release: &Release) -> Result {
    for (what, path, wanted) in [
        (
            "dataplane/dp",
            r"{.metadata.labels.tagalong\.dev/inject}",
            "enabled",
        ),
        (
            "service/echo",
            r"{.metadata.annotations.konghq\.com/plugins}",
            "mine,x-metrics-prometheus",
        ),
        (
            "dataplanemetricsextension/x",
            "{.status.controlPlaneRef.name}",
            "cp",
        ),
        ("kongplugin/x-metrics-prometheus", "{.plugin}", "prometheus"),
        (
            "configmap/tagalong-ca",
            r"{.metadata.labels.app\.kubernetes\.io/managed-by}",
            "tagalong",
        ),
    ] {
        until(&format!("{what} to be {wanted}"), TIMEOUT, || async {
            let arguments = [
                "get",
                what,
                "--namespace",
                KONG,
                &format!("-ojsonpath={path}"),
            ];
            let seen = release.kubectl(&arguments, "").await?;
            if seen == wanted {
                Ok(())
            } else {
                Err(seen.into())
            }
        })
        .await?;
    }
    Ok(())
}

/// Nothing of tagalong's is in others' namespaces.
pub async fn is_as_before(release: &Release, before: &[Value]) -> Result {
    assert_eq!(written(release).await?, before);
    let kinds = "kongplugins,configmaps,secrets";
    let left = release
        .kubectl(&["get", kinds, "--namespace", KONG, "-oname"], "")
        .await?;
    let left: Vec<&str> = left
        .lines()
        .filter(|name| *name != "configmap/kube-root-ca.crt")
        .collect();
    assert!(left.is_empty(), "{left:?}");
    Ok(())
}

/// An object's name for kubectl.
pub fn name_of(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!(
        "{}/{}",
        text(&object["kind"]),
        text(&object["metadata"]["name"])
    )
}
