//! The replaying stand-in against raw captures of the real Kong, over a plain socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic, its helpers too"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use tagalong_kong::{CaptureKong, captures};

/// Sends `request` and reads until the connection ends.
fn exchange(kong: &CaptureKong, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(kong.addr()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

fn get(kong: &CaptureKong, path: &str) -> Vec<u8> {
    exchange(
        kong,
        &format!("GET {path} HTTP/1.1\r\nHost: kong\r\nConnection: close\r\n\r\n"),
    )
}

/// Status line, header lines (sorted), and what follows.
fn split(answer: &[u8]) -> (String, Vec<String>, &[u8]) {
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head");
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let mut lines = head.split("\r\n").map(str::to_owned);
    let status = lines.next().unwrap();
    let mut headers: Vec<String> = lines.collect();
    headers.sort();
    (status, headers, &answer[end + 4..])
}

/// The chunks of a body, and whether the terminating one was there.
fn chunks(mut body: &[u8]) -> (Vec<&[u8]>, bool) {
    let mut chunks = Vec::new();
    while let Some(line) = body.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return (chunks, true);
        }
        let start = line + 2;
        let end = (start + size).min(body.len());
        chunks.push(&body[start..end]);
        body = body.get(end + 2..).unwrap_or_default();
    }
    (chunks, false)
}

fn names_and_fixed_values(headers: &[String]) -> Vec<String> {
    let varies =
        |line: &&String| line.starts_with("Date:") || line.starts_with("X-Kong-Admin-Latency:");
    let mut lines: Vec<String> = headers
        .iter()
        .map(|line| {
            if varies(&line) {
                line.split(':').next().unwrap().to_owned()
            } else {
                line.clone()
            }
        })
        // What this client asked for, and the captures' client did not.
        .map(|line| line.replace("Connection: close", "Connection: keep-alive"))
        .collect();
    lines.sort();
    lines
}

#[test]
fn the_raw_captures_come_out_again_byte_for_byte_but_for_date_and_latency() {
    for name in [
        "small",
        "small-cold-start",
        "small-latency-only",
        "edge-valid",
        "medium",
    ] {
        let raw = captures::raw(name).unwrap();
        let (status, headers, framed) = split(&raw);
        let (expected, _) = chunks(framed);
        let kong = CaptureKong::builder()
            .body(expected.concat())
            .start_now()
            .unwrap();

        let answer = get(&kong, "/metrics");
        let (our_status, our_headers, our_framed) = split(&answer);
        assert_eq!(our_status, status, "{name}");
        assert_eq!(
            names_and_fixed_values(&our_headers),
            names_and_fixed_values(&headers),
            "{name}"
        );
        let (ours, ended) = chunks(our_framed);
        assert!(ended, "{name}: the terminating chunk");
        assert!(
            ours == expected,
            "{name}: the same bytes in the same chunks"
        );
    }
}

#[test]
fn a_slash_and_a_query_change_nothing() {
    let kong = CaptureKong::builder().start_now().unwrap();
    for path in ["/metrics", "/metrics/", "/metrics?x=y", "/metrics/?"] {
        let answer = get(&kong, path);
        let (_, _, framed) = split(&answer);
        assert!(
            chunks(framed).0.concat() == captures::text("small").unwrap(),
            "{path}"
        );
    }
    assert_eq!(kong.scrapes(), 4);
}

#[test]
fn what_is_no_scrape_is_answered_as_kong_does_and_not_counted() {
    let kong = CaptureKong::builder().start_now().unwrap();
    let post = exchange(
        &kong,
        "POST /metrics HTTP/1.1\r\nHost: k\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    let (status, headers, body) = split(&post);
    assert_eq!(status, "HTTP/1.1 405 Method Not Allowed");
    assert!(
        headers.contains(&"Content-Type: application/json; charset=utf-8".to_owned()),
        "{headers:?}"
    );
    assert_eq!(body, br#"{"message":"Method not allowed"}"#);

    let unknown = get(&kong, "/nope");
    let (status, _, body) = split(&unknown);
    assert_eq!(
        (status.as_str(), body),
        ("HTTP/1.1 404 Not Found", &br#"{"message":"Not found"}"#[..])
    );

    let head = exchange(
        &kong,
        "HEAD /metrics HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n",
    );
    let (status, headers, body) = split(&head);
    assert_eq!((status.as_str(), body), ("HTTP/1.1 200 OK", &b""[..]));
    assert!(
        !headers
            .iter()
            .any(|line| line.starts_with("Content-Length")),
        "{headers:?}"
    );
    assert_eq!(kong.scrapes(), 0);
}

#[test]
fn an_http_1_0_client_gets_a_length() {
    let kong = CaptureKong::builder().start_now().unwrap();
    let answer = exchange(&kong, "GET /metrics HTTP/1.0\r\n\r\n");
    let (_, headers, body) = split(&answer);
    let small = captures::text("small").unwrap();
    assert!(
        headers.contains(&format!("Content-Length: {}", small.len())),
        "{headers:?}"
    );
    assert!(body == small);
}

#[test]
fn it_fails_as_kong_fails() {
    let kong = CaptureKong::builder().error().start_now().unwrap();
    let answer = get(&kong, "/metrics");
    let (status, _, body) = split(&answer);
    assert_eq!(status, "HTTP/1.1 500 Internal Server Error");
    assert_eq!(body, br#"{"message":"An unexpected error occurred"}"#);
    kong.behave(|behaviour| behaviour.error = false);
    assert!(split(&get(&kong, "/metrics")).0.ends_with("200 OK"));
}

#[test]
fn a_cut_body_has_exactly_the_bytes_asked_for_and_no_end() {
    let small = captures::text("small").unwrap();
    for cut in [0, 1, 14_886, 14_887, 50_000, small.len(), usize::MAX] {
        let kong = CaptureKong::builder().cut_after(cut).start_now().unwrap();
        let answer = get(&kong, "/metrics");
        let (status, _, framed) = split(&answer);
        let (chunks, ended) = chunks(framed);
        assert_eq!(status, "HTTP/1.1 200 OK");
        assert!(!ended, "cut after {cut}");
        assert!(
            chunks.concat() == small[..cut.min(small.len())],
            "cut after {cut}"
        );
    }
}

#[test]
fn it_can_hang_before_and_within_a_body() {
    for kong in [
        CaptureKong::builder().hang().start_now().unwrap(),
        CaptureKong::builder()
            .hang_after(20_000)
            .start_now()
            .unwrap(),
    ] {
        let mut stream = TcpStream::connect(kong.addr()).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: k\r\n\r\n")
            .unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        let mut answer = Vec::new();
        let error = stream.read_to_end(&mut answer).unwrap_err();
        assert!(
            matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            ),
            "{error}"
        );
        assert_eq!(kong.scrapes_now(), 1);
    }
}

#[test]
fn delays_are_kept_and_scrapes_at_once_counted() {
    let kong = CaptureKong::builder()
        .first_byte_delay(Duration::from_millis(200))
        .chunk_delay(Duration::from_millis(20))
        .start_now()
        .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let start = tokio::time::Instant::now();
                get(&kong, "/metrics");
                // Eight chunks, so seven gaps.
                assert!(start.elapsed() >= Duration::from_millis(200 + 7 * 20));
            });
        }
    });
    assert_eq!((kong.scrapes(), kong.most_scrapes_at_once()), (3, 3));
    assert_eq!(kong.last_headers()["host"], "kong");
}

#[test]
fn refused_stopped_and_tls() {
    let refusing = CaptureKong::builder().refuse().start_now().unwrap();
    let error = TcpStream::connect(refusing.addr()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);

    let kong = CaptureKong::builder().start_now().unwrap();
    let address = kong.addr();
    let mut idle = TcpStream::connect(address).unwrap();
    kong.stop();
    assert_eq!(
        idle.read(&mut [0]).unwrap_or(0),
        0,
        "its connections end with it"
    );
    assert!(TcpStream::connect(address).is_err());
    let again = CaptureKong::builder().listen(address).start_now().unwrap();
    assert_eq!(again.addr(), address);
}

#[tokio::test]
async fn it_speaks_tls_with_the_certificate_it_shows() {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let kong = CaptureKong::builder().tls().start().await.unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(kong.certificate_pem().unwrap().as_bytes()).unwrap())
        .unwrap();
    let config = rustls::ClientConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(roots)
    .with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(kong.addr()).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let mut stream = connector
        .connect("localhost".try_into().unwrap(), stream)
        .await
        .unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let (_, _, framed) = split(&answer);
    assert!(chunks(framed).0.concat() == captures::text("small").unwrap());
    assert!(kong.url().starts_with("https://"));
}
