//! What the sidecar's log says of strangers, of a Kong that fails otherwise each time, and of an operator that does: little.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a helper that fails is a test that fails; figures are for whoever reads the test's output"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// What a minute of its log may be, whatever strangers send.
const LOG: usize = 100_000;

/// Answers each connection with other bytes, and counts them.
fn answers(bytes: fn(usize) -> String) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let Ok(mut stream) = stream else { continue };
            let _asked = stream.read(&mut [0; 4096]);
            let _left = stream.write_all(bytes(number).as_bytes());
        }
    });
    (address, count)
}

fn ask(address: SocketAddr, head: &str) {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return;
    };
    let _timeout = stream.set_read_timeout(Some(Duration::from_millis(200)));
    let _cut_off = stream.write_all(head.as_bytes());
    let _cut_off = stream.read(&mut [0; 100]);
}

#[test]
fn a_flood_writes_little_into_the_log() {
    let (kong, scrapes) = answers(|number| {
        let word = "x".repeat(number % 5 * 7_000);
        match number % 4 {
            0 => format!(
                "HTTP/1.1 5{:02} {word}\r\ncontent-length: 0\r\n\r\n",
                number % 100
            ),
            1 => format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {word}{number}\r\ncontent-length: 9\r\n\r\nx 1\n"
            ),
            2 => format!("{number}{word}\u{1}\r\n\r\n"),
            _ => "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nx 1\n"
                .to_owned(),
        }
    });
    let (operator, streams) =
        answers(|number| format!("HTTP/1.1 503 request {number}\r\ncontent-length: 0\r\n\r\n"));
    let directory = tempfile::tempdir().expect("a directory");
    let token = directory.path().join("token");
    std::fs::write(&token, "token").expect("written");
    let mut child = Command::new(env!("CARGO_BIN_EXE_tagalong-sidecar"))
        .args(["--listen=127.0.0.1:0", "--log-format=json"])
        .arg(format!("--kong-metrics-url=http://{kong}/metrics"))
        .arg(format!("--labels-url=http://{operator}/v1/labels"))
        .arg(format!("--token-file={}", token.display()))
        .arg(format!(
            "--ca-file={}",
            directory.path().join("none.crt").display()
        ))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut log = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    log.read_line(&mut line).expect("a line");
    let line: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
    let address = line["listen"].as_str().and_then(|text| text.parse().ok());
    let address: SocketAddr = address.unwrap_or_else(|| panic!("no address in {line}"));

    let (end, mut number, mut silent) = (Instant::now() + Duration::from_secs(5), 0, Vec::new());
    while Instant::now() < end {
        number += 1;
        let word = "x".repeat(number % 5 * 7_000);
        ask(
            address,
            "GET /metrics HTTP/1.1\r\nhost: pod\r\nconnection: close\r\n\r\n",
        );
        ask(
            address,
            &format!("GET /{number}{word} HTTP/1.1\r\nhost: pod\r\n\r\n"),
        );
        ask(address, &format!("\u{1}{number}{word}\r\n\r\n"));
        silent.extend((0..20).map(|_| TcpStream::connect(address)));
        // The others of this process need files, too.
        silent.drain(..silent.len().saturating_sub(400));
    }
    child.kill().expect("it ran");
    let mut written = String::new();
    log.read_to_string(&mut written).expect("UTF-8");
    child.wait().expect("it ends");
    let bytes = written.len();
    let (scrapes, streams) = (
        scrapes.load(Ordering::SeqCst),
        streams.load(Ordering::SeqCst),
    );
    println!("{number} rounds, {scrapes} scrapes, {streams} streams: {bytes} bytes of log");
    assert!(
        scrapes > 10 && streams > 1,
        "{scrapes} scrapes, {streams} streams"
    );
    assert!(bytes > 200, "what is to be limited is not there: {written}");
    assert!(bytes <= LOG, "{bytes} bytes");
}
