//! What the kernel holds for readers that stop reading. Control groups charge it to the container, so the sidecar that lets
//! it grow is killed, and its pod is no longer ready.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a helper that fails is a test that fails; figures are for whoever reads the test's output"
)]

use crate::common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{NO_LABELS, Sidecar, until};
use tagalong_kong::CaptureKong;
use tagalong_ports::kernel_memory;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

const READERS: usize = 60;
/// What each reads before it stops: enough for a buffer that grows by itself to have grown.
const READ: usize = 6 << 20;
const MEBIBYTE: u64 = 1 << 20;

/// Asks often, reads fast, and then not at all.
pub async fn stalls(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(64 << 10).expect("a small one");
    let mut tcp = socket.connect(address).await.expect("connects");
    let request =
        b"GET /metrics HTTP/1.1\r\nhost: pod\r\nx-prometheus-scrape-timeout-seconds: 120\r\n\r\n";
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
    tcp
}

/// How long a scrape takes, which is whole.
async fn scrape(sidecar: &Sidecar) -> Duration {
    let began = Instant::now();
    assert!(sidecar.get("/metrics").await.complete);
    began.elapsed()
}

async fn slowest_of_five(sidecar: &Sidecar) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        slowest = slowest.max(scrape(sidecar).await);
    }
    slowest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stop_reading_cost_little_and_no_other_its_scrape() {
    let kong = CaptureKong::builder().capture("medium").start().await;
    let kong = kong.expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let (address, port) = (sidecar.address, sidecar.address.port());
    let mut usual = slowest_of_five(&sidecar).await;

    let (mut held, mut most, mut best) = (Vec::new(), 0, Duration::MAX);
    for round in 0..3 {
        let mut readers = JoinSet::new();
        for _ in 0..READERS {
            readers.spawn(stalls(address));
        }
        while let Some(reader) = readers.join_next().await {
            held.push(reader.expect("no panic"));
            most = most.max(kernel_memory(port).expect("ss tells"));
        }
        // Whoever has stood still for so long holds nobody up any more.
        tokio::time::sleep(tagalong_sidecar::scrape::GRACE).await;
        let took = scrape(&sidecar).await;
        usual = usual.max(slowest_of_five(&sidecar).await);
        most = most.max(kernel_memory(port).expect("ss tells"));
        println!(
            "round {round}: at most {} KiB in the kernel; another scrape {took:?}, usually {usual:?}",
            most >> 10
        );
        best = best.min(took);
    }
    // On an idle machine it is no slower than usual; what other tests do at the same time is allowed for by a quarter of
    // the time for which a reader that stops may hold others up. Sixty that do so one after another take seconds.
    let noise = tagalong_sidecar::scrape::GRACE / 4;
    assert!(
        best <= 2 * usual + noise,
        "another scrape {best:?}, usually {usual:?}"
    );
    assert!(most <= 16 * MEBIBYTE, "{} KiB", most >> 10);
    assert!(most > 0, "ss told of nothing");
    drop(held);
    until("nothing is left of connections that are gone", async || {
        kernel_memory(port).expect("ss tells") <= MEBIBYTE
    })
    .await;
}
