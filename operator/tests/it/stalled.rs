//! Scrapers that read fast and then stop, at the operator's port: what they cost in memory, the kernel's included, and that
//! another scrape meanwhile is whole and in time.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a helper that fails is a test that fails; figures are for whoever reads the test's output"
)]

use crate::support;

use std::net::SocketAddr;
use std::time::Duration;
use support::Result;
use support::pods::{Host, Pod, tell};
use support::prometheus::{Server, operator};
use tagalong_ports::kernel_memory;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

const SCRAPERS: usize = 60;
/// What each reads before it stops: enough for a buffer that grows by itself to have grown.
const READ: usize = 6 << 20;
const MEBIBYTE: u64 = 1 << 20;
const ROUNDS: usize = 8;
/// What `Scrape::limits` says of each of 64 connections, and what the collections of this pod may take: of each body, some
/// sixth of it is held. Held are three collections and the pod's last answer; four requests may be under way to the pod, and
/// what is being read may have room for as much again.
const ALL: u64 = 64 * (600 << 10) + (3 + 1 + 4 * 2) * BODY / 6;
const BODY: u64 = 14 * MEBIBYTE;
/// Of the pod: 14 MB.
const SAMPLES: usize = 45_000;

fn resident(operator: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", operator.process.id()));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.expect("its size") << 10
}

/// How long a scrape takes, which is whole; from another address than those that stall.
async fn scrape(operator: &Server) -> Result<Duration> {
    let began = Instant::now();
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 2], 0)))?;
    let mut tcp = socket.connect(operator.address).await?;
    let request = b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    tcp.write_all(request).await?;
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await?;
    let took = began.elapsed();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "after {took:?}");
    assert!(answer.ends_with(b"0\r\n\r\n"), "it is cut off");
    let samples = answer.windows(2).filter(|two| two == b"\nk").count();
    assert_eq!(samples, SAMPLES);
    Ok(took)
}

/// Of 14 MB.
fn pod() -> Pod {
    let route = "r".repeat(250);
    let mut body = "# TYPE kong_http_requests_total counter\n".to_owned();
    for sample in 0..SAMPLES {
        body += "kong_http_requests_total{kubernetes_name=\"echo\",route=\"";
        body += &format!("{route}-{sample}\"}} 1\n");
    }
    let mut pod = Pod::new("kong");
    pod.text = Some(body);
    pod
}

/// Asks often, reads fast, and then not at all.
async fn stalls(address: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(64 << 10).expect("a small one");
    // One too many may be sent away at once.
    let mut tcp = socket.connect(address).await.ok()?;
    let request =
        b"GET /metrics HTTP/1.1\r\nhost: a\r\nx-prometheus-scrape-timeout-seconds: 25\r\n\r\n";
    let _ = tcp.write_all(&request.repeat(8)).await;
    let (mut read, mut buffer) = (0, vec![0; 64 << 10]);
    while read < READ {
        let more = tokio::time::timeout(Duration::from_secs(20), tcp.read(&mut buffer)).await;
        match more {
            Ok(Ok(bytes)) if bytes > 0 => read += bytes,
            // Cut off already, which is as well.
            _ => break,
        }
    }
    Some(tcp)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrapers_that_stop_reading_cost_little_and_no_other_its_scrape() -> Result {
    let (manifests, directory) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let kong = Host::start(20, pod()).await?;
    tell(manifests.path(), &[(kong.pod(), kong.address)])?;
    let operator = operator(manifests.path(), directory.path()).await?;
    let mut usual = Duration::ZERO;
    for _ in 0..3 {
        usual = usual.max(scrape(&operator).await?);
    }
    let (before, mut held) = (resident(&operator), Vec::new());
    let (mut most, mut kernel, mut late) = (0, 0, Vec::new());
    for round in 0..ROUNDS {
        let mut scrapers = JoinSet::new();
        for _ in 0..SCRAPERS {
            scrapers.spawn(stalls(operator.address));
        }
        while let Some(scraper) = scrapers.join_next().await {
            held.extend(scraper?);
            let now = kernel_memory(operator.address.port())?;
            kernel = kernel.max(now);
            most = most.max(now + resident(&operator).saturating_sub(before));
        }
        let took = scrape(&operator).await?;
        usual = usual.max(scrape(&operator).await?);
        late.push(took.saturating_sub(2 * usual));
        println!(
            "round {round}: at most {} KiB more, {} of them in the kernel; another scrape {took:?}, usually {usual:?}",
            most >> 10,
            kernel >> 10
        );
    }
    assert!(held.len() > SCRAPERS, "{} came in", held.len());
    assert!(kernel > 0, "ss told of nothing");
    assert!(kernel <= 32 * MEBIBYTE, "{} KiB", kernel >> 10);
    assert!(most <= ALL, "{} KiB", most >> 10);
    // What other tests do at the same time is allowed for; readers that held it up would do so for seconds.
    late.sort();
    let (most_rounds, all_rounds) = (late[ROUNDS * 3 / 4 - 1], late[ROUNDS - 1]);
    assert!(most_rounds <= Duration::from_millis(500), "{late:?}");
    assert!(all_rounds <= Duration::from_secs(2), "{late:?}");
    drop(held);
    Ok(())
}
