//! Connections without end: probes are answered and scrapes are whole, else Kong's pod is restarted or goes unseen.

#![allow(
    clippy::expect_used,
    reason = "a helper that fails is a test that fails"
)]

use crate::common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{NO_LABELS, Sidecar, request, with};
use http::StatusCode;
use tagalong_kong::CaptureKong;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// The sidecar's places.
const PLACES: usize = 64;
/// Two hundred a second.
const PAUSE: Duration = Duration::from_millis(5);
/// What a probe may take.
const PROBE: Duration = Duration::from_secs(1);

/// A connection that has asked once and stays.
async fn stays(address: SocketAddr) -> TcpStream {
    let mut tcp = TcpStream::connect(address).await.expect("connects");
    let request = b"GET /healthz HTTP/1.1\r\nhost: pod\r\n\r\n";
    tcp.write_all(request).await.expect("sent");
    let mut answer = [0; 12];
    tcp.read_exact(&mut answer).await.expect("an answer");
    tcp
}

/// A probe as the kubelet sends it, and a scrape beside it.
async fn all_is_well(sidecar: &Sidecar) {
    let began = Instant::now();
    let probe = with(request("GET", "/healthz"), "connection", "close");
    let probe = sidecar.ask(probe).await;
    let took = began.elapsed();
    assert_eq!(probe.status, StatusCode::OK);
    assert!(took < PROBE, "{took:?}");
    let scrape = sidecar.get("/metrics").await;
    assert_eq!(scrape.status, StatusCode::OK);
    assert!(scrape.complete, "a scrape was cut off");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_and_scrapes_find_a_place_when_all_are_held_and_more_come() {
    let kong = CaptureKong::builder().capture("small").start().await;
    let kong = kong.expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let address = sidecar.address;
    let mut held = Vec::new();
    for _ in 0..PLACES {
        held.push(stays(address).await);
    }
    all_is_well(&sidecar).await;
    let flood = tokio::spawn(async move {
        let mut silent = Vec::new();
        loop {
            silent.push(TcpStream::connect(address).await);
            tokio::time::sleep(PAUSE).await;
        }
    });
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        all_is_well(&sidecar).await;
        tokio::time::sleep(10 * PAUSE).await;
    }
    flood.abort();
    drop(held);
}

#[tokio::test]
async fn a_probe_is_answered_when_every_place_waits_for_kong() {
    let kong = CaptureKong::builder().capture("small").hang().start().await;
    let kong = kong.expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let mut held = Vec::new();
    for _ in 0..PLACES {
        let mut tcp = TcpStream::connect(sidecar.address).await.expect("connects");
        let request = b"GET /metrics HTTP/1.1\r\nhost: pod\r\n\r\n";
        tcp.write_all(request).await.expect("sent");
        held.push(tcp);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(
        sidecar.get("/metrics").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let began = Instant::now();
    assert_eq!(sidecar.get("/healthz").await.status, StatusCode::OK);
    assert!(began.elapsed() < PROBE, "{:?}", began.elapsed());
    drop(held);
}
