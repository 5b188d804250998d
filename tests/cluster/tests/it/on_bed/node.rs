//! The node: what Kong and tagalong need of it, done by real pods.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::net::SocketAddr;
use std::path::Path;

use hyper_util::rt::TokioIo;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::TokenReview;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tagalong_cluster::binaries::{Tool, ensured};
use tagalong_cluster::image::Image;
use tagalong_cluster::{Cluster, Namespace, Result};
use tokio::sync::OnceCell;

const IMAGE: &str = "test.local/agnhost:1";

fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

/// The cluster with an image of agnhost, and `cat` for looking into a pod.
async fn cluster() -> Result<Option<&'static Cluster>> {
    static LOADED: OnceCell<()> = OnceCell::const_new();
    let Some(cluster) = Cluster::shared_with_node().await? else {
        return Ok(None);
    };
    LOADED
        .get_or_try_init(|| async {
            let image = Image::new(IMAGE)
                .program(&ensured(Tool::Agnhost).await?, "/agnhost")?
                .program(Path::new("/bin/cat"), "/bin/cat")?
                .directory("/tmp", 0o1777)
                .entrypoint(&["/agnhost"]);
            cluster.load_image(image).await
        })
        .await?;
    Ok(Some(cluster))
}

/// As the `restricted` pod security standard wants it.
fn restricted() -> Value {
    json!({
        "runAsNonRoot": true,
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

async fn ready_pods(namespace: &Namespace, count: usize) -> Result<Vec<Pod>> {
    let pods: Api<Pod> = namespace.api();
    namespace
        .until(&format!("{count} ready pods"), || async {
            let all = pods.list(&ListParams::default()).await?.items;
            let ready = all.iter().filter(|pod| {
                let conditions = pod
                    .status
                    .as_ref()
                    .and_then(|status| status.conditions.as_ref());
                conditions.is_some_and(|conditions| {
                    conditions
                        .iter()
                        .any(|c| c.type_ == "Ready" && c.status == "True")
                })
            });
            let found = ready.count();
            if found == count {
                Ok(all)
            } else {
                Err(format!("{found} of {}", all.len()).into())
            }
        })
        .await
}

#[tokio::test]
async fn a_deployment_is_reached_by_address_and_by_name() -> Result<()> {
    let Some(cluster) = cluster().await? else {
        return Ok(());
    };
    let namespace = cluster.namespace("echo").await?;
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": 8080}, "periodSeconds": 1});
    let deployment = object(json!({
        "metadata": {"name": "echo"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "echo"}},
            "template": {
                "metadata": {"labels": {"app": "echo"}},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{
                        "name": "echo",
                        "image": IMAGE,
                        "args": ["netexec", "--http-port=8080", "--udp-port=-1"],
                        "readinessProbe": probe("/hostname"),
                        "livenessProbe": probe("/hostname"),
                        "startupProbe": probe("/"),
                        "resources": {"limits": {"cpu": "500m", "memory": "128Mi"}},
                        "securityContext": restricted(),
                    }],
                },
            },
        },
    }));
    let deployments: Api<Deployment> = namespace.api();
    deployments
        .create(&PostParams::default(), &deployment)
        .await?;
    let services: Api<Service> = namespace.api();
    let service = object(json!({
        "metadata": {"name": "echo"},
        "spec": {"selector": {"app": "echo"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }));
    let service = services.create(&PostParams::default(), &service).await?;
    let pods = ready_pods(&namespace, 2).await?;

    let address: SocketAddr = {
        let ip = service.spec.unwrap().cluster_ip.unwrap();
        format!("{ip}:80").parse().unwrap()
    };
    let mut names: Vec<String> = pods
        .iter()
        .map(|pod| pod.metadata.name.clone().unwrap())
        .collect();
    names.sort();
    let mut answered = std::collections::BTreeSet::new();
    // kube-proxy picks at random, and its rules lag behind readiness by up to a second.
    while answered.len() < 2 {
        let name = namespace
            .until("an answer from the ClusterIP", || async {
                Ok(cluster.get(address, "/hostname").await?)
            })
            .await?;
        answered.insert(name);
    }
    assert_eq!(answered.into_iter().collect::<Vec<_>>(), names);

    let pod_ip = pods[0].status.as_ref().unwrap().pod_ip.clone().unwrap();
    let pod: SocketAddr = format!("{pod_ip}:8080").parse().unwrap();
    let name = format!("echo.{}.svc.cluster.local", namespace.name());
    let path = format!("/dial?host={name}&port=80&request=hostname&protocol=http&tries=1");
    namespace
        .until("an answer by DNS name, asked for by a pod", || async {
            let answer = cluster.get(pod, &path).await?;
            let answer: Value = serde_json::from_str(&answer)?;
            let from = answer["responses"][0].as_str().unwrap_or_default();
            if names.iter().any(|name| name == from) {
                Ok(())
            } else {
                Err(answer.to_string().into())
            }
        })
        .await?;

    let log = cluster
        .kubectl(&["logs", "-n", namespace.name(), &names[0]], "")
        .await?;
    assert!(log.contains("Started HTTP server on port 8080"), "{log}");
    namespace.delete().await
}

#[tokio::test]
async fn a_native_sidecar_with_a_token_for_an_audience() -> Result<()> {
    const AUDIENCE: &str = "tagalong";
    let Some(cluster) = cluster().await? else {
        return Ok(());
    };
    let namespace = cluster.namespace("sidecar").await?;
    let pod = object(json!({
        "metadata": {"name": "pair"},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "initContainers": [{
                "name": "sidecar",
                "image": IMAGE,
                "restartPolicy": "Always",
                "args": ["netexec", "--http-port=9090", "--udp-port=-1"],
                "startupProbe": {"httpGet": {"path": "/hostname", "port": 9090}, "periodSeconds": 1},
                "securityContext": restricted(),
                "volumeMounts": [{"name": "token", "mountPath": "/var/run/token", "readOnly": true}],
            }],
            "containers": [{
                "name": "main",
                "image": IMAGE,
                "args": ["netexec", "--http-port=8080", "--udp-port=-1"],
                "readinessProbe": {"httpGet": {"path": "/hostname", "port": 8080}, "periodSeconds": 1},
                "securityContext": restricted(),
            }],
            "volumes": [{"name": "token", "projected": {"sources": [{"serviceAccountToken": {
                "audience": AUDIENCE, "path": "token", "expirationSeconds": 600,
            }}]}}],
        },
    }));
    let pods: Api<Pod> = namespace.api();
    pods.create(&PostParams::default(), &pod).await?;
    let pod = ready_pods(&namespace, 1).await?.remove(0);

    // Both containers share the pod's address.
    let status = pod.status.unwrap();
    let ip = status.pod_ip.unwrap();
    for port in [8080, 9090] {
        let address: SocketAddr = format!("{ip}:{port}").parse().unwrap();
        let name = namespace
            .until("an answer from the pod", || async {
                Ok(cluster.get(address, "/hostname").await?)
            })
            .await?;
        assert_eq!(name, "pair");
    }
    let sidecar = &status.init_container_statuses.unwrap()[0];
    assert!(
        sidecar.state.as_ref().unwrap().running.is_some(),
        "{sidecar:?}"
    );

    let exec = [
        "exec",
        "-n",
        namespace.name(),
        "pair",
        "-c",
        "sidecar",
        "--",
    ];
    let read = [exec.as_slice(), &["cat", "/var/run/token/token"]].concat();
    let token = cluster.kubectl(&read, "").await?;
    let review = async |audience: &str| -> Result<_> {
        let review = object(json!({
            "metadata": {}, "spec": {"token": token.trim(), "audiences": [audience]},
        }));
        let reviews: Api<TokenReview> = Api::all(cluster.client()?);
        let review = reviews.create(&PostParams::default(), &review).await?;
        Ok(review.status.unwrap())
    };
    let status = review(AUDIENCE).await?;
    assert_eq!(status.authenticated, Some(true), "{status:?}");
    assert_eq!(status.audiences.unwrap(), [AUDIENCE]);
    let user = status.user.unwrap();
    let account = format!("system:serviceaccount:{}:default", namespace.name());
    assert_eq!(user.username, Some(account));
    let extra = user.extra.unwrap();
    assert_eq!(extra["authentication.kubernetes.io/pod-name"], ["pair"]);
    let uid = pod.metadata.uid.unwrap();
    assert_eq!(extra["authentication.kubernetes.io/pod-uid"], [uid]);

    let other = review("someone-else").await?;
    assert_ne!(other.authenticated, Some(true), "{other:?}");
    namespace.delete().await
}

#[tokio::test]
async fn a_pod_reaches_a_server_in_the_test_process() -> Result<()> {
    let Some(cluster) = cluster().await? else {
        return Ok(());
    };
    let namespace = cluster.namespace("callback").await?;
    let listener = cluster.listen(SocketAddr::new(cluster.node_address(), 0))?;
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper::service::service_fn(|_| async {
            Ok::<_, std::convert::Infallible>(hyper::Response::new("hello".to_owned()))
        });
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    });
    let host = cluster.node_address().to_string();
    let pod = object(json!({
        "metadata": {"name": "caller"},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{
                "name": "caller", "image": IMAGE, "securityContext": restricted(),
                "args": ["connect", format!("{host}:{port}"), "--timeout=10s"],
            }],
        },
    }));
    let pods: Api<Pod> = namespace.api();
    pods.create(&PostParams::default(), &pod).await?;
    namespace
        .until("the pod to have connected", || async {
            let phase = pods
                .get("caller")
                .await?
                .status
                .and_then(|status| status.phase);
            match phase.as_deref() {
                Some("Succeeded") => Ok(()),
                other => Err(format!("{other:?}").into()),
            }
        })
        .await?;
    served.await.unwrap();
    Ok(())
}

/// Other tests, builds and people share the machine's disk. A node that evicted pods for that would fail tests that have
/// nothing to do with it, and long after the disk is free again.
#[tokio::test]
async fn no_pod_is_evicted_because_the_machines_disk_is_full() -> Result<()> {
    let Some(cluster) = cluster().await? else {
        return Ok(());
    };
    let request = http::Request::get("/api/v1/nodes/node1/proxy/configz").body(Vec::new());
    let answer: Value = cluster.client()?.request(request.unwrap()).await?;
    let hard = &answer["kubeletconfig"]["evictionHard"];
    let soft = &answer["kubeletconfig"]["evictionSoft"];
    assert!(hard.get("memory.available").is_some(), "{answer}");
    for (signal, threshold) in [hard, soft]
        .iter()
        .filter_map(|all| all.as_object())
        .flatten()
    {
        assert!(signal.starts_with("memory."), "{signal}: {threshold}");
    }
    Ok(())
}
