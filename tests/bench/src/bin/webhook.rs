//! What one review costs, how many the webhook takes on one core, and how large its process gets.
//!
//! The process measured is `tagalong-webhook` beside this binary, asked as the API server asks: over one HTTP/2
//! connection with TLS. CPU time is the kernel's count, so that a busy machine does not change the figure.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tagalong_bench::{Figure, Good, exit, median, print_all};
use tagalong_ports::Reserved;
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, sleep};
use tokio_rustls::TlsConnector;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The DataPlane's size as JSON, in bytes.
const SIZE: usize = 20 * 1024;
/// Reviews a second that one core must take, and for how many seconds.
const RATE: u32 = 1000;
const SECONDS: u32 = 10;
/// Samples of the cost, and reviews in each: the kernel counts CPU time in hundredths of a second.
const SAMPLES: usize = 15;
const REVIEWS: u32 = 400;

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let directory = tempfile::tempdir()?;
    let webhook = Webhook::start(directory.path()).await?;
    let sender = webhook.connect().await?;
    let review = review();

    let mut costs = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let before = webhook.cpu()?;
        for _ in 0..REVIEWS {
            ask(sender.clone(), review.clone()).await?;
        }
        costs.push((webhook.cpu()? - before).as_secs_f64() * 1000.0 / f64::from(REVIEWS));
    }
    let (answered, busy) = paced(&webhook, &sender, &review).await?;

    let ok = print_all([
        Figure {
            figure: "webhook: CPU of one review of a 20 KB DataPlane, TLS and HTTP/2 included, median",
            value: median(costs),
            unit: "ms",
            floor: 1.0,
            good: Good::AtMost,
        },
        Figure {
            figure: "webhook: reviews answered without an error at 1,000 a second",
            value: f64::from(answered) / f64::from(RATE * SECONDS),
            unit: "ratio",
            floor: 1.0,
            good: Good::AtLeast,
        },
        Figure {
            figure: "webhook: cores used at 1,000 reviews a second",
            value: busy,
            unit: "cores",
            floor: 1.0,
            good: Good::AtMost,
        },
        Figure {
            figure: "webhook: resident memory, peak, after all of this",
            value: webhook.peak_memory()?,
            unit: "MiB",
            floor: 20.0,
            good: Good::AtMost,
        },
    ])?;
    Ok(exit(ok))
}

/// So many reviews a second, whether or not earlier ones are answered. Returns how many were answered rightly, and
/// the CPU seconds per second that it took.
async fn paced(
    webhook: &Webhook,
    sender: &SendRequest<Full<Bytes>>,
    review: &Bytes,
) -> Result<(u32, f64), Failure> {
    let (started, before) = (Instant::now(), webhook.cpu()?);
    let mut ticks = interval(Duration::from_secs(1) / RATE);
    let mut asked = Vec::new();
    for _ in 0..RATE * SECONDS {
        ticks.tick().await;
        asked.push(tokio::spawn(ask(sender.clone(), review.clone())));
    }
    let mut answered = 0;
    for answer in asked {
        answered += u32::from(answer.await?.is_ok());
    }
    // The ticks catch up after a stall of this machine, so the rate holds over the whole.
    let busy = (webhook.cpu()? - before).as_secs_f64() / started.elapsed().as_secs_f64();
    Ok((answered, busy))
}

async fn ask(mut sender: SendRequest<Full<Bytes>>, review: Bytes) -> Result<(), Failure> {
    let request = Request::post("https://127.0.0.1/mutate?timeout=3s")
        .header("content-type", "application/json")
        .body(Full::new(review))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    let injected = body.windows(9).any(|part| part == b"JSONPatch");
    if status == StatusCode::OK && injected {
        Ok(())
    } else {
        Err(format!("{status}").into())
    }
}

/// The review of an update, as the API server sends it: a DataPlane of [`SIZE`] bytes, and what it was before.
fn review() -> Bytes {
    let mut variables = Vec::new();
    let object = |variables: &[Value]| {
        json!({
            "apiVersion": "gateway-operator.konghq.com/v1beta1",
            "kind": "DataPlane",
            "metadata": {"name": "kong", "namespace": "default", "labels": {"tagalong.dev/inject": "enabled"}},
            "spec": {"deployment": {"podTemplateSpec": {
                "metadata": {},
                "spec": {"containers": [{"name": "proxy", "image": "kong:3.9", "env": variables, "resources": {}}]},
            }}},
        })
    };
    while object(&variables).to_string().len() < SIZE {
        let number = variables.len();
        variables.push(json!({"name": format!("KONG_NGINX_PROXY_{number}"), "value": format!("some value {number}")}));
    }
    let object = object(&variables);
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "5a1b7bd5-6f3b-4d3c-b8a1-58e1f1ab0001", "operation": "UPDATE", "namespace": "default",
            "name": "kong", "object": object, "oldObject": object},
    });
    Bytes::from(review.to_string())
}

/// The process that is measured. Killed when dropped.
struct Webhook {
    child: Child,
    _port: Reserved,
    address: SocketAddr,
    connector: TlsConnector,
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Webhook {
    async fn start(directory: &Path) -> Result<Self, Failure> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        fs::write(directory.join("tls.crt"), made.cert.pem())?;
        fs::write(directory.join("tls.key"), made.signing_key.serialize_pem())?;
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone())?;
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];

        let port = Reserved::new()?;
        let address = port.address();
        let program = std::env::current_exe()?.with_file_name("tagalong-webhook");
        let child = Command::new(&program)
            .arg(format!("--listen={address}"))
            .arg(format!("--tls-dir={}", directory.display()))
            .args([
                "--admin-address=127.0.0.1:0",
                "--native-sidecars=always",
                "--sidecar-image=sidecar:1",
            ])
            .arg("--labels-url=https://tagalong-operator.tagalong-system.svc:8443/v1/labels")
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| {
                format!("{}: {error}; build it with `make bench`", program.display())
            })?;
        let webhook = Self {
            child,
            _port: port,
            address,
            connector: TlsConnector::from(Arc::new(config)),
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).await.is_err() {
            if Instant::now() > deadline {
                return Err("the webhook does not listen".into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(webhook)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let stream = self
            .connector
            .connect(ServerName::try_from("127.0.0.1")?, stream)
            .await?;
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// User and system time so far (proc(5), fields 14 and 15 of `stat`).
    fn cpu(&self) -> io::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The second field is the program's name in parentheses, and may hold anything.
        let after_name = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest)
            .unwrap_or_default();
        let ticks: u64 = after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        // USER_HZ is 100 on every architecture that Linux still runs on.
        Ok(Duration::from_millis(ticks * 10))
    }

    fn peak_memory(&self) -> Result<f64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .ok_or("no VmHWM")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }
}
