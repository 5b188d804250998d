//! The metrics API behind a real API server, asked by a real HPA. The values are the story's own.

use crate::support;

use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::ObjectReference;
use parking_lot::Mutex;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use support::sidecar::token;
use support::{Result, equal};
use tagalong_cluster::{Cluster, Namespace, until};
use tagalong_operator::certificates::authority::{Authority, Lifetimes};
use tagalong_operator::custom_metrics::api_services::ServedAt;
use tagalong_operator::custom_metrics::authentication::Authentication;
use tagalong_operator::custom_metrics::authorization::Authorization;
use tagalong_operator::custom_metrics::config_map;
use tagalong_operator::custom_metrics::denial::Denial;
use tagalong_operator::custom_metrics::keeper::{ApiServiceKeeper, remove};
use tagalong_operator::custom_metrics::server::{MetricsApi, limits};
use tagalong_operator::custom_metrics::signals::{CatalogueEntry, Described, Measured, Signals};
use tagalong_operator::events::EventRecorder;
use tagalong_operator::lease::Writes;
use tagalong_operator::metrics::{ApiServiceState, CustomMetrics};
use tagalong_operator::reviews::token::ApiServer;
use tagalong_runtime::serve::Server;
use tagalong_runtime::{drain, tls};
use tokio::net::TcpStream;
use tokio::sync::watch;

const TIMEOUT: Duration = Duration::from_secs(60);
const METRIC: &str = "kong_requests_in_flight";
const TOO_EARLY: &str = "first values in 12 s";

/// Says what it is told to.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Option<String>>>);

impl Signals for Told {
    fn catalogue(&self) -> Vec<CatalogueEntry> {
        vec![CatalogueEntry {
            resource: "services",
            kind: "Service",
            api_version: "v1",
            metric: METRIC,
        }]
    }

    fn value(&self, _: Described<'_>, _: &str) -> std::result::Result<Measured, Denial> {
        let told = self.0.lock().clone();
        let quantity = told.ok_or_else(|| Denial::unavailable(TOO_EARLY))?;
        Ok(Measured {
            quantity,
            timestamp: jiff::Timestamp::now(),
            window: Duration::from_secs(30),
        })
    }
}

#[tokio::test]
async fn a_plain_hpa_is_answered() -> Result {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let namespace = cluster.namespace("metrics").await?;
    let at = ServedAt {
        namespace: namespace.name().to_owned(),
        service: "api".to_owned(),
        port: 0,
    };
    let mut authority = Authority::default();
    let (now, lifetimes) = (jiff::Timestamp::now().as_second(), Lifetimes::default());
    authority.tick(now, &lifetimes)?;
    let name = format!("{}.{}.svc", at.service, at.namespace);
    let leaf = authority.sign(std::slice::from_ref(&name), now, &lifetimes)?;
    let leaf = leaf.ok_or("no certificate")?;
    let certificate = tls::parse(leaf.certificate.as_bytes(), leaf.key.as_bytes())?;
    let (_certificates, certificate) = watch::channel(Some(Arc::new(certificate)));
    let (_bundles, bundle) = watch::channel(Some(authority.bundle()));

    let (_trigger, drain) = drain::channel();
    let (told, metrics) = (Told::default(), CustomMetrics::default());
    let asked = ApiServer {
        client: client.clone(),
        audience: None,
    };
    let api = MetricsApi::new(
        told.clone(),
        Authentication::new(config_map::follow(client.clone(), &drain), asked.clone()),
        Authorization::new(asked, metrics.access_reviews.clone()),
        metrics.clone(),
    );
    let server = Server::bind("127.0.0.1:0".parse()?).await?;
    let server = server
        .with_tls(tls::asking(certificate)?)
        .with_limits(limits());
    let address = server.address();
    tokio::spawn(server.serve(
        move |request| Arc::clone(&api).answer(request),
        drain.clone(),
    ));
    // The API server asks no endpoints for a Service of this type.
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": at.service},
        "spec": {"type": "ExternalName", "externalName": "localhost"}});
    apply(&cluster, &namespace, &service).await?;
    let at = ServedAt {
        port: address.port().into(),
        ..at
    };
    let keeper = || ApiServiceKeeper {
        client: client.clone(),
        at: at.clone(),
        owner: None,
        bundle: bundle.clone(),
        writes: Writes::always(),
        events: EventRecorder::new(client.clone(), "story"),
        lease: ObjectReference {
            api_version: Some("coordination.k8s.io/v1".to_owned()),
            kind: Some("Lease".to_owned()),
            namespace: Some(at.namespace.clone()),
            name: Some("tagalong-operator".to_owned()),
            ..ObjectReference::default()
        },
        metrics: metrics.clone(),
    };
    let kept = tokio::spawn(keeper().keep(drain.clone()));

    // The whole way, as people ask.
    let path = format!(
        "/apis/custom.metrics.k8s.io/v1beta1/namespaces/{}/services/echo/{METRIC}",
        namespace.name()
    );
    *told.0.lock() = Some("35".to_owned());
    until("an answer through the API server", TIMEOUT, || async {
        let list = cluster.kubectl(&["get", "--raw", &path], "").await?;
        let list: Value = serde_json::from_str(&list)?;
        if list["items"][0]["value"] == "35" {
            Ok(())
        } else {
            Err(list.to_string().into())
        }
    })
    .await?;

    // An HPA, in its own name: 35 in flight, 10 for each pod.
    apply(&cluster, &namespace, &deployment()).await?;
    apply(&cluster, &namespace, &autoscaler()).await?;
    replicas_are(&cluster, &namespace, "4").await?;
    *told.0.lock() = None;
    namespace
        .until("the words of the refusal in the HPA", || async {
            let hpa = kubectl(&cluster, &namespace, &["describe", "hpa", "echo"]).await?;
            if hpa.contains(TOO_EARLY) && hpa.contains("FailedGetObjectMetric") {
                Ok(())
            } else {
                Err(hpa.into())
            }
        })
        .await?;
    replicas_are(&cluster, &namespace, "4").await?;

    // Past the API server: a token that nothing is allowed to, and headers that anybody can send.
    let someone = token(
        &client,
        namespace.name(),
        "https://kubernetes.default.svc",
        None,
    )
    .await;
    let discovery = "/apis/custom.metrics.k8s.io/v1beta2";
    let bearer = format!("Bearer {}", someone?);
    let admin = [
        ("x-remote-user", "admin"),
        ("x-remote-group", "system:masters"),
    ];
    let authority = authority.bundle();
    for (headers, on, status) in [
        (&[("authorization", &*bearer)][..], discovery, 200),
        (&[("authorization", &*bearer)], &*path, 403),
        (
            &[("authorization", &*bearer), admin[0], admin[1]],
            &*path,
            403,
        ),
        (&admin, &*path, 401),
        (&[("authorization", "Bearer junk")], &*path, 401),
    ] {
        let answered = straight(address, &name, &authority, on, headers).await?;
        equal(&answered, &status)?;
    }

    // Away, first of all at an uninstallation; and somebody else's is left alone.
    kept.abort();
    remove(client.clone(), &at).await?;
    let left = cluster
        .kubectl(&["get", "apiservices", "-o", "name"], "")
        .await?;
    equal(&left.contains("custom.metrics.k8s.io"), &false)?;
    let foreign = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1beta1.custom.metrics.k8s.io"},
        "spec": {"group": "custom.metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true, "service": {"name": "prometheus-adapter", "namespace": "monitoring"}}});
    apply(&cluster, &namespace, &foreign).await?;
    tokio::spawn(keeper().keep(drain.clone()));
    namespace
        .until("an Event about the foreign APIService", || async {
            let events = kubectl(&cluster, &namespace, &["get", "events", "-o", "json"]).await?;
            if events
                .contains("v1beta1.custom.metrics.k8s.io belongs to monitoring/prometheus-adapter")
            {
                Ok(())
            } else {
                Err("none".into())
            }
        })
        .await?;
    let state = ApiServiceState {
        version: "v1beta1",
        state: "foreign",
    };
    equal(&metrics.api_services.get_or_create(&state).get(), &1)?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let left = cluster
        .kubectl(&["get", "apiservices", "-o", "name"], "")
        .await?;
    equal(&left.matches("custom.metrics.k8s.io").count(), &1)?;
    // The namespace could not go while the group does not answer.
    cluster
        .kubectl(
            &["delete", "apiservice", "v1beta1.custom.metrics.k8s.io"],
            "",
        )
        .await?;
    Ok(())
}

async fn kubectl(
    cluster: &Cluster,
    namespace: &Namespace,
    arguments: &[&str],
) -> tagalong_cluster::Result<String> {
    let mut all = vec!["--namespace", namespace.name()];
    all.extend(arguments);
    cluster.kubectl(&all, "").await
}

async fn apply(cluster: &Cluster, namespace: &Namespace, object: &Value) -> Result {
    let arguments = ["--namespace", namespace.name(), "apply", "-f", "-"];
    cluster.kubectl(&arguments, &object.to_string()).await?;
    Ok(())
}

async fn replicas_are(cluster: &Cluster, namespace: &Namespace, count: &str) -> Result {
    let arguments = [
        "get",
        "deployment",
        "echo",
        "-o",
        "jsonpath={.spec.replicas}",
    ];
    namespace
        .until("the replicas", || async {
            let replicas = kubectl(cluster, namespace, &arguments).await?;
            if replicas == count {
                Ok(())
            } else {
                Err(format!("{replicas} replicas").into())
            }
        })
        .await?;
    Ok(())
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "echo"}, "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "echo"}},
        "template": {
            "metadata": {"labels": {"app": "echo"}},
            "spec": {"containers": [{"name": "echo", "image": "example.com/echo"}]},
        },
    }})
}

fn autoscaler() -> Value {
    json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "echo"}, "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "echo"},
        "minReplicas": 1,
        "maxReplicas": 10,
        "metrics": [{"type": "Object", "object": {
            "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "echo"},
            "metric": {"name": METRIC},
            "target": {"type": "AverageValue", "averageValue": "10"},
        }}],
    }})
}

/// The status of an answer without the API server between.
async fn straight(
    address: std::net::SocketAddr,
    name: &str,
    authority: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<u16> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let host = ServerName::try_from(name.to_owned())?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let io = TokioIo::new(connector.connect(host, stream).await?);
    let (mut send, connection) = http1::handshake(io).await?;
    tokio::spawn(connection);
    let mut request = Request::get(path).header("host", name);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = send
        .send_request(request.body(Empty::<Bytes>::new())?)
        .await?;
    let status = answer.status().as_u16();
    answer.into_body().collect().await?;
    Ok(status)
}
