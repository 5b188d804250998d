//! A pod with a sidecar, as far as the operator can tell: a token bound to the pod, TLS that trusts what
//! the ConfigMap says, and a stream of messages.

use super::{Result, api, apply};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::Client;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tagalong_cluster::{Namespace, TIMEOUT};
use tagalong_wire::{Lines, Message, Table};

/// The name that the operator's certificate is for.
const NAME: &str = "tagalong-operator.tagalong-system.svc";

/// A pod of a DataPlane. Without a node it stays `Pending`, which is alive enough for tokens.
pub async fn pod(client: &Client, namespace: &str, name: &str, dataplane: &str) -> Result<String> {
    let pod = apply(client, json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": {
            "gateway-operator.konghq.com/selector": format!("{namespace}-{dataplane}"),
        }},
        "spec": {"containers": [
            {"name": "proxy", "image": "kong:3.9"},
            {"name": "tagalong", "image": "tagalong", "ports": [{"name": "tagalong", "containerPort": 9542}]},
        ]},
    }))
    .await?;
    Ok(pod.metadata.uid.unwrap_or_default())
}

/// As if the kubelet had let the pod go.
pub async fn delete_pod(client: &Client, namespace: &str, name: &str) -> Result {
    let pods = api(client, namespace, "v1", "Pod");
    pods.delete(name, &DeleteParams::default().grace_period(0))
        .await?;
    Ok(())
}

/// A token of the namespace's default account; bound to a pod if one is named (name and UID).
pub async fn token(
    client: &Client,
    namespace: &str,
    audience: &str,
    pod: Option<(&str, &str)>,
) -> Result<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let request = TokenRequest {
        metadata: ObjectMeta::default(),
        spec: TokenRequestSpec {
            audiences: vec![audience.to_owned()],
            expiration_seconds: Some(600),
            bound_object_ref: pod.map(|(name, uid)| BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: Some(name.to_owned()),
                uid: Some(uid.to_owned()),
            }),
        },
        status: None,
    };
    let answer = accounts
        .create_token_request("default", &PostParams::default(), &request)
        .await?;
    Ok(answer.status.ok_or("no token")?.token)
}

/// What the ConfigMap of the namespace says is to be trusted.
pub async fn trust(namespace: &Namespace) -> Result<String> {
    let maps: Api<ConfigMap> = namespace.api();
    let trust = namespace.until("the ConfigMap tagalong-ca", || async {
        let data = maps.get("tagalong-ca").await?.data.unwrap_or_default();
        data.get("ca.crt")
            .cloned()
            .ok_or_else(|| "no ca.crt".into())
    });
    Ok(trust.await?)
}

/// Asks for labels.
pub async fn ask(push: SocketAddr, trust: &str, token: Option<&str>) -> Result<Response<Incoming>> {
    let http = http2::Builder::new(TokioExecutor::new());
    ask_over(http, push, trust, token).await
}

/// Asks for labels, and takes not one byte of them, for as long as the answer is kept.
pub async fn ask_and_not_read(
    push: SocketAddr,
    trust: &str,
    token: &str,
) -> Result<Response<Incoming>> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.initial_stream_window_size(0);
    ask_over(http, push, trust, Some(token)).await
}

async fn ask_over(
    http: http2::Builder<TokioExecutor>,
    push: SocketAddr,
    trust: &str,
    token: Option<&str>,
) -> Result<Response<Incoming>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(trust.as_bytes()) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = tokio::net::TcpStream::connect(push).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector
        .connect(ServerName::try_from(NAME)?, stream)
        .await?;
    let (mut send, connection) = http.handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::get(format!("https://{NAME}/v1/labels"));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    Ok(send
        .send_request(request.body(Empty::<Bytes>::new())?)
        .await?)
}

/// The status that a request for labels is answered with.
pub async fn status(push: SocketAddr, trust: &str, token: Option<&str>) -> Result<StatusCode> {
    Ok(ask(push, trust, token).await?.status())
}

/// An open stream, and the table that it has made.
pub struct Sidecar {
    body: Incoming,
    lines: Lines,
    pub table: Table,
}

impl Sidecar {
    pub async fn open(push: SocketAddr, trust: &str, token: &str) -> Result<Self> {
        let response = ask(push, trust, Some(token)).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("refused: {}", response.status()).into());
        }
        let mut sidecar = Self {
            body: response.into_body(),
            lines: Lines::new(tagalong_wire::MAX_MESSAGE),
            table: Table::default(),
        };
        sidecar.next().await?;
        Ok(sidecar)
    }

    /// Reads the next messages. `false`: the stream has ended.
    pub async fn next(&mut self) -> Result<bool> {
        let frame = tokio::time::timeout(TIMEOUT, self.body.frame()).await?;
        let Some(frame) = frame else { return Ok(false) };
        let Ok(data) = frame?.into_data() else {
            return Ok(true);
        };
        let mut messages = Vec::new();
        self.lines
            .push(&data, |line| messages.push(Message::parse(line)))?;
        for message in messages {
            self.table.apply(message?)?;
        }
        Ok(true)
    }

    /// Reads until the table says that `kong` stands for `service`, or for nothing.
    pub async fn until(&mut self, kong: &str, service: Option<&str>) -> Result {
        let wait = async {
            loop {
                let found = self
                    .table
                    .entries()
                    .services
                    .0
                    .get(kong)
                    .map(ToString::to_string);
                if found.as_deref() == service {
                    return Ok(());
                }
                if !self.next().await? {
                    return Err("the stream ended".into());
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await?
    }

    /// Reads until the stream ends.
    pub async fn until_end(&mut self) -> Result {
        while self.next().await? {}
        Ok(())
    }
}
