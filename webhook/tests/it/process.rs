//! The process itself: both versions of HTTP, its certificates, its end.

use crate::support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use support::{object, settings};
use tagalong_cluster::pki::Authority;
use tagalong_cluster::process::{Ground, Process};
use tagalong_cluster::{TIMEOUT, until};
use tagalong_ports::Reserved;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

struct Server {
    process: Process,
    port: u16,
    admin: u16,
}

impl Server {
    async fn start(directory: &Path) -> Self {
        let ports = [Reserved::new(), Reserved::new()]
            .map(|port| port.unwrap_or_else(|error| panic!("no port: {error}")));
        let [port, admin] = ports.each_ref().map(Reserved::port);
        let mut command = Ground::Host.command(env!("CARGO_BIN_EXE_tagalong-webhook"));
        command
            .arg(format!("--listen=127.0.0.1:{port}"))
            .arg(format!("--admin-address=127.0.0.1:{admin}"))
            .arg(format!("--tls-dir={}", directory.display()))
            .arg(format!("--sidecar-image={}", settings().image))
            .arg(format!("--labels-url={}", settings().labels_url));
        let process = Process::start("webhook", command, directory);
        Self {
            process: process
                .unwrap_or_else(|error| panic!("{error}"))
                .keeping(ports),
            port,
            admin,
        }
    }

    async fn admin(&self, path: &str) -> tagalong_cluster::Result<(StatusCode, String)> {
        let address = format!("127.0.0.1:{}", self.admin);
        until("the admin port", TIMEOUT, || async {
            let stream = TcpStream::connect(&address).await?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            let request = Request::get(path)
                .header("host", "x")
                .body(Full::<Bytes>::default())?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        })
        .await
    }

    async fn ready(&self) -> tagalong_cluster::Result<()> {
        until("readiness", TIMEOUT, || async {
            match self.admin("/readyz").await? {
                (StatusCode::OK, _) => Ok(()),
                (_, missing) => Err(missing.into()),
            }
        })
        .await
    }

    /// The most memory that it ever had, in KiB.
    fn peak(&self) -> Result<u64, Box<dyn std::error::Error>> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(peak.ok_or("no peak")?.parse()?)
    }

    async fn connect(
        &self,
        authority: &Authority,
        protocol: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(authority.certificate().as_bytes());
        roots
            .add(ca.map_err(std::io::Error::other)?)
            .map_err(std::io::Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = config
            .map_err(std::io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from("127.0.0.1").map_err(std::io::Error::other)?;
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }
}

fn review() -> Request<Full<Bytes>> {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "u", "operation": "CREATE", "object": object("smallest")},
    });
    Request::post("https://127.0.0.1/mutate?timeout=3s")
        .header("host", "127.0.0.1")
        .header("content-type", "application/json")
        .body(Full::from(review.to_string()))
        .unwrap_or_default()
}

async fn is_injected(response: Response<Incoming>) -> bool {
    let ok = response.status() == StatusCode::OK;
    let body = response
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    ok && body["response"]["allowed"] == true && body["response"]["patchType"] == "JSONPatch"
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_and_the_end_is_in_order()
-> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let authority = Authority::new("ca")?;
    authority
        .server(&["127.0.0.1"])?
        .write(directory.path(), "tls")?;
    let server = Server::start(directory.path()).await;
    server.ready().await?;

    let stream = TokioIo::new(server.connect(&authority, "http/1.1").await?);
    let (mut http1, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection);
    assert!(is_injected(http1.send_request(review()).await?).await);
    assert!(
        is_injected(http1.send_request(review()).await?).await,
        "and again on the same connection"
    );

    let stream = TokioIo::new(server.connect(&authority, "h2").await?);
    let (http2, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    let many = (0..16).map(|_| {
        let mut http2 = http2.clone();
        tokio::spawn(async move {
            Ok::<_, hyper::Error>(is_injected(http2.send_request(review()).await?).await)
        })
    });
    for answered in many.collect::<Vec<_>>() {
        assert!(answered.await??);
    }
    let (_, metrics) = server.admin("/metrics").await?;
    assert!(
        metrics
            .contains("tagalong_webhook_reviews_total{kind=\"DataPlane\",verdict=\"injected\"} 18"),
        "{metrics}"
    );

    // The API server learns late that a pod is on its way out: reviews are still taken after SIGTERM.
    let Server {
        process,
        port,
        admin,
    } = server;
    let log = process.log().to_owned();
    let ending = tokio::task::spawn_blocking(move || process.stop(Duration::from_secs(60)));
    until("the drain", TIMEOUT, || async {
        let log = std::fs::read_to_string(&log)?;
        if log.contains("drains") {
            Ok(())
        } else {
            Err(log.into())
        }
    })
    .await?;
    let mut late = http2.clone();
    assert!(is_injected(late.send_request(review()).await?).await);
    let status = ending.await?;
    assert!(
        status.is_some_and(|status| status.success()),
        "{status:?} {port} {admin}"
    );
    Ok(())
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_taken_up_without_a_restart()
-> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let (first, second) = (Authority::new("first")?, Authority::new("second")?);
    let write = |authority: &Authority| {
        authority
            .server(&["127.0.0.1"])?
            .write(directory.path(), "tls")
    };
    write(&first)?;
    let server = Server::start(directory.path()).await;
    let trusted = async |authority: &Authority| {
        until("a certificate of this authority", TIMEOUT, || async {
            Ok(server.connect(authority, "h2").await?)
        })
        .await
    };
    trusted(&first).await?;
    assert!(server.connect(&second, "h2").await.is_err());
    write(&second)?;
    trusted(&second).await?;
    assert!(server.connect(&first, "h2").await.is_err());
    Ok(())
}

#[tokio::test]
async fn it_is_ready_only_with_a_certificate() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let server = Server::start(directory.path()).await;
    let (status, missing) = server.admin("/readyz").await?;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(missing.contains("certificate"), "{missing}");
    assert_eq!(server.admin("/healthz").await?.0, StatusCode::OK);
    // It ends at once, although it never began.
    let Server { process, .. } = server;
    let status = tokio::task::spawn_blocking(move || process.stop(Duration::from_secs(60))).await?;
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    Ok(())
}

#[test]
fn bad_flags_are_told_and_nothing_starts() -> std::io::Result<()> {
    let good = [
        "--tls-dir=/nowhere",
        "--sidecar-image=a:1",
        "--labels-url=https://operator:8443/v1/labels",
    ];
    for (bad, part) in [
        ("--sidecar-image=a b", "image"),
        ("--labels-url=http://operator/v1/labels", "https"),
        ("--sidecar-port=80", "1024"),
        (
            "--sidecar-resources={\"limits\":{\"memory\":\"1Mi\"}}",
            "16Mi",
        ),
        ("--sidecar-log=tagalong_sidecar=loud", "try `info`"),
        ("--sidecar-security-context={\"runAsuser\":1}", "runAsuser"),
        ("--native-sidecars=maybe", "`always` or `never`"),
        (
            "--native-sidecars=auto",
            "use `always` from Kubernetes 1.29 on",
        ),
    ] {
        let flag = bad.split('=').next().unwrap_or_default();
        let flags = good
            .iter()
            .filter(|good| !good.starts_with(flag))
            .chain([&bad]);
        let ended = std::process::Command::new(env!("CARGO_BIN_EXE_tagalong-webhook"))
            .args(flags)
            .output()?;
        assert_eq!(ended.status.code(), Some(2), "{bad}");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(said.contains(part) && said.contains(flag), "{said}");
    }
    Ok(())
}

/// Who announces much and sends nothing costs the others nothing, and who sends much does not kill it.
#[tokio::test]
async fn a_flood_neither_stops_it_nor_exhausts_its_memory() -> Result<(), Box<dyn std::error::Error>>
{
    let directory = tempfile::tempdir()?;
    let authority = Authority::new("ca")?;
    authority
        .server(&["127.0.0.1"])?
        .write(directory.path(), "tls")?;
    let server = Server::start(directory.path()).await;
    let server = Arc::new(server);
    let authority = Arc::new(authority);
    server.ready().await?;

    let stream = TokioIo::new(server.connect(&authority, "h2").await?);
    let (http2, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    let silent: Vec<_> = (0..24)
        .map(|_| tokio::spawn(silence(Arc::clone(&server), Arc::clone(&authority))))
        .collect();
    until("silent requests to be given up", TIMEOUT, || async {
        let (_, metrics) = server.admin("/metrics").await?;
        if metrics.contains("errors_total{code=\"408\"}") {
            Ok(())
        } else {
            Err(metrics.into())
        }
    })
    .await?;
    for _ in 0..100 {
        assert!(is_injected(http2.clone().send_request(review()).await?).await);
    }
    for task in silent {
        task.abort();
    }

    let bodies = [vec![b' '; 4 << 20], large("x", "[", "{\"\":1},", 4 << 20)].map(Bytes::from);
    let many: Vec<_> = (0..64 * 16)
        .step_by(16)
        .map(|number| {
            let (server, authority) = (Arc::clone(&server), Arc::clone(&authority));
            let body = bodies[number / 16 % 2].clone();
            tokio::spawn(async move { sixteen(&server, &authority, body).await.is_ok() })
        })
        .collect();
    for task in many {
        task.await?;
    }
    // The connection from before may have had to make way: it comes from the address that held most places.
    let stream = TokioIo::new(server.connect(&authority, "h2").await?);
    let (mut http2, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    assert!(is_injected(http2.send_request(review()).await?).await);
    let peak = server.peak()?;
    assert!(peak <= LARGEST_PEAK, "{peak} KiB");
    Ok(())
}

/// Whatever one review is: what nobody looks at is not built, and what is looked at has its limit.
#[tokio::test]
async fn no_single_review_takes_much_memory() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let authority = Authority::new("ca")?;
    authority
        .server(&["127.0.0.1"])?
        .write(directory.path(), "tls")?;
    let server = Server::start(directory.path()).await;
    server.ready().await?;
    let stream = TokioIo::new(server.connect(&authority, "http/1.1").await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection);
    let most = (4 << 20) - 4096;
    for (what, body, injected) in [
        (
            "variables",
            large("env", "[", "{\"name\":\"A1\"},", 1 << 20),
            true,
        ),
        (
            "numbers in a field of the pod",
            large("x", "[", "1,", most),
            true,
        ),
        (
            "maps in a field of the pod",
            large("x", "[", "{\"\":1},", most),
            true,
        ),
        (
            "depth in a field of the pod",
            large("x", &"[".repeat(most / 2), "", most / 2),
            true,
        ),
        ("fields of the pod", large("x", "{", "\"\":1,", most), true),
        ("volumes", large("volumes", "[", "{\"\":1},", most), false),
        (
            "containers",
            large("containers", "[", "{\"\":1},", most),
            false,
        ),
        (
            "variables of Kong",
            large("env", "[", "{\"name\":\"KONG_\"},", most),
            false,
        ),
        ("a long name", long_name(most), true),
    ] {
        let before = server.peak()?;
        let mut request = review();
        *request.body_mut() = Full::from(body);
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        assert_eq!(response.status(), StatusCode::OK, "{what}");
        assert_eq!(is_injected(response).await, injected, "{what}");
        let peak = server.peak()?;
        assert!(peak <= LARGEST_PEAK, "{what}: {peak} KiB, before {before}");
    }
    let log = std::fs::read_to_string(server.process.log())?;
    assert!(log.len() < 20 << 10, "{} bytes of log", log.len());
    Ok(())
}

/// In KiB; the chart's limit is 64 MiB.
const LARGEST_PEAK: u64 = 48 << 10;

/// A review of a Deployment in whose pod `field` is very long: `begin`, then `item` again and again.
fn large(field: &str, begin: &str, item: &str, length: usize) -> Vec<u8> {
    let items = match item {
        "" => String::new(),
        item => item
            .repeat(length / item.len())
            .trim_end_matches(',')
            .to_owned(),
    };
    let end = begin.replace('[', "]").replace('{', "}");
    let value = format!("{begin}{items}{end}");
    let status = r#"{"name":"KONG_STATUS_LISTEN","value":"0.0.0.0:8100"}"#;
    let proxy = match field {
        "env" => format!("\"env\":[{status},{}", value.trim_start_matches('[')),
        _ => format!("\"env\":[{status}]"),
    };
    let containers = format!("\"containers\":[{{\"name\":\"proxy\",{proxy}}}]");
    let spec = match field {
        "env" => containers,
        field => format!("{containers},\"{field}\":{value}"),
    };
    let object = format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"x","labels":{{"tagalong.dev/inject":"enabled"}}}},"spec":{{"template":{{"spec":{{{spec}}}}}}}}}"#
    );
    asked("x", &object)
}

fn long_name(length: usize) -> Vec<u8> {
    asked(&"n".repeat(length), &object("smallest").to_string())
}

fn asked(name: &str, object: &str) -> Vec<u8> {
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","name":"{name}","object":{object}}}}}"#
    )
    .into_bytes()
}

/// The largest review is announced, and its first byte sent; again and again.
async fn silence(server: Arc<Server>, authority: Arc<Authority>) -> std::io::Result<()> {
    loop {
        let mut stream = server.connect(&authority, "http/1.1").await?;
        let head = "POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 4194304\r\n\r\n{";
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        let _ended = stream.read_to_end(&mut answer).await;
    }
}

/// Sixteen reviews at once on one connection.
async fn sixteen(
    server: &Server,
    authority: &Authority,
    body: Bytes,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TokioIo::new(server.connect(authority, "h2").await?);
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    let all: Vec<_> = (0..16)
        .map(|_| {
            let (mut sender, mut request) = (sender.clone(), review());
            *request.body_mut() = Full::new(body.clone());
            tokio::spawn(async move { sender.send_request(request).await.map(drop) })
        })
        .collect();
    for one in all {
        // Most are told that they come too slowly.
        let _answered = one.await?;
    }
    Ok(())
}

/// What a minute of its log may be, whatever strangers send.
const LOG: u64 = 100_000;

/// Names without end, of characters that are written as several, in answers of each sort; requests that are no reviews; and
/// connections.
#[tokio::test]
async fn a_flood_writes_little_into_the_log() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let authority = Authority::new("ca")?;
    authority
        .server(&["127.0.0.1"])?
        .write(directory.path(), "tls")?;
    let server = Server::start(directory.path()).await;
    server.ready().await?;

    let names = [
        "kong",
        &"x".repeat(1 << 20),
        &"\u{1}".repeat(1000),
        &"\u{e0001}".repeat(1000),
    ];
    let mut bodies: Vec<(&str, Vec<u8>)> = Vec::new();
    for name in names {
        let mut refused = object("smallest");
        refused["spec"] = json!({"template": {"spec": {"containers": [{"name": name}]}}});
        let applied = json!({"metadata": {"annotations": {"tagalong.dev/injected": name}}});
        for object in [object("smallest"), refused, applied] {
            let review = json!({
                "apiVersion": "admission.k8s.io/v1",
                "kind": "AdmissionReview",
                "request": {"uid": "u", "operation": "CREATE", "name": name, "namespace": name,
                    "kind": {"kind": name}, "object": object},
            });
            bodies.push(("/mutate", review.to_string().into_bytes()));
        }
        let bad = json!({"apiVersion": name, "kind": name, "request": name});
        bodies.push(("/mutate", bad.to_string().into_bytes()));
        bodies.push(("/mutate", name.as_bytes().to_vec()));
        bodies.push(("/elsewhere", Vec::new()));
    }
    let log = directory.path().join("webhook.log");
    let (end, mut answered) = (Instant::now() + Duration::from_secs(4), 0);
    while Instant::now() < end {
        let stream = TokioIo::new(server.connect(&authority, "http/1.1").await?);
        let (mut http1, connection) = hyper::client::conn::http1::handshake(stream).await?;
        tokio::spawn(connection);
        for (path, body) in &bodies {
            let request = Request::post(*path)
                .header("host", "127.0.0.1")
                .header("content-type", "application/json")
                .body(Full::<Bytes>::from(body.clone()))?;
            // Some answers end their connection.
            if http1.ready().await.is_ok() && http1.send_request(request).await.is_ok() {
                answered += 1;
            } else {
                let stream = TokioIo::new(server.connect(&authority, "http/1.1").await?);
                let (again, connection) = hyper::client::conn::http1::handshake(stream).await?;
                tokio::spawn(connection);
                http1 = again;
            }
        }
    }
    for _ in 0..300 {
        let _refused = server.connect(&authority, "http/1.1").await;
    }
    let written = std::fs::metadata(log)?.len();
    println!("{answered} requests: {written} bytes of log");
    assert!(answered > 200, "{answered} answers");
    assert!(
        written > 5_000,
        "{written} bytes: what is to be limited is not there"
    );
    assert!(written <= LOG, "{written} bytes");
    Ok(())
}
