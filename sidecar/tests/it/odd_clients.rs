//! Whatever a client sends: it is answered or sent away soon, nothing hides behind its request, and others are served.

#![allow(
    clippy::expect_used,
    reason = "a helper that fails is a test that fails"
)]

use crate::common;

use std::time::Duration;

use common::{NO_LABELS, PATIENT, Sidecar};
use tagalong_kong::CaptureKong;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What comes behind a request in disguise, and must not be answered.
const HIDDEN: &str = "GET /healthz HTTP/1.1\r\nhost: hidden\r\n\r\n";

/// All that comes back until the connection ends.
async fn sends(sidecar: &Sidecar, request: &[u8]) -> String {
    let mut tcp = TcpStream::connect(sidecar.address).await.expect("connects");
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    // It may be cut off before all is sent.
    let _cut_off = tcp.write_all(request).await;
    let reading = async {
        while let Ok(read) = tcp.read(&mut buffer).await
            && read > 0
        {
            answer.extend_from_slice(&buffer[..read]);
        }
    };
    let what = || String::from_utf8_lossy(&request[..request.len().min(80)]).into_owned();
    let ended = tokio::time::timeout(PATIENT, reading).await;
    ended.unwrap_or_else(|_| panic!("nothing ends {}", what()));
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_is_refused_and_hides_none() {
    let kong = CaptureKong::builder().capture("small").start().await;
    let kong = kong.expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let bad =
        |headers: &str| format!("POST /healthz HTTP/1.1\r\nhost: a\r\n{headers}\r\n\r\n{HIDDEN}");
    for headers in [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: -1",
        "content-length: 1e1",
        "transfer-encoding : chunked",
        "transfer-encoding: xchunked",
        "x: y\r\n folded",
        "x: a\0b",
        "no colon",
    ] {
        let answer = sends(&sidecar, bad(headers).as_bytes()).await;
        assert_eq!(status(&answer), "400", "{headers}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{headers}: {answer}");
    }
    // Read as chunks or as a length: what follows is never another request.
    let both = bad("content-length: 5\r\ntransfer-encoding: chunked\r\nconnection: close");
    let answer = sends(&sidecar, both.as_bytes()).await;
    assert!(answer.matches("HTTP/1.1").count() <= 1, "{answer}");
    for (path, expected) in [
        ("/metrics/../healthz", "404"),
        ("/%6detrics", "404"),
        ("//metrics", "404"),
        ("/metrics/", "200"),
        // Nobody else is asked.
        ("http://127.0.0.1:1/metrics", "200"),
        ("*", "404"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let answer = sends(&sidecar, request.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{path}: {answer:.200}");
    }
    assert!(sidecar.get("/metrics").await.text().contains("kong_"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_or_another_protocol_is_sent_away() {
    let kong = CaptureKong::builder().capture("small").start().await;
    let kong = kong.expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let many = format!(
        "GET /healthz HTTP/1.1\r\nhost: a\r\n{}\r\n",
        "x: y\r\n".repeat(1_000)
    );
    let long = format!(
        "GET /healthz HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
        "y".repeat(1 << 20)
    );
    let hello = b"\x16\x03\x01\0\xa5\x01\0\0\xa1\x03\x03";
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for bytes in [many.as_bytes(), long.as_bytes(), hello, http2] {
        let answer = sends(&sidecar, bytes).await;
        assert_ne!(status(&answer), "200", "{answer:.200}");
    }
    // A head that does not end, and bodies that drip, keep their place for a while, and nobody else from theirs.
    let mut open = Vec::new();
    for start in [
        "GET /metrics HTTP/1.1\r\nhost: a\r\n",
        "POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\r\n",
        "",
    ] {
        let mut tcp = TcpStream::connect(sidecar.address).await.expect("connects");
        tcp.write_all(start.as_bytes()).await.expect("sent");
        open.push(tcp);
    }
    assert!(sidecar.get("/metrics").await.text().contains("kong_"));
    for mut tcp in open {
        let gone = async { while tcp.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {} };
        let ended = tokio::time::timeout(Duration::from_secs(60), gone).await;
        assert!(ended.is_ok(), "it may stay for ever");
    }
}
