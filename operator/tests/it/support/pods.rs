//! Addresses at which stand-ins for sidecars answer, and the pods that have them just now.

use super::Result;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// How a pod answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Answers,
    Hangs,
    CutsOff,
    Resets,
    Fails,
}

/// A pod.
#[derive(Clone, Debug)]
pub struct Pod {
    pub name: String,
    pub uid: String,
    pub manner: Manner,
    /// When its counters were nothing.
    pub begun: Instant,
    /// What it answers with, if always the same.
    pub text: Option<String>,
    /// What it answers with so long after it began.
    pub counts: Option<fn(Duration) -> String>,
}

impl Pod {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            uid: format!("uid-of-{name}"),
            manner: Manner::Answers,
            begun: Instant::now(),
            text: None,
            counts: None,
        }
    }

    /// Its metrics name its own Service, so that a mix-up shows.
    fn metrics(&self) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        if let Some(counts) = self.counts {
            return counts(self.begun.elapsed());
        }
        let (name, count) = (&self.name, self.begun.elapsed().as_millis());
        let labels = format!(
            "namespace=\"default\",service=\"svc-{name}\",kubernetes_name=\"svc-{name}\",kong_service=\"k-{name}\""
        );
        format!(
            "# HELP kong_http_requests_total Requests\n# TYPE kong_http_requests_total counter\n\
             kong_http_requests_total{{{labels},code=\"200\"}} {count}\n\
             # HELP kong_upstream_latency_ms Latency\n# TYPE kong_upstream_latency_ms histogram\n\
             kong_upstream_latency_ms_bucket{{{labels},le=\"25\"}} {count}\n\
             kong_upstream_latency_ms_bucket{{{labels},le=\"+Inf\"}} {count}\n\
             kong_upstream_latency_ms_sum{{{labels}}} {count}\n\
             kong_upstream_latency_ms_count{{{labels}}} {count}\n"
        )
    }
}

/// An address, and the pod that has it.
#[derive(Clone)]
pub struct Host {
    pub address: SocketAddr,
    pod: Arc<Mutex<Pod>>,
}

impl Host {
    /// A new address, on loopback; its number tells it from others.
    pub async fn start(number: u8, pod: Pod) -> Result<Self> {
        let ip = IpAddr::V4(Ipv4Addr::new(127, 8, 0, number));
        let listener = TcpListener::bind((ip, 0)).await?;
        let host = Self {
            address: listener.local_addr()?,
            pod: Arc::new(Mutex::new(pod)),
        };
        let pod = Arc::clone(&host.pod);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let pod = pod.lock().clone();
                tokio::spawn(answer(stream, pod));
            }
        });
        Ok(host)
    }

    /// The pod that has the address now.
    pub fn pod(&self) -> Pod {
        self.pod.lock().clone()
    }

    pub fn change(&self, change: impl FnOnce(&mut Pod)) {
        change(&mut self.pod.lock());
    }
}

async fn answer(mut stream: TcpStream, pod: Pod) -> std::io::Result<()> {
    if pod.manner == Manner::Resets {
        return Ok(());
    }
    let (mut head, mut buffer) = (Vec::new(), [0; 2048]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    let body = pod.metrics();
    let (status, sent) = match pod.manner {
        Manner::Hangs => return std::future::pending().await,
        Manner::CutsOff => ("200 OK", body.len() / 2),
        Manner::Fails => ("500 Internal Server Error", body.len()),
        _ => ("200 OK", body.len()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nX-Tagalong-Pod-Uid: {}\r\n\r\n",
        body.len(),
        pod.uid
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body.as_bytes()[..sent]).await
}

/// Tells the operator that these pods are all there are, and where.
pub fn tell(directory: &Path, pods: &[(Pod, SocketAddr)]) -> Result {
    const KONG: &str = "gateway-operator.konghq.com";
    let mut items: Vec<Value> = pods
        .iter()
        .map(|(pod, address)| {
            json!({
                "kind": "Pod", "apiVersion": "v1",
                "metadata": {"name": pod.name, "uid": pod.uid, "labels": {format!("{KONG}/selector"): "kong"}},
                "spec": {"containers": [{"name": "tagalong", "ports": [{"name": "tagalong", "containerPort": address.port()}]}]},
                "status": {"phase": "Running", "podIP": address.ip().to_string()},
            })
        })
        .collect();
    let meta = json!({"name": "kong"});
    items.extend([
        json!({"kind": "DataPlane", "apiVersion": format!("{KONG}/v1beta1"), "metadata": meta, "status": {"selector": "kong"}}),
        json!({"kind": "DataPlaneMetricsExtension", "apiVersion": format!("{KONG}/v1alpha1"), "metadata": meta}),
        json!({"kind": "ControlPlane", "apiVersion": format!("{KONG}/v1beta1"), "metadata": meta,
            "spec": {"dataplane": "kong", "extensions": [{"kind": "DataPlaneMetricsExtension", "name": "kong"}]}}),
    ]);
    let written = directory.join("pods.json.new");
    std::fs::write(&written, json!({"items": items}).to_string())?;
    std::fs::rename(written, directory.join("pods.json"))?;
    Ok(())
}
