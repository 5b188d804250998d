//! Over TLS, as the API server and strangers come.

use super::*;
use crate::custom_metrics::front_proxy::FrontProxy;
use crate::custom_metrics::tests::pki::{Form, Shown, Signer, config_map};
use http::HeaderMap;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use std::net::SocketAddr;
use tagalong_runtime::serve::Server;
use tagalong_runtime::{drain, tls};
use tokio::net::TcpStream;

const SERVER: &str = "metrics.example.svc";
const GROUP_VERSION: &str = "/apis/custom.metrics.k8s.io/v1beta2";

/// A server, and what is trusted.
struct Running {
    address: SocketAddr,
    front_proxy: Signer,
    roots: RootCertStore,
    _trigger: drain::Trigger,
}

/// Shows a certificate, whether the key fits or not.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn with_key_of(shown: &Shown, other: &Shown) -> Shows {
    let key = ring::sign::any_supported_type(&other.key).expect("a key");
    Shows(Arc::new(CertifiedKey::new(
        vec![shown.certificate.clone()],
        key,
    )))
}

impl Running {
    async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed([SERVER.to_owned()]).expect("made");
        let key = made.signing_key.serialize_pem();
        let certificate = tls::parse(made.cert.pem().as_bytes(), key.as_bytes()).expect("fits");
        let certificates = watch::channel(Some(Arc::new(certificate))).1;
        let front_proxy = Signer::new("front-proxy-ca");
        let known = FrontProxy::read(&config_map(&front_proxy.pem)).expect("usable");
        let (api, _) = api(KnownProxy::FrontProxy(Arc::new(known)));
        let (trigger, drain) = drain::channel();
        let any = "127.0.0.1:0".parse().expect("an address");
        let server = Server::bind(any).await.expect("a port");
        let server = server
            .with_tls(tls::asking(certificates).expect("TLS"))
            .with_limits(limits());
        let address = server.address();
        tokio::spawn(server.serve(move |request| Arc::clone(&api).answer(request), drain));
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("trusted");
        Self {
            address,
            front_proxy,
            roots,
            _trigger: trigger,
        }
    }

    async fn connect(
        &self,
        shows: Option<Shows>,
        http: &[u8],
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("TLS")
            .with_root_certificates(self.roots.clone());
        let mut config = match shows {
            Some(shows) => config.with_client_cert_resolver(Arc::new(shows)),
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![http.to_owned()];
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(SERVER).expect("a name");
        tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    /// The answer, by HTTP/2; none if there is no connection.
    async fn get(
        &self,
        shows: Option<Shows>,
        request: Request<Full<Bytes>>,
    ) -> Option<Response<Bytes>> {
        let stream = self.connect(shows, b"h2").await.ok()?;
        let io = TokioIo::new(stream);
        let (mut send, connection) = http2::handshake(TokioExecutor::new(), io).await.ok()?;
        let connection = tokio::spawn(connection);
        let answer = send.send_request(request).await.ok()?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        connection.abort();
        Some(Response::from_parts(head, body))
    }

    async fn status(&self, shows: Option<Shows>, path: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::get(format!("https://{SERVER}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::default()).expect("a request");
        let answer = self.get(shows, request).await;
        answer.map_or(0, |answer| answer.status().as_u16())
    }
}

/// Whom the API server's own Go library lets in, asked on its port; it calls strangers anonymous (403), and we do not know
/// them (401). It also knows the cluster's own client certificates, which are no way in here.
#[tokio::test]
async fn who_is_let_in() {
    let server = Running::start().await;
    let genuine = || server.front_proxy.sign(&Form::default());
    let stranger = Signer::new("front-proxy-ca").sign(&Form::default());
    let other_name = server.front_proxy.sign(&Form {
        names: &["somebody"],
        ..Form::default()
    });
    let itself = |shown: &Shown| with_key_of(shown, shown);
    let admin = [
        ("x-remote-user", "admin"),
        ("x-remote-group", "system:masters"),
    ];
    let aggregator = [("x-remote-user", "system:kube-aggregator")];
    let hpa = [("x-remote-user", HPA)];
    let twice = [("x-remote-user", HPA), ("x-remote-user", "somebody")];
    let twice_otherwise = [("x-remote-user", "somebody"), ("x-remote-user", HPA)];
    let anonymous = [
        ("x-remote-user", "system:anonymous"),
        ("x-remote-group", "system:unauthenticated"),
    ];
    let token = [("authorization", "Bearer sa")];
    let token_and_admin = [token[0], admin[0], admin[1]];
    let bad_token = [("authorization", "Bearer bad")];
    type Row<'a> = (&'a str, Option<Shows>, &'a [(&'a str, &'a str)], u16, u16);
    let rows: Vec<(Row<'_>, Option<Shows>)> = {
        let g = genuine();
        let two = |shown: &Shown| (Some(itself(shown)), Some(itself(shown)));
        let row = |what, (a, b): (Option<Shows>, Option<Shows>), headers, discovery, metric| {
            ((what, a, headers, discovery, metric), b)
        };
        vec![
            row("nothing", (None, None), &[][..], 401, 401),
            row(
                "headers without a certificate",
                (None, None),
                &admin,
                401,
                401,
            ),
            row("the aggregator", two(&g), &aggregator, 200, 403),
            row("the HPA", two(&g), &hpa, 200, 200),
            row("an admin", two(&g), &admin, 200, 200),
            row("no user", two(&g), &[], 401, 401),
            row("of another authority", two(&stranger), &admin, 401, 401),
            row("of another name", two(&other_name), &admin, 401, 401),
            // No handshake at all.
            row(
                "with another key",
                (
                    Some(with_key_of(&g, &stranger)),
                    Some(with_key_of(&g, &stranger)),
                ),
                &admin,
                0,
                0,
            ),
            row("a token", (None, None), &token, 200, 403),
            row(
                "a token and headers",
                (None, None),
                &token_and_admin,
                200,
                403,
            ),
            row(
                "a token and a stranger's certificate",
                two(&stranger),
                &token_and_admin,
                200,
                403,
            ),
            row("a bad token", (None, None), &bad_token, 401, 401),
            row("the first user counts", two(&g), &twice, 200, 200),
            row("and not the second", two(&g), &twice_otherwise, 200, 403),
            row(
                "whom the API server does not know",
                two(&g),
                &anonymous,
                403,
                403,
            ),
        ]
    };
    for ((what, shows, headers, discovery, metric), again) in rows {
        assert_eq!(
            server.status(shows, GROUP_VERSION, headers).await,
            discovery,
            "{what}: discovery"
        );
        assert_eq!(
            server.status(again, METRIC, headers).await,
            metric,
            "{what}: a metric"
        );
    }
}

/// What an API server asked, as it asked it.
#[tokio::test]
async fn recorded_requests() {
    let recorded = include_str!("../../../../../tests/data/apiserver-requests/requests.jsonl");
    let server = Running::start().await;
    let genuine = server.front_proxy.sign(&Form::default());
    let mut seen = std::collections::BTreeMap::new();
    for line in recorded.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let (method, uri) = (line["method"].as_str(), line["uri"].as_str());
        let (method, uri) = (method.expect("a method"), uri.expect("a URI"));
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://{SERVER}{uri}"));
        let mut user = "";
        for (name, values) in line["headers"].as_object().expect("headers") {
            for value in values.as_array().expect("values") {
                let value = value.as_str().expect("text");
                if name == "X-Remote-User" {
                    user = value;
                }
                if name != "Content-Length" {
                    request = request.header(name, value);
                }
            }
        }
        let request = request.body(Full::default()).expect("a request");
        let shows = with_key_of(&genuine, &genuine);
        let answer = server.get(Some(shows), request).await.expect(uri);
        let headers: &HeaderMap = answer.headers();
        assert!(!headers.contains_key("retry-after"), "{uri}");
        let aggregated = uri == "/apis";
        let kind = headers["content-type"].to_str().expect("text");
        assert_eq!(
            kind.contains("as=APIGroupDiscoveryList"),
            aggregated,
            "{uri}: {kind}"
        );
        let body: Value = serde_json::from_slice(answer.body()).expect(uri);
        let status = match (method, uri) {
            ("POST", _) => 405,
            (_, uri) if uri.contains("watch=true") => 405,
            (_, uri) if uri.contains("external.metrics.k8s.io") => 404,
            (_, uri) if uri.contains("etricLabelSelector") => 400,
            (_, uri) if uri.contains("/namespaces/") => {
                let known = [
                    "services/echo/m-ok-30",
                    "services/echo/m-ok-20",
                    "deployments.apps/echo/m-ok-30",
                ];
                let known = known.iter().any(|end| uri.ends_with(end));
                let let_in = user == HPA || user == "admin";
                match (known, let_in) {
                    (true, true) => 200,
                    (true, false) => 403,
                    (false, _) => 404,
                }
            }
            _ => 200,
        };
        assert_eq!(answer.status(), status, "{uri} by {user}: {body}");
        if status == 200 && uri.contains("/namespaces/") {
            assert_eq!(body["kind"], "MetricValueList");
            let version = uri.split('/').nth(3).expect("a version");
            assert_eq!(
                body["apiVersion"],
                format!("custom.metrics.k8s.io/{version}")
            );
            assert_eq!(body["items"].as_array().map(Vec::len), Some(1));
        } else if status != 200 {
            assert_eq!(body["kind"], "Status", "{uri}");
        }
        *seen.entry(status).or_insert(0) += 1;
    }
    assert_eq!(
        seen.keys().copied().collect::<Vec<_>>(),
        [200, 400, 403, 404, 405]
    );
}

/// KEDA's `metrics-api` comes by HTTP/1.1, with a token, and with any certificate where it is told to trust an authority.
#[tokio::test]
async fn by_http_1_with_a_token_and_any_certificate() {
    let server = Running::start().await;
    let any = Signer::new("anybody").sign(&Form::default());
    let stream = server
        .connect(Some(with_key_of(&any, &any)), b"http/1.1")
        .await;
    let io = TokioIo::new(stream.expect("a connection"));
    let (mut send, connection) = http1::handshake(io).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    for _ in 0..2 {
        let request = by("hpa", "GET", METRIC).header("host", SERVER);
        let request = request.body(Full::<Bytes>::default()).expect("a request");
        send.ready().await.expect("kept open");
        let answer = send.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let body = answer
            .into_body()
            .collect()
            .await
            .expect("whole")
            .to_bytes();
        assert!(!body.is_empty());
    }
}
