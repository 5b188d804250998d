//! One Kong scrape at a time, whoever asks, and nobody waits for a slow reader.

#![allow(
    clippy::expect_used,
    reason = "a helper that fails is a test that fails"
)]

use crate::common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use common::{NO_LABELS, Reply, Sidecar, labels_for, request, value, with};
use tagalong_kong::{CaptureKong, captures};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// More than all buffers on the way hold together.
fn long_body() -> Vec<u8> {
    captures::text("medium").expect("a capture").repeat(6)
}

async fn long_kong() -> CaptureKong {
    CaptureKong::builder()
        .body(long_body())
        .start()
        .await
        .expect("a Kong")
}

/// A scraper that asks, and does not read.
async fn stuck(sidecar: &Sidecar) -> TcpStream {
    let mut tcp = TcpStream::connect(sidecar.address)
        .await
        .expect("connected");
    tcp.write_all(
        b"GET /metrics HTTP/1.1\r\nhost: pod\r\nx-prometheus-scrape-timeout-seconds: 120\r\n\r\n",
    )
    .await
    .expect("sent");
    tcp
}

async fn is_cut_off(mut tcp: TcpStream) {
    let mut received = Vec::new();
    let reading = tcp.read_to_end(&mut received);
    // A reset is as good a sign as an end without the last chunk.
    let _ = tokio::time::timeout(common::PATIENT, reading)
        .await
        .expect("an end in time");
    assert!(!received.ends_with(b"0\r\n\r\n"));
}

fn patient() -> http::Request<http_body_util::Empty<bytes::Bytes>> {
    with(
        request("GET", "/metrics"),
        "x-prometheus-scrape-timeout-seconds",
        "120",
    )
}

#[tokio::test]
async fn sixteen_that_arrive_together_cost_two_scrapes_at_most() {
    let kong = CaptureKong::builder()
        .capture("medium")
        .first_byte_delay(Duration::from_millis(100))
        .start()
        .await
        .expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let mut scrapers = JoinSet::new();
    for _ in 0..16 {
        scrapers.spawn(common::ask(sidecar.address, patient()));
    }
    for reply in scrapers.join_all().await {
        assert!(reply.complete && reply.parts().0 == kong.bytes());
    }
    assert!(kong.scrapes() <= 2, "{}", kong.scrapes());
    assert_eq!(kong.most_scrapes_at_once(), 1);
}

/// A server that, as nginx and Lua do, goes on to its end when its client has left; and how many scrapes it has run at
/// once, at most, and in all.
async fn deaf_kong(takes: Duration) -> (String, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let (now, most, all) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (told, count) = (Arc::clone(&most), Arc::clone(&all));
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let (now, most, all) = (Arc::clone(&now), Arc::clone(&told), Arc::clone(&count));
            tokio::spawn(async move {
                let _ = tcp.read(&mut [0; 4096]).await;
                all.fetch_add(1, SeqCst);
                most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                tokio::time::sleep(takes).await;
                let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nup 1\n";
                let _ = tcp.write_all(head).await;
                tokio::time::sleep(takes).await;
                let _ = tcp.write_all(b"up 2\n").await;
                now.fetch_sub(1, SeqCst);
            });
        }
    });
    (format!("http://{address}/metrics"), most, all)
}

#[tokio::test]
async fn impatient_scrapers_do_not_pile_up_in_a_kong_that_goes_on_without_them() {
    let (url, most, all) = deaf_kong(Duration::from_millis(700)).await;
    let sidecar = Sidecar::start(&url, NO_LABELS);
    for at in 0..20 {
        let method = ["GET", "HEAD"][at % 2];
        let ask = with(
            request(method, "/metrics"),
            "x-prometheus-scrape-timeout-seconds",
            "0.05",
        );
        assert_eq!(sidecar.ask(ask).await.status, 504);
    }
    let heads = with(
        request("HEAD", "/metrics"),
        "x-prometheus-scrape-timeout-seconds",
        "120",
    );
    for _ in 0..2 {
        assert_eq!(sidecar.ask(heads.clone()).await.status, 200);
    }
    let reply = sidecar.ask(patient()).await;
    assert_eq!(reply.parts().0, b"up 1\nup 2\n");
    assert_eq!(
        most.load(SeqCst),
        1,
        "scrapes at once, of {}",
        all.load(SeqCst)
    );
}

#[tokio::test]
async fn a_response_is_never_older_than_its_request() {
    let kong = CaptureKong::builder()
        .body("old 1\n")
        .first_byte_delay(Duration::from_millis(300))
        .start()
        .await
        .expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let first = tokio::spawn(common::ask(sidecar.address, patient()));
    common::until("the first is under way", async || kong.scrapes_now() == 1).await;
    let next = tokio::spawn(common::ask(sidecar.address, patient()));
    assert!(first.await.expect("a reply").complete);
    let next = next.await.expect("a reply");
    assert!(next.complete);
    assert_eq!(kong.scrapes(), 2);
    assert_eq!(kong.most_scrapes_at_once(), 1);
}

#[tokio::test]
async fn each_gets_what_it_asked_for_from_the_same_scrape() {
    let kong = CaptureKong::builder()
        .capture("medium")
        .first_byte_delay(Duration::from_millis(500))
        .start()
        .await
        .expect("a Kong");
    let sidecar = Sidecar::at(&kong, &labels_for(&kong.bytes()));
    // Its scrape is under way when the others come, so that they share the next.
    let first = tokio::spawn(common::ask(sidecar.address, patient()));
    common::until("the first is under way", async || kong.scrapes_now() == 1).await;
    let mut scrapers = JoinSet::new();
    for (at, (path, coding)) in [
        ("/metrics", "identity"),
        ("/metrics", "gzip"),
        ("/metrics", "gzip"),
        ("/metrics?samples=enriched", "identity"),
        ("/metrics?samples=enriched", "gzip"),
    ]
    .into_iter()
    .enumerate()
    {
        let ask = with(request("GET", path), "accept-encoding", coding);
        let address = sidecar.address;
        scrapers.spawn(async move { (at, common::ask(address, ask).await) });
    }
    let mut replies = scrapers.join_all().await;
    replies.sort_by_key(|(at, _)| *at);
    let bodies: Vec<Vec<u8>> = replies.into_iter().map(|(_, reply)| plain(reply)).collect();
    assert_eq!(kong.scrapes(), 2);
    assert!(first.await.expect("a reply").complete);
    assert!(bodies[0] == bodies[1] && bodies[1] == bodies[2]);
    assert!(bodies[3] == bodies[4] && bodies[3].len() < bodies[0].len());
    let text = String::from_utf8(bodies[0].clone()).expect("UTF-8");
    assert_eq!(value(&text, "shared_scrapes_total"), 4);
    // One scrape's samples are counted once, however many forms there were of it.
    let lines = text.matches(",kubernetes_kind=\"service\",").count() as u64;
    assert_eq!(
        value(&text, "samples_total{result=\"enriched\"}"),
        2 * lines
    );
}

fn plain(reply: Reply) -> Vec<u8> {
    assert!(reply.complete);
    if reply.headers.get("content-encoding").is_none() {
        return reply.body;
    }
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*reply.body), &mut plain)
        .expect("a whole gzip stream");
    plain
}

#[tokio::test]
async fn a_reader_that_stops_does_not_stall_those_who_share_its_scrape() {
    let kong = long_kong().await;
    kong.behave(|behaviour| behaviour.first_byte_delay = Duration::from_millis(500));
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let first = tokio::spawn(common::ask(sidecar.address, patient()));
    common::until("the first is under way", async || kong.scrapes_now() == 1).await;
    let slow = stuck(&sidecar).await;
    let fast: Vec<_> = (0..3)
        .map(|_| tokio::spawn(common::ask(sidecar.address, patient())))
        .collect();
    for reply in fast {
        assert!(reply.await.expect("a reply").parts().0 == kong.bytes());
    }
    let _ = first.await;
    assert_eq!(kong.scrapes(), 2);
    is_cut_off(slow).await;
    assert_eq!(
        sidecar.metric("scrapes_total{result=\"too_slow\"}").await,
        1
    );
}

#[tokio::test]
async fn a_reader_that_stops_does_not_stall_those_who_wait_for_the_next_scrape() {
    let kong = long_kong().await;
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let slow = stuck(&sidecar).await;
    common::until("the slow one is under way", async || {
        kong.scrapes_now() == 1
    })
    .await;
    let reply = sidecar.ask(patient()).await;
    assert!(reply.parts().0 == kong.bytes());
    is_cut_off(slow).await;
    assert_eq!(
        sidecar.metric("scrapes_total{result=\"too_slow\"}").await,
        1
    );
}

#[tokio::test]
async fn a_slow_reader_that_holds_nobody_up_may_take_its_time() {
    let kong = long_kong().await;
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let mut slow = stuck(&sidecar).await;
    // Longer than the grace lasts.
    tokio::time::sleep(tagalong_sidecar::scrape::GRACE * 2).await;
    assert_eq!(kong.scrapes_now(), 1, "Kong waits for the only reader");
    let mut tail = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    let reading = async {
        while !tail.ends_with(b"0\r\n\r\n") {
            let read = slow.read(&mut buffer).await.expect("read");
            assert!(read > 0, "it was cut off");
            tail = buffer[read.saturating_sub(5)..read].to_vec();
        }
    };
    tokio::time::timeout(common::PATIENT, reading)
        .await
        .expect("an end in time");
    assert_eq!(sidecar.metric("scrapes_total{result=\"ok\"}").await, 1);
}
