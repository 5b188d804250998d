//! Whom the control plane calls: a mutating webhook and an APIService in the test process.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tagalong_cluster::pki::Authority;
use tagalong_cluster::{Cluster, Result};

use support::https_server;

fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn a_mutating_webhook_in_the_test_process_is_called() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("webhook").await?;
    let authority = Authority::new("webhook-test")?;
    let port = https_server(&authority.server(&["127.0.0.1"])?, |asked| {
        let patch = json!([{"op": "add", "path": "/data/mutated", "value": asked.path}]);
        Some(json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {
                "uid": asked.body["request"]["uid"],
                "allowed": true,
                "patchType": "JSONPatch",
                "patch": BASE64.encode(patch.to_string()),
            },
        }))
    })
    .await;

    let configurations: Api<MutatingWebhookConfiguration> = Api::all(cluster.client()?);
    let configuration = object(json!({
        "metadata": {"name": namespace.name()},
        "webhooks": [{
            "name": "test.tagalong.dev",
            "clientConfig": {
                "url": format!("https://127.0.0.1:{port}/mutate"),
                "caBundle": BASE64.encode(authority.certificate()),
            },
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name()}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
        }],
    }));
    configurations
        .create(&PostParams::default(), &configuration)
        .await?;

    let maps: Api<ConfigMap> = namespace.api();
    // Known to the API server within a moment, not at once: until then it does not ask.
    let created = namespace
        .until("a ConfigMap to be mutated", || async {
            let map = object(json!({"metadata": {"generateName": "m-"}, "data": {"own": "1"}}));
            let created: ConfigMap = maps.create(&PostParams::default(), &map).await?;
            let data = created.data.unwrap_or_default();
            if data.contains_key("mutated") {
                Ok(data)
            } else {
                Err(format!("{data:?}").into())
            }
        })
        .await?;
    assert_eq!(created["mutated"], "/mutate");
    assert_eq!(created["own"], "1");
    configurations
        .delete(namespace.name(), &DeleteParams::default())
        .await?;
    Ok(())
}

const METRIC: &str = "latency_ms";

#[tokio::test]
async fn an_autoscaler_follows_an_api_service_in_the_test_process() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("hpa").await?;
    let name = namespace.name();
    cluster.fake_nodes(1).await?;

    let authority = Authority::new("metrics-test")?;
    let slow = Arc::new(AtomicBool::new(true));
    let asked_by_hpa = Arc::new(AtomicBool::new(false));
    let certificate = authority.server(&[&format!("metrics.{name}.svc")])?;
    let port = {
        let (slow, asked_by_hpa) = (slow.clone(), asked_by_hpa.clone());
        https_server(&certificate, move |asked| {
            const ROOT: &str = "/apis/custom.metrics.k8s.io/v1beta2";
            match asked.path.strip_prefix(ROOT)? {
                "" => Some(json!({
                    "kind": "APIResourceList",
                    "apiVersion": "v1",
                    "groupVersion": "custom.metrics.k8s.io/v1beta2",
                    "resources": [{
                        "name": format!("services/{METRIC}"), "singularName": "", "namespaced": true,
                        "kind": "MetricValueList", "verbs": ["get"],
                    }],
                })),
                path => {
                    let (namespace, rest) = path.strip_prefix("/namespaces/")?.split_once('/')?;
                    let service = rest.strip_prefix("services/")?.strip_suffix(METRIC)?;
                    let user = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
                    if asked.remote_user.as_deref() == Some(user) {
                        asked_by_hpa.store(true, Ordering::Relaxed);
                    }
                    let value = if slow.load(Ordering::Relaxed) { "120" } else { "4" };
                    Some(json!({
                        "kind": "MetricValueList",
                        "apiVersion": "custom.metrics.k8s.io/v1beta2",
                        "metadata": {},
                        "items": [{
                            "describedObject": {
                                "kind": "Service", "apiVersion": "v1", "namespace": namespace,
                                "name": service.trim_end_matches('/'),
                            },
                            "metric": {"name": METRIC},
                            "timestamp": "2026-01-01T00:00:00Z",
                            "value": value,
                        }],
                    }))
                }
            }
        })
        .await
    };

    let create = PostParams::default();
    let services: Api<Service> = namespace.api();
    let external = object(json!({
        "metadata": {"name": "metrics"},
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
    }));
    services.create(&create, &external).await?;
    let api_services: Api<APIService> = Api::all(cluster.client()?);
    let api_service = object(json!({
        "metadata": {"name": "v1beta2.custom.metrics.k8s.io"},
        "spec": {
            "group": "custom.metrics.k8s.io", "version": "v1beta2",
            "groupPriorityMinimum": 100, "versionPriority": 100,
            "service": {"name": "metrics", "namespace": name, "port": port},
            "caBundle": BASE64.encode(authority.certificate()),
        },
    }));
    api_services.create(&create, &api_service).await?;

    let client = cluster.client()?;
    let role = object(json!({
        "metadata": {"name": name},
        "rules": [{"apiGroups": ["custom.metrics.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]}],
    }));
    Api::<ClusterRole>::all(client.clone())
        .create(&create, &role)
        .await?;
    let binding = object(json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "namespace": "kube-system", "name": "horizontal-pod-autoscaler"}],
    }));
    Api::<ClusterRoleBinding>::all(client)
        .create(&create, &binding)
        .await?;

    let deployments: Api<Deployment> = namespace.api();
    let deployment = object(json!({
        "metadata": {"name": "echo"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "echo"}},
            "template": {
                "metadata": {"labels": {"app": "echo"}},
                "spec": {"containers": [{"name": "echo", "image": "test.local/echo:1"}]},
            },
        },
    }));
    deployments.create(&create, &deployment).await?;
    let autoscalers: Api<HorizontalPodAutoscaler> = namespace.api();
    let autoscaler = object(json!({
        "metadata": {"name": "echo"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "echo"},
            "minReplicas": 1, "maxReplicas": 3,
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 1}},
            "metrics": [{"type": "Object", "object": {
                "metric": {"name": METRIC},
                "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "echo"},
                "target": {"type": "Value", "value": "40"},
            }}],
        },
    }));
    autoscalers.create(&create, &autoscaler).await?;

    let ready = |wanted| {
        let (deployments, autoscalers) = (deployments.clone(), autoscalers.clone());
        move || {
            let (deployments, autoscalers) = (deployments.clone(), autoscalers.clone());
            async move {
                let status = deployments.get("echo").await?.status.unwrap_or_default();
                let hpa = autoscalers.get("echo").await?.status;
                if status.ready_replicas == Some(wanted) {
                    Ok(())
                } else {
                    Err(format!("{} {}", json!(status), json!(hpa)).into())
                }
            }
        }
    };
    namespace.until("three pods", ready(3)).await?;
    assert!(
        asked_by_hpa.load(Ordering::Relaxed),
        "asked with the controller's own identity"
    );
    slow.store(false, Ordering::Relaxed);
    namespace.until("one pod again", ready(1)).await?;
    api_services
        .delete("v1beta2.custom.metrics.k8s.io", &DeleteParams::default())
        .await?;
    Ok(())
}
