//! What a scraper gets when Kong fails, and that the sidecar outlives it.

#![allow(
    clippy::expect_used,
    reason = "a helper that fails is a test that fails"
)]

use crate::common;

use std::io::Read as _;
use std::time::Duration;

use common::{NO_LABELS, Reply, Sidecar, request, value, with};
use http::StatusCode;
use tagalong_kong::CaptureKong;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// Longer than socket buffers and windows together, so that its end is not yet under way when its begin is read.
fn long_body() -> Vec<u8> {
    tagalong_kong::captures::text("medium")
        .expect("a capture")
        .repeat(3)
}

/// A server that reads a request, answers with these bytes and closes.
async fn scripted(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let _ = tcp.read(&mut [0; 4096]).await;
            let _ = tcp.write_all(answer).await;
            let _ = tcp.shutdown().await;
        }
    });
    format!("http://{address}/metrics")
}

fn timeout(seconds: &str) -> http::Request<http_body_util::Empty<bytes::Bytes>> {
    with(
        request("GET", "/metrics"),
        "x-prometheus-scrape-timeout-seconds",
        seconds,
    )
}

fn is_502(reply: &Reply, told: &str) {
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    assert_eq!(
        reply.headers["content-type"],
        "application/json; charset=utf-8"
    );
    assert!(reply.message().contains(told), "{}", reply.message());
}

#[tokio::test]
async fn kong_down_and_up_again() {
    let kong = CaptureKong::builder()
        .refuse()
        .start()
        .await
        .expect("a port");
    let address = kong.addr();
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let reply = sidecar.get("/metrics").await;
    is_502(
        &reply,
        &format!("cannot connect to Kong at http://{address}/metrics: Connection refused"),
    );
    assert_eq!(sidecar.get("/healthz").await.text(), "ok\n");

    kong.stop();
    let kong = CaptureKong::builder()
        .listen(address)
        .start()
        .await
        .expect("the same port");
    let reply = sidecar.get("/metrics").await;
    assert!(reply.parts().0 == kong.bytes());
    assert_eq!(
        value(&reply.text(), "scrapes_total{result=\"kong_unreachable\"}"),
        1
    );
}

#[tokio::test]
async fn an_error_of_kongs_is_never_an_empty_success() {
    let kong = CaptureKong::builder()
        .error()
        .start()
        .await
        .expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let reply = sidecar.get("/metrics").await;
    is_502(&reply, "answered 500 Internal Server Error");
    kong.behave(|behaviour| behaviour.error = false);
    assert_eq!(
        sidecar
            .metric("scrapes_total{result=\"kong_bad_answer\"}")
            .await,
        1
    );
}

#[tokio::test]
async fn what_is_no_exposition_is_refused() {
    for (answer, told) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"[..], "\"application/json\""),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.google.protobuf\r\nContent-Length: 0\r\n\r\n", "protobuf"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", "gzip"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answered 404 Not Found"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "answered 204"),
        (b"HTTP/1.1 301 Moved Permanently\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "answered 301"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no HTTP response"),
        (b"", "no HTTP response"),
    ] {
        let sidecar = Sidecar::start(&scripted(answer).await, NO_LABELS);
        is_502(&sidecar.get("/metrics").await, told);
    }
    // Plain HTTP where TLS was expected.
    let kong = CaptureKong::builder().start().await.expect("a Kong");
    let sidecar = Sidecar::start(&kong.url().replace("http://", "https://"), NO_LABELS);
    is_502(&sidecar.get("/metrics").await, "no TLS with Kong at ");
}

#[tokio::test]
async fn openmetrics_keeps_its_end() {
    let sidecar = Sidecar::start(
        &scripted(b"HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\nContent-Length: 13\r\n\r\nup_x 1\n# EOF\n").await,
        NO_LABELS,
    );
    let reply = sidecar.get("/metrics").await;
    assert_eq!(reply.text(), "up_x 1\n# EOF\n");
    assert_eq!(
        reply.headers["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
}

#[tokio::test]
async fn too_slow_is_504_within_the_scrapers_own_timeout() {
    let kong = CaptureKong::builder()
        .first_byte_delay(Duration::from_secs(2))
        .start()
        .await
        .expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let began = Instant::now();
    let reply = sidecar.ask(timeout("0.5")).await;
    assert_eq!(reply.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(reply.message().contains("timeout"), "{}", reply.message());
    assert!(began.elapsed() >= Duration::from_millis(440));
    assert_eq!(kong.scrapes_now(), 1, "Kong does not know, and goes on");
    // Who comes meanwhile waits for that, and has the same answer when its own time is up.
    let reply = sidecar.ask(timeout("0.2")).await;
    assert_eq!(reply.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(sidecar.ask(timeout("120")).await.parts().0 == kong.bytes());
    assert_eq!((kong.scrapes(), kong.most_scrapes_at_once()), (2, 1));
    kong.behave(|behaviour| behaviour.first_byte_delay = Duration::ZERO);
    assert_eq!(
        sidecar
            .metric("scrapes_total{result=\"kong_timeout\"}")
            .await,
        2
    );
}

#[tokio::test]
async fn a_body_that_kong_cuts_off_is_cut_off() {
    let kong = CaptureKong::builder()
        .capture("medium")
        .cut_after(3_000_000)
        .start()
        .await
        .expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let plain = sidecar.get("/metrics").await;
    assert_eq!(plain.status, StatusCode::OK);
    assert!(!plain.complete);
    assert!(!plain.body.is_empty() && plain.body.len() <= 3_000_000);
    assert!(kong.bytes().starts_with(&plain.body));

    let zipped = sidecar
        .ask(with(request("GET", "/metrics"), "accept-encoding", "gzip"))
        .await;
    assert!(!zipped.complete);
    let unzipped = flate2::read::GzDecoder::new(&*zipped.body).read_to_end(&mut Vec::new());
    assert!(unzipped.is_err(), "no clean end to the gzip stream either");

    kong.behave(|behaviour| behaviour.cut_after = None);
    assert_eq!(
        sidecar
            .metric("scrapes_total{result=\"kong_cut_off\"}")
            .await,
        2
    );
}

#[tokio::test]
async fn a_body_that_stops_is_cut_off_when_the_scrapers_time_is_up() {
    let kong = CaptureKong::builder()
        .capture("medium")
        .hang_after(1_000_000)
        .start()
        .await
        .expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let reply = sidecar.ask(timeout("1")).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(!reply.complete);
    assert!(kong.bytes().starts_with(&reply.body));
    // Only another Kong helps: this one is still at its scrape.
    let address = kong.addr();
    kong.stop();
    let _kong = CaptureKong::builder()
        .listen(address)
        .start()
        .await
        .expect("the same port");
    assert_eq!(
        sidecar.metric("scrapes_total{result=\"timed_out\"}").await,
        1
    );
}

/// A reader that has stopped reading blocks every write to it; its time is up all the same.
#[tokio::test]
async fn a_reader_that_stops_is_cut_off_when_its_time_is_up() {
    let kong = CaptureKong::builder()
        .body(long_body())
        .start()
        .await
        .expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let mut tcp = TcpStream::connect(sidecar.address)
        .await
        .expect("connected");
    tcp.write_all(
        b"GET /metrics HTTP/1.1\r\nhost: pod\r\nx-prometheus-scrape-timeout-seconds: 1\r\n\r\n",
    )
    .await
    .expect("sent");
    common::until("Kong is done", async || {
        kong.scrapes() == 1 && kong.scrapes_now() == 0
    })
    .await;
    let mut received = Vec::new();
    let _ = tcp.read_to_end(&mut received).await;
    assert!(!received.ends_with(b"0\r\n\r\n"));
    assert_eq!(
        sidecar.metric("scrapes_total{result=\"timed_out\"}").await,
        1
    );
}

#[tokio::test]
async fn http_1_0_could_not_tell_a_broken_body_from_a_whole_one() {
    let kong = CaptureKong::builder().start().await.expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let mut tcp = TcpStream::connect(sidecar.address)
        .await
        .expect("connected");
    tcp.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.expect("read");
    assert!(answer.contains(" 505 "), "{answer}");
    assert_eq!(kong.scrapes(), 0);
}

#[tokio::test]
async fn a_reader_that_leaves_leaves_kong_to_its_end() {
    let kong = CaptureKong::builder()
        .capture("medium")
        .chunk_delay(Duration::from_millis(2))
        .start()
        .await
        .expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let response = sidecar.begin("/metrics").await;
    assert_eq!(kong.scrapes_now(), 1);
    drop(response);
    let reply = sidecar.ask(timeout("120")).await;
    assert_eq!((kong.scrapes(), kong.most_scrapes_at_once()), (2, 1));
    assert_eq!(
        value(&reply.text(), "scrapes_total{result=\"reader_gone\"}"),
        1
    );

    kong.behave(|behaviour| behaviour.first_byte_delay = Duration::from_millis(500));
    let waiting = tokio::spawn(common::begin(sidecar.address, request("GET", "/metrics")));
    common::until("Kong is asked", async || kong.scrapes_now() == 1).await;
    waiting.abort();
    let _ = waiting.await;
    let reply = sidecar.ask(timeout("120")).await;
    assert_eq!((kong.scrapes(), kong.most_scrapes_at_once()), (4, 1));
    assert_eq!(
        value(&reply.text(), "scrapes_total{result=\"reader_gone\"}"),
        2
    );
}
