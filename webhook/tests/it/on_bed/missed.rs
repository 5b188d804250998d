//! The operator marks a DataPlane while no webhook is there: it tells of the pods that have no sidecar, and brings the
//! DataPlane through the webhook once there is one.

use crate::support;
use crate::support::webhook;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use kube::Client;
use serde_json::{Value, json};
use support::{settings, sidecar};
use tagalong_cluster::crds::CrdSet;
use tagalong_cluster::process::Process;
use tagalong_cluster::{Cluster, Namespace, Seen, programs};
use tagalong_ports::Reserved;
use tokio::net::TcpStream;
use webhook::{Webhook, call};

type Tried<T> = Result<T, Box<dyn std::error::Error>>;

const KONG: &str = "/apis/gateway-operator.konghq.com";
const SELECTOR: &str = "somewhere";

struct Ground {
    client: Client,
    namespace: Namespace,
    metrics: SocketAddr,
}

impl Ground {
    fn path(&self, prefix: &str, rest: &str) -> String {
        format!("{prefix}/namespaces/{}/{rest}", self.namespace.name())
    }

    async fn create(&self, prefix: &str, plural: &str, object: Value) -> Tried<()> {
        let path = self.path(prefix, plural);
        let created = call(&self.client, Method::POST, &path, Some(&object)).await;
        match created.status {
            201 => Ok(()),
            status => Err(format!("{status}: {}", created.body).into()),
        }
    }

    async fn get(&self, prefix: &str, rest: &str) -> Value {
        let path = self.path(prefix, rest);
        call(&self.client, Method::GET, &path, None).await.body
    }

    async fn set_status(&self, prefix: &str, object: &str, status: Value) -> Tried<()> {
        let path = self.path(prefix, &format!("{object}/status"));
        let status = json!({"status": status});
        let set = call(&self.client, Method::PATCH, &path, Some(&status)).await;
        match set.status {
            200 => Ok(()),
            status => Err(format!("{status}: {}", set.body).into()),
        }
    }

    /// A pod of Kong that runs, as far as anybody can tell from its status.
    async fn run_pod(&self, name: &str, ports: Value) -> Tried<()> {
        let pod = json!({
            "metadata": {"name": name, "labels": {"gateway-operator.konghq.com/selector": SELECTOR}},
            "spec": {"containers": [{"name": "proxy", "image": "kong:3.9.1", "ports": ports}]},
        });
        self.create("/api/v1", "pods", pod).await?;
        let pod = format!("pods/{name}");
        self.set_status("/api/v1", &pod, json!({"phase": "Running"}))
            .await
    }

    async fn dataplane(&self) -> Value {
        self.get(&format!("{KONG}/v1beta1"), "dataplanes/kong")
            .await
    }

    /// `reason` of the extension's condition `Programmed`.
    async fn programmed(&self) -> String {
        let extension = self
            .get(
                &format!("{KONG}/v1alpha1"),
                "dataplanemetricsextensions/kong",
            )
            .await;
        let conditions = extension["status"]["conditions"].as_array();
        let mut all = conditions.into_iter().flatten();
        let programmed = all.find(|one| one["type"] == "Programmed");
        let reason = programmed.and_then(|one| one["reason"].as_str());
        reason.unwrap_or_default().to_owned()
    }

    async fn gauge(&self) -> Result<String, Seen> {
        let stream = TcpStream::connect(self.metrics).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::get("/metrics")
            .header("host", "operator")
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let body = response.into_body().collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        let name = "tagalong_reconcile_pods_without_sidecar{} ";
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.map(str::to_owned).ok_or(text.clone().into())
    }
}

/// All that the operator watches, its own definition in place of Kong's.
async fn install_definitions(cluster: &Cluster) -> Tried<()> {
    cluster
        .install_crds(&[
            CrdSet::GatewayApiStandard,
            CrdSet::KongIngressController,
            CrdSet::KongGatewayOperator,
        ])
        .await?;
    let ours = include_str!(
        "../../../../crds/generated/dataplanemetricsextensions.gateway-operator.konghq.com.yaml"
    );
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    cluster.kubectl(&apply, ours).await?;
    let home = ["create", "namespace", "tagalong-system"];
    cluster.kubectl(&home, "").await?;
    Ok(())
}

async fn start_operator(
    cluster: &Cluster,
    metrics: Reserved,
    logs: &std::path::Path,
) -> Tried<Process> {
    let binaries =
        tokio::task::spawn_blocking(|| programs::build(&["tagalong-operator"])).await??;
    let mut command = cluster.ground().command(binaries.join("tagalong-operator"));
    command
        .arg(format!("--metrics-address={}", metrics.address()))
        .args(["--admin-address=127.0.0.1:0", "--push-address=127.0.0.1:0"])
        .arg("--missed-after=2")
        .env("KUBECONFIG", cluster.inside_kubeconfig());
    Ok(Process::start("operator", command, logs)?.keeping([metrics]))
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_without_a_sidecar_are_told_of_and_their_dataplane_is_brought_through() -> Tried<()> {
    let cluster = Cluster::shared().await?;
    install_definitions(cluster).await?;
    let metrics = cluster.reserve()?;
    let ground = Ground {
        client: cluster.client()?,
        namespace: cluster.namespace("missed").await?,
        metrics: metrics.address(),
    };
    let (beta, alpha) = (format!("{KONG}/v1beta1"), format!("{KONG}/v1alpha1"));
    let kong = |kind: &str, spec: Value| {
        let version = if kind == "DataPlaneMetricsExtension" {
            "v1alpha1"
        } else {
            "v1beta1"
        };
        json!({
            "apiVersion": format!("gateway-operator.konghq.com/{version}"),
            "kind": kind, "metadata": {"name": "kong"}, "spec": spec,
        })
    };
    let container = |name: &str, image: &str| json!({"podTemplateSpec": {"spec": {"containers": [{"name": name, "image": image}]}}});
    let dataplane = kong(
        "DataPlane",
        json!({"deployment": container("proxy", "kong:3.9.1")}),
    );
    ground.create(&beta, "dataplanes", dataplane).await?;
    ground
        .set_status(&beta, "dataplanes/kong", json!({"selector": SELECTOR}))
        .await?;
    let reference = json!({"group": "gateway-operator.konghq.com", "kind": "DataPlaneMetricsExtension", "name": "kong"});
    let controller = container("controller", "kong/kubernetes-ingress-controller:3.4");
    let control_plane = kong(
        "ControlPlane",
        json!({"dataplane": "kong", "deployment": controller, "extensions": [reference]}),
    );
    ground.create(&beta, "controlplanes", control_plane).await?;
    let extension = kong(
        "DataPlaneMetricsExtension",
        json!({"serviceSelector": {"matchNames": []}, "config": {"latency": true}}),
    );
    ground
        .create(&alpha, "dataplanemetricsextensions", extension)
        .await?;
    ground.run_pod("early", json!([])).await?;

    // Marked, with nobody there to inject: it says so by condition, gauge and Event.
    let logs = tempfile::tempdir()?;
    let operator = start_operator(cluster, metrics, logs.path()).await?;
    let told = ground
        .namespace
        .until("the missed pod to be told of", || async {
            let reason = ground.programmed().await;
            if reason != "SidecarMissing" {
                return Err(format!("{reason}\n{}", operator.log_tail()).into());
            }
            let events = ground.get("/api/v1", "events").await;
            let events = events["items"].as_array().into_iter().flatten();
            let mut missing = events.filter(|event| event["reason"] == "SidecarMissing");
            let event = missing.next().ok_or("no Event")?;
            Ok(event["message"].as_str().unwrap_or_default().to_owned())
        })
        .await?;
    assert!(told.contains("early"), "{told}");
    assert_eq!(ground.gauge().await.map_err(Seen::into_text)?, "1");
    let bare = ground.dataplane().await;
    assert_eq!(bare["metadata"]["labels"]["tagalong.dev/inject"], "enabled");
    assert_eq!(sidecar(&bare), None);

    // The webhook comes, and nobody else writes the DataPlane: the operator brings it through.
    let _webhook = Webhook::start(cluster, &ground.namespace, settings()).await;
    ground
        .namespace
        .until("the DataPlane to have the sidecar", || async {
            let dataplane = ground.dataplane().await;
            match sidecar(&dataplane) {
                Some(_) => Ok(()),
                None => Err(operator.log_tail().into()),
            }
        })
        .await?;

    // Kong's operator rolls the pods; then there is nothing to tell any more.
    let early = ground.path("/api/v1", "pods/early?gracePeriodSeconds=0");
    call(&ground.client, Method::DELETE, &early, None).await;
    let port = json!([{"name": "tagalong", "containerPort": 9542}]);
    ground.run_pod("late", port).await?;
    ground
        .namespace
        .until("nothing to be missed", || async {
            let (gauge, reason) = (ground.gauge().await?, ground.programmed().await);
            if gauge == "0" && reason != "SidecarMissing" {
                Ok(())
            } else {
                Err(format!("{gauge}, {reason}").into())
            }
        })
        .await?;
    Ok(())
}
