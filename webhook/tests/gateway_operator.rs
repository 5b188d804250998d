//! Kong Gateway Operator itself, with Kong Ingress Controller, on a real node: a DataPlane gets the sidecar and keeps it,
//! and nobody fights about it.

mod support;
#[path = "support/webhook.rs"]
mod webhook;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use kube::Client;
use serde_json::{Value, json};
use support::settings;
use tagalong_cluster::process::Process;
use tagalong_cluster::{Cluster, Namespace, Seen, kong, programs, until};
use tagalong_webhook::Settings;
use webhook::{Webhook, call};

const SIDECAR: &str = "test.local/tagalong-sidecar:1";

/// Kong, the controller and the operator each wait for the others with pauses of ten seconds; on a busy machine all is slow.
const PATIENCE: Duration = Duration::from_secs(200);

/// For how long nothing may be rolled out.
const QUIET: Duration = Duration::from_secs(45);

/// For how long the webhook is away.
const AWAY: Duration = Duration::from_secs(30);

type Tried<T> = Result<T, Box<dyn std::error::Error>>;

async fn load_images(cluster: &Cluster) -> Tried<()> {
    let build = || programs::build(&["tagalong-sidecar", "tagalong-kong"]);
    let binaries = tokio::task::spawn_blocking(build).await??;
    cluster.load_kong_images(&binaries).await?;
    let sidecar = programs::image("tagalong-sidecar", SIDECAR, &binaries)?;
    Ok(cluster.load_image(sidecar).await?)
}

struct Ground {
    cluster: &'static Cluster,
    client: Client,
    namespace: Namespace,
    directory: tempfile::TempDir,
}

impl Ground {
    async fn operator(&self) -> Tried<Process> {
        let logs = self.directory.path();
        Ok(self.cluster.start_gateway_operator(logs).await?)
    }

    /// The published example, in a namespace of its own.
    async fn apply_example(&self) -> Tried<()> {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/data/published-example"
        );
        for file in ["gateway.yaml", "echo.yaml"] {
            let text = std::fs::read_to_string(Path::new(folder).join(file))?;
            let text = text.replace(
                "namespace: default",
                &format!("namespace: {}", self.namespace.name()),
            );
            self.cluster.kubectl(&["apply", "-f", "-"], &text).await?;
        }
        Ok(())
    }

    async fn list(&self, prefix: &str, plural: &str) -> Vec<Value> {
        let path = format!("{prefix}/namespaces/{}/{plural}", self.namespace.name());
        let mut answer = call(&self.client, Method::GET, &path, None).await;
        match answer.body["items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        }
    }

    async fn dataplanes(&self) -> Vec<Value> {
        self.list("/apis/gateway-operator.konghq.com/v1beta1", "dataplanes")
            .await
    }

    /// The Deployment of the DataPlane; the ControlPlane has one, too, and so has the backend.
    async fn deployment(&self) -> Result<Value, Seen> {
        let all = self.list("/apis/apps/v1", "deployments").await;
        all.into_iter()
            .find(|deployment| owner(deployment) == "DataPlane")
            .ok_or("no Deployment of a DataPlane".into())
    }

    /// All pods of Kong, if all are ready and none is on its way out.
    async fn kongs(&self) -> Result<Vec<Value>, Seen> {
        let pods = self.list("/api/v1", "pods").await;
        let kongs = pods.into_iter().filter(|pod| {
            let containers = pod["spec"]["containers"].as_array();
            containers.is_some_and(|all| all.iter().any(|one| one["name"] == "proxy"))
        });
        let kongs: Vec<Value> = kongs.collect();
        let settled =
            |pod: &Value| condition(pod, "Ready") && pod["metadata"]["deletionTimestamp"].is_null();
        if !kongs.is_empty() && kongs.iter().all(settled) {
            Ok(kongs)
        } else {
            let statuses: Vec<&Value> = kongs.iter().map(|pod| &pod["status"]).collect();
            Err(json!(statuses).to_string().into())
        }
    }

    /// `GET` from a pod's port.
    async fn get(&self, pod: &Value, port: u16, path: &str) -> Result<String, Seen> {
        let ip = pod["status"]["podIP"].as_str().unwrap_or_default();
        let address: SocketAddr = format!("{ip}:{port}").parse()?;
        let stream = self.cluster.connect(address).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::get(path)
            .header("host", "pod")
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        if status == StatusCode::OK {
            Ok(body)
        } else {
            Err(format!("{status}: {body}").into())
        }
    }

    async fn until_ready(&self, with_sidecar: bool) -> Tried<Vec<Value>> {
        let what = format!("Gateway, DataPlane and pods to be ready, sidecar: {with_sidecar}");
        let pods = until(&what, PATIENCE, || async {
            let gateways = self
                .list("/apis/gateway.networking.k8s.io/v1", "gateways")
                .await;
            if !gateways
                .iter()
                .any(|gateway| condition(gateway, "Programmed"))
            {
                return Err(
                    json!([gateways[0]["status"], self.dataplanes().await[0]["status"]])
                        .to_string()
                        .into(),
                );
            }
            if !self
                .dataplanes()
                .await
                .iter()
                .all(|dataplane| condition(dataplane, "Ready"))
            {
                return Err("the DataPlane is not ready".into());
            }
            let pods = self.kongs().await?;
            if pods
                .iter()
                .all(|pod| has_sidecar(&pod["spec"]) == with_sidecar)
            {
                Ok(pods)
            } else {
                Err("other pods".into())
            }
        });
        Ok(pods.await?)
    }
}

fn owner(object: &Value) -> &str {
    object["metadata"]["ownerReferences"][0]["kind"]
        .as_str()
        .unwrap_or_default()
}

fn condition(object: &Value, name: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| {
        all.iter()
            .any(|one| one["type"] == name && one["status"] == "True")
    })
}

fn has_sidecar(spec: &Value) -> bool {
    let inits = spec["initContainers"].as_array();
    inits.is_some_and(|inits| inits.iter().any(|init| init["name"] == "tagalong"))
}

fn uids(pods: &[Value]) -> BTreeSet<String> {
    pods.iter()
        .map(|pod| pod["metadata"]["uid"].to_string())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_dataplane_keeps_the_sidecar_and_is_rolled_out_once() -> Tried<()> {
    let Some(cluster) = Cluster::shared_with_node().await? else {
        return Ok(());
    };
    cluster.install_kong_definitions().await?;
    load_images(cluster).await?;
    cluster
        .kubectl(&["create", "namespace", kong::NAMESPACE], "")
        .await?;
    let _addresses = cluster.load_balancers()?;
    let ground = Ground {
        cluster,
        client: cluster.client()?,
        namespace: cluster.namespace("example").await?,
        directory: tempfile::tempdir()?,
    };
    let operator = ground.operator().await?;
    ground.apply_example().await?;
    let before = match ground.until_ready(false).await {
        Ok(pods) => pods,
        Err(error) => return Err(format!("{error}\n{}", operator.log_tail()).into()),
    };
    let echo = |pod: Value| {
        let ground = &ground;
        async move {
            until("an answer from echo", PATIENCE, || async {
                ground.get(&pod, 8000, "/echo/hostname").await
            })
            .await
        }
    };
    assert!(echo(before[0].clone()).await?.starts_with("echo-"));

    // The label brings the sidecar, by one rollout.
    let settings = Settings {
        image: SIDECAR.to_owned(),
        ..settings()
    };
    let mut webhook = Webhook::start(cluster, &ground.namespace, settings).await;
    let first = ground.deployment().await.map_err(|_| "no Deployment")?;
    let dataplane = &ground.dataplanes().await[0];
    let path = format!(
        "/apis/gateway-operator.konghq.com/v1beta1/namespaces/{}/dataplanes/{}",
        ground.namespace.name(),
        dataplane["metadata"]["name"].as_str().unwrap_or_default()
    );
    let label = json!({"metadata": {"labels": {"tagalong.dev/inject": "enabled"}}});
    let labelled = call(&ground.client, Method::PATCH, &path, Some(&label)).await;
    assert_eq!(labelled.status, 200, "{}", labelled.body);
    let with_sidecar = ground.until_ready(true).await?;
    assert!(echo(with_sidecar[0].clone()).await?.starts_with("echo-"));
    let metrics = ground
        .namespace
        .until("metrics", || ground.get(&with_sidecar[0], 9542, "/metrics"))
        .await?;
    for family in ["kong_nginx_connections_total", "tagalong_sidecar_"] {
        assert!(metrics.contains(family), "no {family} in {metrics}");
    }

    // Then nobody changes anything any more.
    let settled = ground.deployment().await.map_err(|_| "no Deployment")?;
    let dataplane = call(&ground.client, Method::GET, &path, None).await.body;
    let generation = |object: &Value| {
        object["metadata"]["generation"]
            .as_u64()
            .unwrap_or_default()
    };
    tokio::time::sleep(QUIET).await;
    let later = ground.deployment().await.map_err(|_| "no Deployment")?;
    let dataplane_later = call(&ground.client, Method::GET, &path, None).await.body;
    assert_eq!(later["spec"], settled["spec"]);
    assert_eq!(generation(&later), generation(&settled));
    assert_eq!(generation(&dataplane_later), generation(&dataplane));
    assert_eq!(
        dataplane_later["metadata"]["resourceVersion"],
        dataplane["metadata"]["resourceVersion"]
    );
    assert_eq!(generation(&settled), generation(&first) + 1, "one rollout");

    // Neither without the webhook, not even when the operator looks at everything anew.
    webhook.down();
    drop(operator);
    let operator = ground.operator().await?;
    tokio::time::sleep(AWAY).await;
    webhook.up().await;
    let after = ground
        .until_ready(true)
        .await
        .map_err(|error| format!("{error}\n{}", operator.log_tail()))?;
    assert_eq!(uids(&after), uids(&with_sidecar));
    assert!(echo(after[0].clone()).await?.starts_with("echo-"));
    Ok(())
}
