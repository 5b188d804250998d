//! What the operator's log says of what strangers do at its port, and of a pod that lies otherwise each time: little.

#![allow(
    clippy::print_stdout,
    reason = "figures are for whoever reads the test's output"
)]

use crate::support;

use std::time::Duration;
use support::Result;
use support::pods::{Host, Manner, Pod, tell};
use support::prometheus::operator;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What a minute of its log may be, whatever strangers send.
const LOG: u64 = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_writes_little_into_the_log() -> Result {
    let (manifests, directory) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let (honest, liar) = (
        Host::start(21, Pod::new("kong-honest")).await?,
        Host::start(22, Pod::new("kong-liar")).await?,
    );
    let pods = [&honest, &liar].map(|host| (host.pod(), host.address));
    tell(manifests.path(), &pods)?;
    let operator = operator(manifests.path(), directory.path()).await?;
    let (end, mut number) = (Instant::now() + Duration::from_secs(4), 0);
    let (mut silent, mut connected) = (Vec::new(), 0);
    while Instant::now() < end {
        number += 1;
        let name = "x".repeat(number % 7 * 9_000);
        liar.change(|pod| {
            pod.manner = [
                Manner::Answers,
                Manner::Fails,
                Manner::CutsOff,
                Manner::Resets,
            ][number % 4];
            pod.text = Some(format!(
                "# TYPE kong_http_requests_total gauge\nkong_http_requests_total{number} 1\n\
                 # TYPE {name}{number} odd\n{name}{number} 1e400\nkong_http_requests_total 1\n"
            ));
        });
        operator.get("/metrics").await?;
        for bytes in [
            format!("GET /{number}{name} HTTP/1.1\r\nhost: {name}\r\n\r\n"),
            format!("\u{1}{number}{name}\r\n\r\n"),
            format!(
                "GET /metrics HTTP/1.1\r\nhost: a\r\nx-prometheus-scrape-timeout-seconds: {number}\r\nconnection: close\r\n\r\n"
            ),
        ] {
            let mut stream = TcpStream::connect(operator.address).await?;
            let _cut_off = stream.write_all(bytes.as_bytes()).await;
            let _cut_off =
                tokio::time::timeout(Duration::from_millis(100), stream.read(&mut [0; 100])).await;
        }
        for _ in 0..20 {
            silent.push(TcpStream::connect(operator.address).await);
            connected += 1;
        }
        // The others of this process need files, too.
        silent.drain(..silent.len().saturating_sub(1_000));
    }
    let written = std::fs::metadata(operator.process.log())?.len();
    println!("{number} rounds: {written} bytes of log");
    assert!(number > 10 && connected > 200, "{number} rounds");
    assert!(
        written > 500,
        "{written} bytes: what is to be limited is not there"
    );
    assert!(written <= LOG, "{written} bytes");
    Ok(())
}
