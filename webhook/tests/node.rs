//! The sidecar that the webhook adds, run by a real kubelet beside a stand-in for Kong.

mod support;
#[path = "support/webhook.rs"]
mod webhook;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use support::settings;
use tagalong_cluster::image::Image;
use tagalong_cluster::{Cluster, Namespace, Seen};
use tagalong_webhook::Settings;
use webhook::{Webhook, call};

const SIDECAR: &str = "test.local/tagalong-sidecar:1";
const KONG: &str = "test.local/kong:3.9.1";

type Tried<T> = Result<T, Box<dyn std::error::Error>>;

/// Builds the binaries that go into the images, beside the webhook's own.
fn binaries() -> Tried<PathBuf> {
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--locked",
            "--package=tagalong-sidecar",
            "--package=tagalong-kong",
            "--bins",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    if !built.status.success() {
        return Err(String::from_utf8_lossy(&built.stderr).into());
    }
    let webhook = Path::new(env!("CARGO_BIN_EXE_tagalong-webhook"));
    Ok(webhook.parent().unwrap_or(webhook).to_owned())
}

async fn cluster() -> Tried<Option<&'static Cluster>> {
    let Some(cluster) = Cluster::shared_with_node().await? else {
        return Ok(None);
    };
    let binaries =
        tokio::task::spawn_blocking(|| binaries().map_err(|error| error.to_string())).await??;
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
    cluster: &'static Cluster,
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
                    .all(|pod| ready(pod) && has_sidecar(pod) == with_sidecar)
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

    /// `GET` from a pod's port.
    async fn get(&self, pod: &Value, port: u16, path: &str) -> Result<String, Seen> {
        let address: SocketAddr = format!(
            "{}:{port}",
            pod["status"]["podIP"].as_str().unwrap_or_default()
        )
        .parse()?;
        let stream = self.cluster.connect(address).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::get(path)
            .header("host", "pod")
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body =
            String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()).into_owned();
        if status == StatusCode::OK {
            Ok(body)
        } else {
            Err(format!("{status}: {body}").into())
        }
    }
}

fn ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    pod["metadata"]["deletionTimestamp"].is_null()
        && conditions.is_some_and(|all| all.iter().any(ready))
}

fn has_sidecar(pod: &Value) -> bool {
    pod["spec"]["initContainers"]
        .as_array()
        .is_some_and(|inits| inits.iter().any(|init| init["name"] == "tagalong"))
}

fn uids(pods: &[Value]) -> BTreeSet<String> {
    pods.iter()
        .map(|pod| {
            pod["metadata"]["uid"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn kong_runs_with_the_sidecar_and_no_pod_is_replaced_when_the_webhook_comes_and_goes()
-> Tried<()> {
    let Some(cluster) = cluster().await? else {
        return Ok(());
    };
    let ground = Ground {
        cluster,
        client: cluster.client()?,
        namespace: cluster.namespace("kong").await?,
    };
    let path = format!("/api/v1/namespaces/{}", ground.namespace.name());
    let enforce =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    call(&ground.client, Method::PATCH, &path, Some(&enforce)).await;
    let settings = Settings {
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
            .until("metrics", || ground.get(pod, 9542, "/metrics"))
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
    assert!(ground.get(&bare[0], 9542, "/metrics").await.is_err());
    drop(webhook);
    ground.namespace.delete().await?;
    Ok(())
}
