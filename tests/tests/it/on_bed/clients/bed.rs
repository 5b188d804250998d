//! Kongs, sidecars and operators.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tagalong_cluster::process::{Ground, Process};
use tagalong_cluster::programs;
use tagalong_kong::{CaptureKong, captures};
use tagalong_ports::Reserved;
use tokio::time::Instant;

use super::REFUSED_BY_DATADOG;

/// A program that serves `/metrics`.
pub struct Server {
    pub address: SocketAddr,
    _process: Process,
}

/// A capture, and who serves it.
pub struct Pod {
    pub name: String,
    pub text: Vec<u8>,
    pub kong: CaptureKong,
    pub sidecar: Server,
}

impl Pod {
    pub fn is_whole(&self) -> bool {
        self.is_plain() && self.text.len() < 1_000_000
    }

    pub fn is_plain(&self) -> bool {
        !REFUSED_BY_DATADOG.contains(&self.name.as_str())
    }
}

pub struct Bed {
    pub pods: Vec<Pod>,
    /// Over the pods whose series are all whole, and small.
    pub whole: Server,
    /// Over the pods whose answer Datadog's check does not refuse.
    pub plain: Server,
    /// Over all pods.
    pub all: Server,
    pub home: tempfile::TempDir,
}

impl Bed {
    pub fn start() -> Self {
        let packages = ["tagalong-sidecar", "tagalong-operator"];
        let binaries = programs::build(&packages).expect("they build");
        let home = tempfile::tempdir().expect("a directory");
        let names = captures::names().expect("the captures are there");
        let pods: Vec<Pod> = names
            .into_iter()
            .filter(|name| !name.starts_with("large"))
            .map(|name| pod(name, &binaries, home.path()))
            .collect();
        assert!(pods.len() > 10, "{} captures", pods.len());
        let operator = |name: &str, takes: fn(&Pod) -> bool| {
            let pods = pods.iter().filter(|pod| takes(pod));
            operator(name, pods, &binaries, home.path())
        };
        Self {
            whole: operator("whole", Pod::is_whole),
            plain: operator("plain", Pod::is_plain),
            all: operator("all", |_| true),
            pods,
            home,
        }
    }
}

/// The label table that gives every name a Service.
fn table(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let names = |label: &str| -> BTreeMap<String, serde_json::Value> {
        let start = format!("{{{label}=\"");
        let found = text
            .lines()
            .filter_map(|line| line.split_once(&start)?.1.split_once('"'))
            .filter(|(name, _)| !name.is_empty());
        found
            .enumerate()
            .map(|(number, (name, _))| {
                let service = json!({"namespace": "shop", "name": format!("{label}-{number}")});
                (name.to_owned(), service)
            })
            .collect()
    };
    json!({"type": "SNAPSHOT", "version": 1, "services": names("service"), "upstreams": names("upstream")})
        .to_string()
}

fn pod(name: String, binaries: &Path, home: &Path) -> Pod {
    let text = captures::text(&name).expect("the capture can be read");
    let kong = CaptureKong::builder().capture(&name).start_now();
    let kong = kong.expect("a stand-in");
    let labels = home.join(format!("{name}.json"));
    std::fs::write(&labels, table(&text)).expect("written");
    let mut command = Ground::Host.command(binaries.join("tagalong-sidecar"));
    command
        .arg("--kong-metrics-url")
        .arg(format!("http://{}/metrics", kong.addr()))
        .arg("--labels-file")
        .arg(labels)
        .env("TAGALONG_POD_UID", format!("uid-{name}"));
    let sidecar = server(&format!("sidecar-{name}"), "--listen", command, home);
    Pod {
        text: text.to_vec(),
        name,
        kong,
        sidecar,
    }
}

fn operator<'a>(
    name: &str,
    pods: impl Iterator<Item = &'a Pod>,
    binaries: &Path,
    home: &Path,
) -> Server {
    const KONG: &str = "gateway-operator.konghq.com";
    let mut items: Vec<_> = pods
        .map(|pod| {
            let address = pod.sidecar.address;
            json!({
                "kind": "Pod", "apiVersion": "v1",
                "metadata": {"name": pod.name, "uid": format!("uid-{}", pod.name),
                    "labels": {format!("{KONG}/selector"): "kong"}},
                "spec": {"containers": [{"name": "tagalong",
                    "ports": [{"name": "tagalong", "containerPort": address.port()}]}]},
                "status": {"phase": "Running", "podIP": address.ip().to_string()},
            })
        })
        .collect();
    let meta = json!({"name": "kong"});
    items.extend([
        json!({"kind": "DataPlane", "apiVersion": format!("{KONG}/v1beta1"), "metadata": meta,
            "status": {"selector": "kong"}}),
        json!({"kind": "DataPlaneMetricsExtension", "apiVersion": format!("{KONG}/v1alpha1"), "metadata": meta}),
        json!({"kind": "ControlPlane", "apiVersion": format!("{KONG}/v1beta1"), "metadata": meta,
            "spec": {"dataplane": "kong", "extensions": [{"kind": "DataPlaneMetricsExtension", "name": "kong"}]}}),
    ]);
    let manifests = home.join(format!("manifests-{name}"));
    std::fs::create_dir(&manifests).expect("a directory");
    let file = manifests.join("all.json");
    std::fs::write(file, json!({"items": items}).to_string()).expect("written");
    let mut command = Ground::Host.command(binaries.join("tagalong-operator"));
    command
        .arg("--manifests")
        .arg(manifests)
        .args(["--aggregate", "all"])
        .args(["--push-address", "127.0.0.1:0"])
        .args(["--admin-address", "127.0.0.1:0"]);
    let name = format!("operator-{name}");
    server(&name, "--metrics-address", command, home)
}

/// Starts it, and waits until it answers.
fn server(name: &str, flag: &str, mut command: std::process::Command, home: &Path) -> Server {
    let port = Reserved::new().expect("a port");
    let address = port.address();
    command.args([flag, &address.to_string()]);
    let process = Process::start(name, command, home).expect("it starts");
    let process = process.keeping([port]);
    let begun = Instant::now();
    while get(address, "/metrics", "*/*").is_none() {
        let waited = begun.elapsed() < Duration::from_secs(60);
        assert!(waited, "{name}: {}", process.log_tail());
        std::thread::sleep(Duration::from_millis(50));
    }
    Server {
        address,
        _process: process,
    }
}

/// What is answered with 200: the Content-Type and the body.
pub fn get(address: SocketAddr, path: &str, accept: &str) -> Option<(String, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    if !head.starts_with("http/1.1 200") {
        return None;
    }
    let header = |name: &str| {
        let mut lines = head.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
    };
    let body = &answer[end + 4..];
    let chunked = header("transfer-encoding:").is_some_and(|coding| coding == "chunked");
    let body = if chunked {
        joined(body)?
    } else {
        body.to_vec()
    };
    Some((header("content-type:")?, body))
}

/// The body without the framing of its chunks; nothing if it is not whole.
fn joined(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + length)?);
        rest = rest.get(end + length + 4..)?;
    }
}
