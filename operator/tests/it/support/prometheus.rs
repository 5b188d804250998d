//! The operator and a Prometheus as processes, without a cluster.

use super::Result;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tagalong_cluster::binaries::{Tool, ensured};
use tagalong_cluster::process::{Ground, Process};
use tagalong_cluster::until;
use tagalong_ports::Reserved;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const TIMEOUT: Duration = Duration::from_secs(60);

/// A process that serves HTTP.
pub struct Server {
    pub address: SocketAddr,
    pub process: Process,
}

/// The operator, on these manifests.
pub async fn operator(manifests: &Path, logs: &Path) -> Result<Server> {
    operator_with(manifests, logs, &[]).await
}

/// The operator, on these manifests and with more flags.
pub async fn operator_with(manifests: &Path, logs: &Path, flags: &[&str]) -> Result<Server> {
    let port = Reserved::new()?;
    let address = port.address();
    let mut command = Ground::Host.command(env!("CARGO_BIN_EXE_tagalong-operator"));
    command
        .arg("--manifests")
        .arg(manifests)
        .args(["--metrics-address", &address.to_string()])
        .args(["--push-address", "127.0.0.1:0"])
        .args(["--admin-address", "127.0.0.1:0"])
        .args(flags);
    let process = Process::start("operator", command, logs)?.keeping([port]);
    let server = Server { address, process };
    server.answers("/metrics").await?;
    Ok(server)
}

/// A Prometheus with this configuration.
pub async fn prometheus(configuration: &str, directory: &Path) -> Result<Server> {
    let (port, file) = (Reserved::new()?, directory.join("prometheus.yml"));
    let address = port.address();
    std::fs::write(&file, configuration)?;
    let mut command = Ground::Host.command(ensured(Tool::Prometheus).await?);
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            directory.join("data").display()
        ))
        .arg(format!("--web.listen-address={address}"))
        .arg("--log.level=debug");
    let process = Process::start("prometheus", command, directory)?.keeping([port]);
    let server = Server { address, process };
    server.answers("/-/ready").await?;
    Ok(server)
}

impl Server {
    async fn answers(&self, path: &str) -> Result {
        let ready = until(path, TIMEOUT, || async {
            self.get(path).await?;
            Ok(())
        });
        ready
            .await
            .map_err(|error| format!("{error}: {}", self.process.log_tail()))?;
        Ok(())
    }

    /// What it answers, if with 200.
    pub async fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status != "200" {
            return Err(format!("{path}: {head}\n{body}").into());
        }
        Ok(body.to_owned())
    }

    /// The result of a query, at a time if one is given.
    pub async fn query(&self, query: &str, time: Option<f64>) -> Result<Vec<Value>> {
        let time = time
            .map(|time| format!("&time={time:.3}"))
            .unwrap_or_default();
        let path = format!("/api/v1/query?query={}{time}", encoded(query));
        let answer: Value = serde_json::from_str(&self.get(&path).await?)?;
        let result = answer["data"]["result"].as_array();
        Ok(result.cloned().ok_or("no result")?)
    }

    /// The labels of all series that match, now or ever.
    pub async fn series(&self, matching: &str) -> Result<Vec<Value>> {
        let path = format!("/api/v1/series?match[]={}&start=0", encoded(matching));
        let answer: Value = serde_json::from_str(&self.get(&path).await?)?;
        Ok(answer["data"].as_array().cloned().ok_or("no series")?)
    }

    /// What Prometheus counted against its targets' samples, by the name of the counter; none of it may grow.
    pub async fn complaints(&self) -> Result<Value> {
        let metrics = self.get("/metrics").await?;
        let kinds = ["duplicate_timestamp", "out_of_order", "out_of_bounds"];
        let mut found = json!({});
        for kind in kinds {
            let name = format!("prometheus_target_scrapes_sample_{kind}_total ");
            let line = metrics
                .lines()
                .find_map(|line| line.strip_prefix(name.as_str()));
            found[kind] = json!(line.ok_or_else(|| format!("no {name}"))?);
        }
        Ok(found)
    }
}

fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
