//! Whatever a server in Kong's place sends: never a wrong label, never two scrapes of it at once, and as soon as it behaves
//! the next scrape is good.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

use crate::common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Reply, Sidecar, finish, labels_for, request, until, with};
use http::StatusCode;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const BODY: &str = "# TYPE kong_http_requests_total counter\n\
    kong_http_requests_total{service=\"a\",route=\"one\",code=\"200\"} 1234\n\
    kong_http_requests_total{service=\"b\",route=\"two\",code=\"200\"} 5678\n\
    kong_http_requests_total{service=\"\",route=\"\",code=\"404\"} 9\n";
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=UTF-8\r\n";
/// How long a connection that has ended may take to be seen to have.
const SEEN: Duration = Duration::from_secs(5);

/// What it does once it has sent its bytes.
#[derive(Clone, Copy)]
enum Then {
    Close,
    Reset,
    Silence,
    /// Says this again and again.
    Again(&'static str),
    /// The same, slowly.
    Drip(&'static str),
}
use Then::{Again, Close, Drip, Reset, Silence};

struct Odd {
    what: &'static str,
    sent: Vec<u8>,
    then: Then,
    /// Whether it is odd, but an answer.
    whole: bool,
}

fn odd(what: &'static str, sent: impl Into<Vec<u8>>, then: Then) -> Odd {
    Odd {
        what,
        sent: sent.into(),
        then,
        whole: false,
    }
}

fn whole(what: &'static str, sent: impl Into<Vec<u8>>) -> Odd {
    Odd {
        whole: true,
        ..odd(what, sent, Close)
    }
}

fn lengths() -> Vec<Odd> {
    let (length, half) = (BODY.len(), &BODY[..BODY.len() / 2]);
    let with = |header: &str| format!("{HEAD}{header}\r\n\r\n{BODY}");
    vec![
        odd(
            "too short",
            with(&format!("content-length: {}", length - 5)),
            Close,
        ),
        odd(
            "too long",
            with(&format!("content-length: {}", length + 5)),
            Close,
        ),
        odd(
            "two lengths",
            with(&format!("content-length: {length}\r\ncontent-length: 7")),
            Close,
        ),
        odd("less than nothing", with("content-length: -1"), Close),
        odd(
            "beside chunks",
            with("content-length: 9\r\ntransfer-encoding: chunked"),
            Close,
        ),
        odd(
            "an unknown coding",
            with("transfer-encoding: gzip, chunked"),
            Close,
        ),
        whole("no length", format!("{HEAD}\r\n{BODY}")),
        odd("no length, cut", format!("{HEAD}\r\n{half}"), Close),
        odd("no length, reset", format!("{HEAD}\r\n{half}"), Reset),
        odd("nothing", format!("{HEAD}content-length: 0\r\n\r\n"), Close),
        odd(
            "cut in the body",
            format!("{HEAD}content-length: {length}\r\n\r\n{half}"),
            Close,
        ),
        odd(
            "silent in the body",
            format!("{HEAD}content-length: {length}\r\n\r\n{half}"),
            Silence,
        ),
        odd(
            "dripping",
            format!("{HEAD}content-length: 9999\r\n\r\n"),
            Drip("#"),
        ),
    ]
}

fn chunks() -> Vec<Odd> {
    let chunked = |chunks: &str| format!("{HEAD}transfer-encoding: chunked\r\n\r\n{chunks}");
    let one = format!("{:x}\r\n{BODY}\r\n", BODY.len());
    let extended = format!("{:x};a=b;c=\"d\"\r\n{BODY}\r\n0\r\n\r\n", BODY.len());
    let bytes = BODY.bytes().map(char::from);
    let single: String = bytes.map(|byte| format!("1\r\n{byte}\r\n")).collect();
    let many = format!("1;{}\r\n#\r\n", "x".repeat(20_000)).repeat(50);
    vec![
        whole("an extension", chunked(&extended)),
        whole("a byte each", chunked(&format!("{single}0\r\n\r\n"))),
        whole("trailers", chunked(&format!("{one}0\r\nx: y\r\n\r\n"))),
        odd("long extensions", chunked(&many), Close),
        odd("no number", chunked("zz\r\n"), Silence),
        odd(
            "no end of a number",
            chunked("fffffffffffffffff1\r\nx"),
            Silence,
        ),
        odd(
            "trailers without end",
            chunked(&format!("{one}0\r\n")),
            Again("x: y\r\n"),
        ),
        odd("no end", chunked(""), Again("4\r\nx 1\n\r\n")),
        odd("cut", chunked(&one), Close),
        odd("reset", chunked(&one), Reset),
    ]
}

fn heads() -> Vec<Odd> {
    let rest = format!("content-length: {}\r\n\r\n{BODY}", BODY.len());
    let status = |status: &str| format!("HTTP/1.1 {status}\r\n{rest}");
    vec![
        whole(
            "100 before",
            format!("HTTP/1.1 100 Continue\r\n\r\n{HEAD}{rest}"),
        ),
        whole(
            "103 before",
            format!("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n{HEAD}{rest}"),
        ),
        odd("100 for ever", "", Again("HTTP/1.1 100 Continue\r\n\r\n")),
        odd(
            "101",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            Silence,
        ),
        odd("204", "HTTP/1.1 204 No Content\r\n\r\n", Close),
        odd("206", status("206 Partial Content"), Close),
        odd("302", status("302 Found\r\nlocation: /"), Close),
        odd("500, dripping", "HTTP/1.1 500 Oh\r\n\r\n", Drip("x")),
        odd("HTTP/0.9", BODY, Close),
        odd(
            "HTTP/2",
            b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0".to_vec(),
            Silence,
        ),
        odd("a head without end", HEAD, Again("x: y\r\n")),
        odd("a slow head", HEAD, Drip("x")),
        odd(
            "a header without end",
            format!("{HEAD}x: "),
            Again("yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"),
        ),
        odd("cut in the head", "HTTP/1.1 20", Close),
        odd("reset in the head", "HTTP/1.1 20", Reset),
        odd("closed at once", "", Close),
        odd("reset at once", "", Reset),
        odd("silent", "", Silence),
    ]
}

fn bodies() -> Vec<Odd> {
    let typed = |kind: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 OK\r\n{kind}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let text = "content-type: text/plain";
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xe0\x02\0\x07\xa1\xea\xdd\x02\0\0\0";
    vec![
        odd(
            "no line feed",
            format!("{HEAD}\r\n"),
            Again("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        ),
        odd(
            "no UTF-8",
            typed(text, b"k{service=\"\xff\0a\"} 1\nk{service=\"\xc3\"} 2\n"),
            Close,
        ),
        odd(
            "an open quote",
            typed(text, b"k{service=\"a\nb\"} 1\nk{service=\"a\",x=\""),
            Close,
        ),
        odd(
            "OpenMetrics without an end",
            typed(
                "content-type: application/openmetrics-text",
                BODY.as_bytes(),
            ),
            Close,
        ),
        odd(
            "protobuf",
            typed("content-type: application/vnd.google.protobuf", b"\x12\x34"),
            Close,
        ),
        odd("HTML", typed("content-type: text/html", b"<html>"), Close),
        odd("no type", typed("x: y", BODY.as_bytes()), Close),
        odd(
            "gzip",
            typed(&format!("{text}\r\ncontent-encoding: gzip"), gzip),
            Close,
        ),
        odd("gzip that is not told of", typed(text, gzip), Close),
    ]
}

/// A server that answers oddly until it is told to behave; then it ends what is open. Returns its URL, and how many
/// connections were open at once.
async fn start(odd: Odd, good: watch::Receiver<bool>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let most = Arc::new(AtomicUsize::new(0));
    let (odd, counted) = (Arc::new(odd), Arc::clone(&most));
    tokio::spawn(async move {
        let mut open = JoinSet::new();
        while let Ok((tcp, _)) = listener.accept().await {
            // Those that the other side has ended need a moment to see it.
            let _some_stay =
                tokio::time::timeout(SEEN, async { while open.join_next().await.is_some() {} })
                    .await;
            let (odd, good) = (Arc::clone(&odd), good.clone());
            open.spawn(async move { answer(tcp, &odd, good).await });
            counted.fetch_max(open.len(), Ordering::SeqCst);
        }
    });
    (format!("http://{address}/metrics"), most)
}

async fn answer(mut tcp: TcpStream, odd: &Odd, mut good: watch::Receiver<bool>) {
    let asked = tcp.read(&mut [0; 4096]).await;
    if asked.is_err() {
        return;
    }
    if *good.borrow() {
        let answer = format!("{HEAD}content-length: {}\r\n\r\n{BODY}", BODY.len());
        let _left = tcp.write_all(answer.as_bytes()).await;
        let _left = tcp.read(&mut [0; 1]).await;
        return;
    }
    tokio::select! {
        () = answer_oddly(&mut tcp, odd) => {}
        _behaves = good.wait_for(|good| *good) => {}
    }
    if matches!(odd.then, Reset) {
        tcp.set_zero_linger().expect("set");
    }
}

async fn answer_oddly(tcp: &mut TcpStream, odd: &Odd) {
    let (mut reads, mut writes) = tcp.split();
    let sends = async {
        if writes.write_all(&odd.sent).await.is_err() {
            return;
        }
        match odd.then {
            Close | Reset => {}
            Silence => std::future::pending().await,
            Again(what) => while writes.write_all(what.as_bytes()).await.is_ok() {},
            Drip(what) => {
                while writes.write_all(what.as_bytes()).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    };
    let left = async { while reads.read(&mut [0; 512]).await.is_ok_and(|read| read > 0) {} };
    tokio::select! {
        () = sends => {}
        () = left => {}
    }
}

/// Each line's name and labels, where we added some.
fn labelled(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(body);
    let lines = text.lines().filter(|line| line.contains("kubernetes_"));
    let labels = |line: &str| {
        line.rsplit_once('}')
            .map_or(line, |(front, _)| front)
            .to_owned()
    };
    lines.map(labels).collect()
}

/// The answer, unless the connection ends before its head.
async fn scrape(address: SocketAddr) -> Option<Reply> {
    let asked = with(
        request("GET", "/metrics"),
        "x-prometheus-scrape-timeout-seconds",
        "1",
    );
    let tcp = TcpStream::connect(address).await.expect("connected");
    let connecting = http1::handshake(TokioIo::new(tcp)).await;
    let (mut sender, connection) = connecting.expect("a connection");
    tokio::spawn(connection);
    Some(finish(sender.send_request(asked).await.ok()?).await)
}

async fn story(odd: Odd) {
    let (what, is_whole) = (odd.what, odd.whole);
    let (behave, good) = watch::channel(false);
    let (url, most) = start(odd, good).await;
    let sidecar = Sidecar::start(&url, &labels_for(BODY.as_bytes()));
    let answered = scrape(sidecar.address).await;
    assert_eq!(sidecar.get("/healthz").await.text(), "ok\n", "{what}");
    let codes = [
        StatusCode::OK,
        StatusCode::BAD_GATEWAY,
        StatusCode::GATEWAY_TIMEOUT,
    ];
    let status = answered.as_ref().map(|reply| reply.status);
    let known = status.is_none_or(|status| codes.contains(&status));
    assert!(known, "{what}: {status:?}");
    behave.send_replace(true);
    let mut reference = None;
    until(what, async || {
        let good = |reply: &Reply| {
            reply.status == StatusCode::OK && reply.complete && labelled(&reply.body).len() == 2
        };
        reference = scrape(sidecar.address).await.filter(good);
        reference.is_some()
    })
    .await;
    let reference = reference.expect("it was waited for");
    if is_whole {
        let answered = answered.as_ref().expect("an answer");
        assert!(answered.complete, "{what}");
        assert_eq!(answered.status, StatusCode::OK, "{what}");
        assert_eq!(answered.parts().0, reference.parts().0, "{what}");
    }
    let right = labelled(&reference.body);
    for line in answered.iter().flat_map(|reply| labelled(&reply.body)) {
        assert!(right.contains(&line), "{what}: {line}");
    }
    let most = most.load(Ordering::SeqCst);
    assert_eq!(most, 1, "{what}: connections at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_kong_sends_no_label_is_wrong_and_the_next_scrape_is_good() {
    let all = [lengths(), chunks(), heads(), bodies()];
    let all: Vec<Odd> = all.into_iter().flatten().collect();
    assert!(all.len() >= 50, "{}", all.len());
    let stories = async {
        let mut stories = JoinSet::new();
        for odd in all {
            stories.spawn_local(story(odd));
        }
        stories.join_all().await;
    };
    tokio::task::LocalSet::new().run_until(stories).await;
}
