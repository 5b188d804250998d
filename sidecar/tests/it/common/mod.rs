//! A sidecar in this process, and scrapers.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tagalong_kong::CaptureKong;
use tagalong_sidecar::Config;
use tagalong_sidecar::config::LabelSource;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Long enough for any machine; nothing that goes well takes it.
pub const PATIENT: Duration = Duration::from_secs(60);

pub const NO_LABELS: &str = r#"{"type":"SNAPSHOT","version":1,"services":{},"upstreams":{}}"#;

/// A sidecar on a thread and runtime of its own, as in a pod.
pub struct Sidecar {
    pub address: SocketAddr,
    pub labels: PathBuf,
    _directory: tempfile::TempDir,
    /// It serves until this is dropped.
    _stop: oneshot::Sender<()>,
}

impl Sidecar {
    pub fn start(kong_url: &str, labels: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("labels.json");
        std::fs::write(&file, labels).expect("written");
        Self::start_with(kong_url, LabelSource::File(file.clone()), directory, file)
    }

    /// With a stream instead of a file, in the clear, as is allowed on loopback.
    pub fn streaming(kong_url: &str, labels_url: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let token_file = directory.path().join("token");
        std::fs::write(&token_file, "token").expect("written");
        let labels = LabelSource::Stream {
            url: labels_url.parse().expect("a URL"),
            token_file: token_file.clone(),
            ca_file: directory.path().join("none.crt"),
        };
        Self::start_with(kong_url, labels, directory, token_file)
    }

    fn start_with(
        kong_url: &str,
        labels: LabelSource,
        directory: tempfile::TempDir,
        file: PathBuf,
    ) -> Self {
        let config = Config {
            listen: "127.0.0.1:0".parse().expect("an address"),
            kong: kong_url.parse().expect("a URL"),
            labels,
            pod_uid: Some("7d1b-uid".into()),
            log: tagalong_runtime::logging::LogArgs::default(),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, address) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind(config.listen).await.expect("bound");
                bound
                    .send(listener.local_addr().expect("an address"))
                    .expect("told");
                let stop = async {
                    let _ = stopped.await;
                };
                tagalong_sidecar::serve_on(listener, config, stop)
                    .await
                    .expect("served");
            });
        });
        Self {
            address: address.recv().expect("it listens"),
            labels: file,
            _directory: directory,
            _stop: stop,
        }
    }

    pub fn at(kong: &CaptureKong, labels: &str) -> Self {
        Self::start(&kong.url(), labels)
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.ask(request("GET", path)).await
    }

    pub async fn ask(&self, request: Request<Empty<Bytes>>) -> Reply {
        ask(self.address, request).await
    }

    pub async fn begin(&self, path: &str) -> Response {
        begin(self.address, request("GET", path)).await
    }

    /// The value of one of the sidecar's own samples, as `samples=all` tells it now.
    pub async fn metric(&self, sample: &str) -> u64 {
        let text = self.get("/metrics").await.text();
        value(&text, sample)
    }
}

pub fn value(text: &str, sample: &str) -> u64 {
    let name = format!("tagalong_sidecar_{sample} ");
    text.lines()
        .find_map(|line| line.strip_prefix(&name))
        .unwrap_or_else(|| panic!("no {name}"))
        .parse()
        .expect("a number")
}

pub fn request(method: &str, path: &str) -> Request<Empty<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "pod")
        .body(Empty::new())
        .expect("a request")
}

pub fn with(
    mut request: Request<Empty<Bytes>>,
    name: &'static str,
    value: &str,
) -> Request<Empty<Bytes>> {
    request
        .headers_mut()
        .insert(name, value.parse().expect("a value"));
    request
}

pub type Response = http::Response<Incoming>;

/// A response and its body, whole or broken.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Whether the body ended as HTTP says that it ends.
    pub complete: bool,
}

impl Reply {
    pub fn text(&self) -> String {
        assert_eq!(
            self.status,
            StatusCode::OK,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        assert!(self.complete, "the body broke off");
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Kong's part of the body, and the sidecar's own families.
    pub fn parts(&self) -> (&[u8], &[u8]) {
        let own = b"# HELP tagalong_sidecar_build_info ";
        let at = self
            .body
            .windows(own.len())
            .position(|window| window == own)
            .expect("own families");
        self.body.split_at(at)
    }

    pub fn message(&self) -> String {
        let json: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        json["message"].as_str().expect("a message").to_owned()
    }
}

/// Sends a request on a connection of its own and waits for the response's head.
pub async fn begin(address: SocketAddr, request: Request<Empty<Bytes>>) -> Response {
    let sending = async {
        let tcp = TcpStream::connect(address).await.expect("connected");
        let (mut sender, connection) = http1::handshake(TokioIo::new(tcp))
            .await
            .expect("a connection");
        tokio::spawn(connection);
        sender.send_request(request).await.expect("a response")
    };
    tokio::time::timeout(PATIENT, sending)
        .await
        .expect("a head in time")
}

pub async fn finish(response: Response) -> Reply {
    let (head, mut body) = response.into_parts();
    let (mut bytes, mut complete) = (Vec::new(), true);
    let reading = async {
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(&frame.into_data().expect("data")),
                Err(_) => complete = false,
            }
        }
    };
    tokio::time::timeout(PATIENT, reading)
        .await
        .expect("a body in time");
    Reply {
        status: head.status,
        headers: head.headers,
        body: bytes,
        complete,
    }
}

pub async fn ask(address: SocketAddr, request: Request<Empty<Bytes>>) -> Reply {
    finish(begin(address, request).await).await
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENT, waiting)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

/// A labels file that gives every Kong service of an exposition a Kubernetes Service.
pub fn labels_for(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let names: std::collections::BTreeSet<&str> = text
        .split("service=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|name| !name.is_empty() && !name.contains('\\'))
        .collect();
    let services: serde_json::Map<_, _> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let service = serde_json::json!({"namespace": "shop", "name": format!("s{at}")});
            ((*name).to_owned(), service)
        })
        .collect();
    serde_json::json!({"type": "SNAPSHOT", "version": 1, "services": services, "upstreams": {}})
        .to_string()
}
