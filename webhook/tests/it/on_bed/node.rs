//! The sidecar that the webhook adds, run by a real kubelet beside a stand-in for Kong.

use crate::support;
use crate::support::node as on_node;
use crate::support::webhook;

use http::Method;
use on_node::{SIDECAR, Tried, binaries, get, has_sidecar, ready, uids};
use serde_json::{Value, json};
use support::settings;
use tagalong_cluster::image::Image;
use tagalong_cluster::{Cluster, Namespace};
use tagalong_webhook::InjectionSettings;
use webhook::{Webhook, call};

const KONG: &str = "test.local/kong:3.9.1";

async fn cluster() -> Tried<Option<&'static Cluster>> {
    let Some(cluster) = Cluster::shared_with_node().await? else {
        return Ok(None);
    };
    let binaries = binaries().await?;
    let sidecar = Image::new(SIDECAR)
        .program(&binaries.join("tagalong-sidecar"), "/tagalong-sidecar")?
        .entrypoint(&["/tagalong-sidecar"]);
    cluster.load_image(sidecar).await?;
    let kong = Image::new(KONG)
        .program(&binaries.join("tagalong-kong"), "/kong")?
        .directory("/tmp", 0o1777)
        .entrypoint(&["/kong"]);
    cluster.load_image(kong).await?;
    Ok(Some(cluster))
}

/// Kong without an operator, as a namespace under the restricted standard takes it.
fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "kong", "labels": {"tagalong.dev/inject": "enabled"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "kong"}},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": {"app": "kong"}},
                "spec": {
                    "automountServiceAccountToken": false,
                    "terminationGracePeriodSeconds": 5,
                    "containers": [{
                        "name": "proxy",
                        "image": KONG,
                        "env": [
                            {"name": "KONG_DATABASE", "value": "off"},
                            {"name": "KONG_PROXY_LISTEN", "value": "0.0.0.0:8000"},
                            {"name": "KONG_ADMIN_LISTEN", "value": "127.0.0.1:8001"},
                            {"name": "KONG_STATUS_LISTEN", "value": "0.0.0.0:8100"},
                        ],
                        "readinessProbe": {"httpGet": {"path": "/status", "port": 8100}, "periodSeconds": 1},
                        "securityContext": {
                            "runAsNonRoot": true,
                            "allowPrivilegeEscalation": false,
                            "capabilities": {"drop": ["ALL"]},
                            "seccompProfile": {"type": "RuntimeDefault"},
                        },
                    }],
                },
            },
        },
    })
}

struct Ground {
    client: kube::Client,
    namespace: Namespace,
}

impl Ground {
    async fn patch(&self, patch: Value) -> Value {
        let path = format!(
            "/apis/apps/v1/namespaces/{}/deployments/kong",
            self.namespace.name()
        );
        let patched = call(&self.client, Method::PATCH, &path, Some(&patch)).await;
        assert_eq!(patched.status, 200, "{}", patched.body);
        patched.body
    }

    /// So many pods, all ready and none on its way out, each with or without the sidecar.
    async fn pods(&self, count: usize, with_sidecar: bool) -> Tried<Vec<Value>> {
        let path = format!("/api/v1/namespaces/{}/pods", self.namespace.name());
        let what = format!("{count} ready pods, sidecar: {with_sidecar}");
        let pods = self.namespace.until(&what, || async {
            let pods = call(&self.client, Method::GET, &path, None).await.body["items"].take();
            let pods = pods.as_array().cloned().unwrap_or_default();
            if pods.len() == count
                && pods
                    .iter()
                    .all(|pod| ready(pod) && has_sidecar(&pod["spec"]) == with_sidecar)
            {
                Ok(pods)
            } else {
                Err(format!(
                    "{} pods, {} ready",
                    pods.len(),
                    pods.iter().filter(|pod| ready(pod)).count()
                )
                .into())
            }
        });
        Ok(pods.await?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kong_runs_with_the_sidecar_and_no_pod_is_replaced_when_the_webhook_comes_and_goes()
-> Tried<()> {
    let Some(cluster) = cluster().await? else {
        return Ok(());
    };
    let ground = Ground {
        client: cluster.client()?,
        namespace: cluster.namespace("kong").await?,
    };
    let path = format!("/api/v1/namespaces/{}", ground.namespace.name());
    let enforce =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    call(&ground.client, Method::PATCH, &path, Some(&enforce)).await;
    let settings = InjectionSettings {
        image: SIDECAR.to_owned(),
        ..settings()
    };
    let mut webhook = Webhook::start(cluster, &ground.namespace, settings).await;

    let path = format!(
        "/apis/apps/v1/namespaces/{}/deployments",
        ground.namespace.name()
    );
    let created = call(&ground.client, Method::POST, &path, Some(&deployment())).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let pods = ground.pods(2, true).await?;
    for pod in &pods {
        // No operator is there to tell it anything: it passes on what Kong says.
        let metrics = ground
            .namespace
            .until("metrics", || get(cluster, pod, 9542, "/metrics"))
            .await?;
        for family in ["kong_nginx_connections_total", "tagalong_sidecar_"] {
            assert!(metrics.contains(family), "no {family} in {metrics}");
        }
        let status = &pod["status"]["initContainerStatuses"][0];
        assert_eq!(
            (&status["name"], &status["restartCount"]),
            (&json!("tagalong"), &json!(0)),
            "{status}"
        );
    }

    // While the webhook is down, what it did stays, and new pods have it too.
    webhook.down();
    let scaled = ground.patch(json!({"spec": {"replicas": 3}})).await;
    let more = ground.pods(3, true).await?;
    assert!(uids(&pods).is_subset(&uids(&more)), "no pod was replaced");

    // Back again, it finds nothing to do.
    webhook.up().await;
    let touched = ground
        .patch(json!({"metadata": {"annotations": {"touched": "yes"}}}))
        .await;
    assert_eq!(touched["spec"], scaled["spec"]);
    assert_eq!(uids(&ground.pods(3, true).await?), uids(&more));

    // Without the label Kong is as it was, and was there all the time.
    ground
        .patch(json!({"metadata": {"labels": {"tagalong.dev/inject": null}}}))
        .await;
    let bare = ground.pods(3, false).await?;
    assert!(uids(&bare).is_disjoint(&uids(&more)));
    assert!(get(cluster, &bare[0], 9542, "/metrics").await.is_err());
    drop(webhook);
    ground.namespace.delete().await?;
    Ok(())
}
