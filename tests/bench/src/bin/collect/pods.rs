//! Stand-ins for sidecars: each an address on loopback that answers with bytes made ready before.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How a pod answers.
#[derive(Clone)]
pub enum Manner {
    /// With this body.
    Body(Bytes),
    /// Never.
    Hangs,
    /// With half of this body.
    CutsOff(Bytes),
    /// With 500.
    Fails,
}

/// Starts a pod for each manner; they live as long as the runtime.
pub async fn start(manners: Vec<Manner>) -> io::Result<Vec<SocketAddr>> {
    let mut addresses = Vec::with_capacity(manners.len());
    for (at, manner) in manners.into_iter().enumerate() {
        let [.., high, low] = (at + 1).to_be_bytes();
        let ip = IpAddr::V4(Ipv4Addr::new(127, 9, high, low));
        let listener = TcpListener::bind((ip, 0)).await?;
        addresses.push(listener.local_addr()?);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let manner = manner.clone();
                tokio::spawn(async move { answer(stream, &name(at), manner).await });
            }
        });
    }
    Ok(addresses)
}

async fn answer(mut stream: TcpStream, uid: &str, manner: Manner) -> io::Result<()> {
    let (mut head, mut buffer) = (Vec::new(), [0; 2048]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    let (status, length, body) = match &manner {
        Manner::Hangs => return std::future::pending().await,
        Manner::Body(body) => ("200 OK", body.len(), body.slice(..)),
        Manner::CutsOff(body) => ("200 OK", body.len(), body.slice(..body.len() / 2)),
        Manner::Fails => ("500 Internal Server Error", 0, Bytes::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nX-Tagalong-Pod-Uid: {uid}\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await
}

/// Manifests of a DataPlane with these pods.
pub fn manifests(addresses: &[SocketAddr]) -> Value {
    let kong = "gateway-operator.konghq.com";
    let object = |kind: &str, version: &str, rest: Value| {
        let mut object = json!({"kind": kind, "apiVersion": format!("{kong}/{version}"), "metadata": {"name": "kong"}});
        if let (Some(object), Value::Object(rest)) = (object.as_object_mut(), rest) {
            object.extend(rest);
        }
        object
    };
    let pod = |(at, address): (usize, &SocketAddr)| {
        json!({
            "kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": name(at), "uid": name(at), "labels": {format!("{kong}/selector"): "kong"}},
            "spec": {"containers": [{"name": "tagalong", "ports": [{"name": "tagalong", "containerPort": address.port()}]}]},
            "status": {"phase": "Running", "podIP": address.ip().to_string()},
        })
    };
    let mut items: Vec<Value> = addresses.iter().enumerate().map(pod).collect();
    items.extend([
        object("DataPlane", "v1beta1", json!({"status": {"selector": "kong"}})),
        object("DataPlaneMetricsExtension", "v1alpha1", json!({})),
        object(
            "ControlPlane",
            "v1beta1",
            json!({"spec": {"dataplane": "kong", "extensions": [{"kind": "DataPlaneMetricsExtension", "name": "kong"}]}}),
        ),
    ]);
    json!({"items": items})
}

/// A pod's name.
pub fn name(at: usize) -> String {
    format!("dataplane-kong-7d9f8b6c5-{at:05}")
}
