use std::future::pending;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

/// Longer than anything here takes.
const PATIENT: Duration = Duration::from_secs(30);

/// Answers at once, never, or not at all.
struct Moody;

impl Handler for Moody {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>, _: Arc<Lifeline>) -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/panic" => panic!("a bug"),
            "/never" => pending().await,
            "/soon" => tokio::time::sleep(Duration::from_millis(300)).await,
            _ => {}
        }
        Response::new(Full::from("well"))
    }
}

struct Server {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

async fn server(limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let metrics = Arc::new(Metrics::default());
    let (stop, stopped) = oneshot::channel();
    let stopped = async {
        let _ = stopped.await;
    };
    let served = tokio::spawn(serve(
        listener,
        Arc::new(Moody),
        Arc::clone(&metrics),
        limits,
        stopped,
    ));
    Server {
        address,
        metrics,
        stop,
        served,
    }
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.expect("connected")
}

async fn send(tcp: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: pod\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.expect("sent");
}

/// What comes until the connection ends.
async fn rest(tcp: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tcp.read_to_end(&mut bytes);
    // A reset ends it too.
    let _ = tokio::time::timeout(PATIENT, read).await.expect("an end");
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn answer(tcp: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"well") {
        let read = tokio::time::timeout(PATIENT, tcp.read_buf(&mut bytes)).await;
        assert!(read.expect("an answer").expect("read") > 0, "closed");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_and_is_counted() {
    let server = server(Limits::default()).await;
    let (mut other, mut unlucky) = (connect(&server).await, connect(&server).await);
    send(&mut other, "/soon").await;
    send(&mut unlucky, "/panic").await;
    assert_eq!(rest(&mut unlucky).await, "");
    assert!(answer(&mut other).await.starts_with("HTTP/1.1 200 OK"));
    let mut next = connect(&server).await;
    send(&mut next, "/").await;
    answer(&mut next).await;
    assert_eq!(server.metrics.panics.load(Relaxed), 1);
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let server = server(limits).await;
    let mut first = connect(&server).await;
    send(&mut first, "/").await;
    answer(&mut first).await;
    let mut second = connect(&server).await;
    send(&mut second, "/").await;
    answer(&mut second).await;
    let mut third = connect(&server).await;
    let told = rest(&mut third).await;
    assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
    let (head, body) = told.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains(&format!("content-length: {}", body.len())));
    assert_eq!(server.metrics.connections_refused.load(Relaxed), 1);
    assert_eq!(server.metrics.connections.load(Relaxed), 2);

    drop(first);
    loop {
        let mut again = connect(&server).await;
        send(&mut again, "/").await;
        let mut byte = [0; 12];
        again.read_exact(&mut byte).await.expect("an answer");
        if &byte == b"HTTP/1.1 200" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_head_must_come_soon_and_be_of_a_sane_size() {
    let limits = Limits {
        first_head: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = server(limits).await;
    let (mut silent, mut slow) = (connect(&server).await, connect(&server).await);
    slow.write_all(b"GET / HTTP/1.1\r\nhost:")
        .await
        .expect("sent");
    assert_eq!(rest(&mut silent).await, "");
    assert_eq!(rest(&mut slow).await, "");

    let mut long = connect(&server).await;
    let head = format!(
        "GET / HTTP/1.1\r\nx: {}\r\n\r\n",
        "x".repeat(2 * limits.buffer)
    );
    // The server does not wait for the rest.
    let _ = long.write_all(head.as_bytes()).await;
    let told = rest(&mut long).await;
    assert!(
        told.is_empty() || told.starts_with("HTTP/1.1 431 "),
        "{told}"
    );
}

#[tokio::test]
async fn between_requests_a_connection_may_idle_for_so_long() {
    let limits = Limits {
        first_head: Duration::from_millis(100),
        next_head: Duration::from_millis(600),
        ..Limits::default()
    };
    let server = server(limits).await;
    let mut tcp = connect(&server).await;
    for _ in 0..2 {
        send(&mut tcp, "/").await;
        answer(&mut tcp).await;
        // Longer than the first head may take, and shorter than the next.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(rest(&mut tcp).await, "");
}

#[tokio::test]
async fn a_stop_lets_what_is_in_flight_end_and_closes_what_is_idle() {
    let server = server(Limits::default()).await;
    let (mut idle, mut busy) = (connect(&server).await, connect(&server).await);
    send(&mut idle, "/").await;
    answer(&mut idle).await;
    send(&mut busy, "/soon").await;
    while server.metrics.connections.load(Relaxed) < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.send(()).expect("it runs");
    assert_eq!(rest(&mut idle).await, "");
    let told = rest(&mut busy).await;
    assert!(told.ends_with("well"), "{told}");
    tokio::time::timeout(PATIENT, server.served)
        .await
        .expect("it ends")
        .expect("no panic");
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let limits = Limits {
        drain: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = server(limits).await;
    let mut stuck = connect(&server).await;
    send(&mut stuck, "/never").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.stop.send(()).expect("it runs");
    tokio::time::timeout(PATIENT, server.served)
        .await
        .expect("it ends")
        .expect("no panic");
    assert_eq!(rest(&mut stuck).await, "");
}
