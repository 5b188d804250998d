//! A server of HTTP/1.1 alone, and what differs where there is HTTP/2.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Counts what it hears.
#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    refused: AtomicUsize,
    panics: AtomicUsize,
}

impl Events for Counts {
    fn opened(&self) {
        self.open.fetch_add(1, SeqCst);
    }

    fn closed(&self) {
        self.open.fetch_sub(1, SeqCst);
    }

    fn refused(&self) {
        self.refused.fetch_add(1, SeqCst);
    }

    fn panicked(&self) {
        self.panics.fetch_add(1, SeqCst);
    }
}

/// Answers at once, late, never, or not at all.
async fn moody(request: Request<Incoming>) -> Response<http_body_util::Full<bytes::Bytes>> {
    match request.uri().path() {
        "/panic" => panic!("a bug"),
        "/never" => std::future::pending().await,
        "/soon" => tokio::time::sleep(Duration::from_millis(300)).await,
        _ => {}
    }
    text(StatusCode::OK, "well")
}

struct Started {
    address: SocketAddr,
    counts: Arc<Counts>,
    trigger: drain::Trigger,
}

async fn started(limits: Limits) -> Started {
    started_as::<Http1>(limits).await
}

async fn started_as<P: Protocol>(limits: Limits) -> Started {
    let any = "127.0.0.1:0".parse().expect("an address");
    let counts = Arc::new(Counts::default());
    let server = Server::<P>::bind_as(any).await.expect("a port");
    let server = server.with_limits(limits).with_events(counts.clone());
    let (address, (trigger, drain)) = (server.address(), drain::channel());
    tokio::spawn(server.serve(moody, drain));
    Started {
        address,
        counts,
        trigger,
    }
}

async fn send(address: SocketAddr, path: &str) -> TcpStream {
    let mut tcp = TcpStream::connect(address).await.expect("connects");
    ask(&mut tcp, path).await;
    tcp
}

async fn ask(tcp: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: pod\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.expect("sent");
}

async fn answer(tcp: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"well") {
        let read = tokio::time::timeout(WAIT, tcp.read_buf(&mut bytes)).await;
        assert!(read.expect("an answer").expect("read") > 0, "closed");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What comes until the connection ends.
async fn rest(tcp: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tcp.read_to_end(&mut bytes);
    // A reset ends it too.
    let _ = tokio::time::timeout(WAIT, read).await.expect("an end");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_and_is_counted() {
    let server = started(Limits::default()).await;
    let mut other = send(server.address, "/soon").await;
    let mut unlucky = send(server.address, "/panic").await;
    assert_eq!(rest(&mut unlucky).await, "");
    assert!(answer(&mut other).await.starts_with("HTTP/1.1 200 OK"));
    answer(&mut send(server.address, "/").await).await;
    assert_eq!(server.counts.panics.load(SeqCst), 1);
}

#[tokio::test]
async fn a_head_must_come_soon_and_be_of_a_sane_size() {
    let limits = Limits {
        head: Duration::from_millis(200),
        buffer: 16 << 10,
        ..Limits::default()
    };
    for server in [started(limits).await, started_as::<Http1Or2>(limits).await] {
        let mut silent = TcpStream::connect(server.address).await.expect("connects");
        let mut slow = TcpStream::connect(server.address).await.expect("connects");
        let half = b"GET / HTTP/1.1\r\nhost:";
        slow.write_all(half).await.expect("sent");
        assert_eq!(rest(&mut silent).await, "");
        assert_eq!(rest(&mut slow).await, "");

        let mut long = TcpStream::connect(server.address).await.expect("connects");
        let head = format!(
            "GET / HTTP/1.1\r\nx: {}\r\n\r\n",
            "x".repeat(4 * limits.buffer)
        );
        // The server does not wait for the rest.
        let _ = long.write_all(head.as_bytes()).await;
        let told = rest(&mut long).await;
        assert!(
            told.is_empty() || told.starts_with("HTTP/1.1 431 "),
            "{told}"
        );
    }
}

#[tokio::test]
async fn between_requests_a_connection_may_idle_for_so_long() {
    let limits = Limits {
        head: Duration::from_millis(100),
        keep_alive: Duration::from_millis(600),
        ..Limits::default()
    };
    for server in [started(limits).await, started_as::<Http1Or2>(limits).await] {
        let mut tcp = send(server.address, "/").await;
        answer(&mut tcp).await;
        // Longer than the first head may take, and shorter than the next.
        tokio::time::sleep(Duration::from_millis(200)).await;
        ask(&mut tcp, "/").await;
        answer(&mut tcp).await;
        assert_eq!(rest(&mut tcp).await, "");
    }
}

#[tokio::test]
async fn a_drain_lets_what_is_under_way_end_closes_what_is_idle_and_does_not_wait_for_ever() {
    let server = started(Limits::default()).await;
    let mut idle = send(server.address, "/").await;
    answer(&mut idle).await;
    let mut busy = send(server.address, "/soon").await;
    let mut stuck = send(server.address, "/never").await;
    while server.counts.open.load(SeqCst) < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let drained = tokio::spawn(server.trigger.drain(Duration::from_secs(1)));
    assert_eq!(rest(&mut idle).await, "");
    let told = rest(&mut busy).await;
    assert!(told.ends_with("well"), "{told}");
    assert!(!drained.await.expect("no panic"), "one is stuck");
    assert!(TcpStream::connect(server.address).await.is_err());
    ask(&mut stuck, "/").await;
}

fn few() -> Limits {
    Limits {
        connections: 2,
        ..Limits::default()
    }
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_a_probe_is_answered() {
    let server = started(few()).await;
    let _busy = (
        send(server.address, "/never").await,
        send(server.address, "/never").await,
    );
    while server.counts.open.load(SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let told = rest(&mut send(server.address, "/").await).await;
    assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
    let (head, body) = told.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains(&format!("content-length: {}", body.len())));
    assert_eq!(server.counts.refused.load(SeqCst), 1);
    assert_eq!(server.counts.open.load(SeqCst), 2);
    for probe in ["/healthz", "/readyz"] {
        let told = rest(&mut send(server.address, probe).await).await;
        assert!(told.starts_with("HTTP/1.1 200 OK"), "{told}");
    }
}

#[tokio::test]
async fn who_idles_longest_makes_room() {
    let server = started(few()).await;
    let mut first = send(server.address, "/").await;
    answer(&mut first).await;
    let mut second = send(server.address, "/").await;
    answer(&mut second).await;
    answer(&mut send(server.address, "/").await).await;
    assert_eq!(rest(&mut first).await, "");
    assert_eq!(server.counts.refused.load(SeqCst), 0);
    ask(&mut second, "/").await;
    answer(&mut second).await;
}

#[tokio::test]
async fn probes_are_answered_under_a_flood_of_silence() {
    let server = started_as::<Http1Or2>(Limits {
        connections: 8,
        ..Limits::default()
    })
    .await;
    let address = server.address;
    let flood = tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            open.push(TcpStream::connect(address).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    for _ in 0..20 {
        let began = tokio::time::Instant::now();
        let told = rest(&mut send_last(address, "/healthz").await).await;
        assert!(told.starts_with("HTTP/1.1 200 OK"), "{told}");
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    flood.abort();
}

/// As the kubelet asks.
async fn send_last(address: SocketAddr, path: &str) -> TcpStream {
    let mut tcp = TcpStream::connect(address).await.expect("connects");
    let request = format!("GET {path} HTTP/1.1\r\nhost: pod\r\nconnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.expect("sent");
    tcp
}

#[tokio::test]
async fn who_asks_and_asks_and_never_reads_is_ended() {
    let limits = Limits {
        stall: Duration::from_millis(300),
        // The kernel's word counts, not that nothing is under way.
        idle: 10 * WAIT,
        ..Limits::default()
    };
    let server = started(limits).await;
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small one");
    let mut tcp = socket.connect(server.address).await.expect("connects");
    let request = b"GET / HTTP/1.1\r\nhost: pod\r\n\r\n".repeat(1000);
    let asks = async { while tcp.write_all(&request).await.is_ok() {} };
    let asked = tokio::time::timeout(WAIT, asks).await;
    assert!(asked.is_ok(), "it may go on for ever");
}
