//! The program as it runs in a DataPlane's pod: set up by `KONG_*`, with the operators' certificates, ended by `kong quit`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic, its helpers too"
)]

use crate::support;

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use support::{Client, Upstream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tagalong-kong");

/// A running gateway; killed when dropped.
struct Kong {
    child: Child,
    listens: HashMap<String, SocketAddr>,
}

impl Kong {
    /// Runs the program and waits until it has said where it listens.
    fn start(prefix: &Path, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(PROGRAM)
            .env("KONG_PREFIX", prefix)
            .env("KONG_PROXY_LISTEN", "127.0.0.1:0, 127.0.0.1:0 ssl")
            .env("KONG_STATUS_LISTEN", "127.0.0.1:0")
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut listens = HashMap::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        while !listens.contains_key("status") {
            let line = lines.next().expect("the gateway ended").unwrap();
            if let Some((api, address)) = line.split_once(" listens address=") {
                let api = api.rsplit(": ").next().unwrap().to_owned();
                listens.insert(api, address.trim().parse().unwrap());
            }
        }
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, listens }
    }

    /// Its exit code; a deadline that only a hang meets.
    async fn ended(&mut self) -> Option<i32> {
        for _ in 0..1000 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        panic!("it does not end");
    }
}

impl Drop for Kong {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Leaf {
    certificate: String,
    key: KeyPair,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn leaf(
    ca: &CertifiedIssuer<'static, KeyPair>,
    name: &str,
    usage: ExtendedKeyUsagePurpose,
) -> Leaf {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, ca).unwrap().pem();
    Leaf { certificate, key }
}

/// The operators write `EC PRIVATE KEY` (SEC1), which is the last part of PKCS #8.
fn sec1(key: &KeyPair) -> String {
    let pkcs8 = key.serialize_der();
    // version, algorithm (id-ecPublicKey, prime256v1), then an OCTET STRING with the key in it.
    let start = pkcs8
        .windows(2)
        .rposition(|two| two == [0x02, 0x01])
        .unwrap()
        - 2;
    assert_eq!(pkcs8[start], 0x30);
    let text = base64::engine::general_purpose::STANDARD.encode(&pkcs8[start..]);
    format!("-----BEGIN EC PRIVATE KEY-----\n{text}\n-----END EC PRIVATE KEY-----\n")
}

fn roots(pem: &str) -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    roots
}

fn connector(ca: &str, client: Option<&Leaf>) -> TlsConnector {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(roots(ca));
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(Leaf { certificate, key }) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    TlsConnector::from(Arc::new(config))
}

/// One request over TLS: the answer as text.
async fn ask(
    connector: &TlsConnector,
    address: SocketAddr,
    name: &str,
    request: String,
) -> std::io::Result<String> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    let mut stream = connector
        .connect(ServerName::try_from(name.to_owned()).unwrap(), stream)
        .await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn the_admin_api_wants_a_client_of_the_cluster_ca_and_the_proxy_shows_what_was_pushed() {
    let folder = tempfile::tempdir().unwrap();
    let ca = authority();
    let server = leaf(
        &ca,
        "*.admin.default.svc",
        ExtendedKeyUsagePurpose::ServerAuth,
    );
    let client = leaf(
        &ca,
        "controlplane.default",
        ExtendedKeyUsagePurpose::ClientAuth,
    );
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ca_file = write("ca.crt", &ca.pem());
    let certificate = write("tls.crt", &server.certificate);
    let key = write("tls.key", &sec1(&server.key));
    let kong = Kong::start(
        folder.path(),
        &[
            (
                "KONG_ADMIN_LISTEN",
                "127.0.0.1:0 ssl reuseport backlog=16384",
            ),
            ("KONG_ADMIN_SSL_CERT", &certificate),
            ("KONG_ADMIN_SSL_CERT_KEY", &key),
            ("KONG_NGINX_ADMIN_SSL_CLIENT_CERTIFICATE", &ca_file),
            ("KONG_NGINX_ADMIN_SSL_VERIFY_CLIENT", "on"),
        ],
    );
    let admin = kong.listens["admin"];
    // Kong Ingress Controller's name for a pod.
    let name = "pod.admin.default.svc";
    let trusted = connector(&ca.pem(), Some(&client));
    let answer = ask(&trusted, admin, name, get("/status")).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");

    let stranger = leaf(
        &authority(),
        "controlplane.default",
        ExtendedKeyUsagePurpose::ClientAuth,
    );
    for client in [None, Some(&stranger)] {
        let refused = ask(&connector(&ca.pem(), client), admin, name, get("/status")).await;
        assert!(refused.is_err(), "{refused:?}");
    }

    let shop = leaf(&ca, "shop.test", ExtendedKeyUsagePurpose::ServerAuth);
    let document = json!({
        "_format_version": "3.0",
        "certificates": [{
            "id": "c0", "cert": shop.certificate, "key": shop.key.serialize_pem(),
            "snis": [{ "name": "shop.test", "certificate": { "id": "c0" } }],
        }],
        "services": [{ "name": "s", "host": "nobody.invalid", "routes": [{ "name": "r", "hosts": ["shop.test"] }] }],
    });
    let post = format!(
        "POST /config HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{document}",
        document.to_string().len()
    );
    let answer = ask(&trusted, admin, name, post).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");
    let visitor = connector(&ca.pem(), None);
    let proxy = kong.listens["proxy with TLS"];
    let answer = ask(&visitor, proxy, "shop.test", get("/")).await.unwrap();
    assert!(answer.contains("name resolution failed"), "{answer}");
    let other = ask(&visitor, proxy, "other.test", get("/")).await;
    assert!(other.is_err(), "its own self-signed certificate: {other:?}");
}

/// Starts a gateway with a route to an upstream, and has a request under way that takes a second.
async fn busy(prefix: &Path) -> (Kong, Client) {
    let upstream = Upstream::start().await;
    let kong = Kong::start(prefix, &[("KONG_ADMIN_LISTEN", "127.0.0.1:0")]);
    let document = json!({
        "_format_version": "3.0",
        "services": [{ "name": "s", "host": "u", "routes": [{ "name": "r", "paths": ["/"] }] }],
        "upstreams": [{ "name": "u", "targets": [{ "target": upstream.address.to_string() }] }],
    });
    assert_eq!(
        support::post(kong.listens["admin"], "/config", &document.to_string())
            .await
            .0,
        201
    );
    let (_, _, ready) = support::get(kong.listens["status"], "/status/ready").await;
    assert_eq!(
        serde_json::from_str::<Value>(&ready).unwrap()["message"],
        "ready"
    );
    let mut client = Client::connect(kong.listens["proxy"]).await;
    client
        .send("GET /s/200/1000 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    upstream.until_asked(1).await;
    (kong, client)
}

#[tokio::test]
async fn kong_quit_waits_until_the_last_answer_is_out() {
    let folder = tempfile::tempdir().unwrap();
    let (mut kong, mut client) = busy(folder.path()).await;
    let quit = tokio::process::Command::new(PROGRAM)
        .arg("quit")
        .env("KONG_PREFIX", folder.path())
        .kill_on_drop(true)
        .output();
    let (answer, output) = tokio::join!(client.answer(), quit);
    assert_eq!(answer.unwrap().0, 200);
    let output = output.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(kong.ended().await, Some(0));

    let output = Command::new(PROGRAM)
        .args(["quit", "-p"])
        .arg(folder.path().join("none"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("no gateway runs in prefix"),
        "{said}"
    );
}

#[tokio::test]
async fn signals_end_it_gracefully_too() {
    for signal in ["QUIT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let (mut kong, mut client) = busy(folder.path()).await;
        let kill = format!("kill -{signal} {}", kong.child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(client.answer().await.unwrap().0, 200, "{signal}");
        assert_eq!(kong.ended().await, Some(0), "{signal}");
    }
}

#[test]
fn a_bad_variable_is_one_clear_line() {
    let output = Command::new(PROGRAM)
        .env("KONG_ADMIN_LISTEN", "8444 ssl")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        said.trim(),
        "tagalong-kong: KONG_ADMIN_LISTEN=8444 ssl: not address:port with an IP address"
    );
    assert!(!output.status.success());
}
