use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Answers one request with these bytes, then hangs up; without any, it hangs.
async fn pod(answer: Option<Vec<u8>>) -> PodTarget {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a caller");
        let mut request = [0; 4096];
        let _length = stream.read(&mut request).await;
        match answer {
            Some(answer) => stream.write_all(&answer).await.expect("answered"),
            None => std::future::pending().await,
        }
    });
    PodTarget {
        uid: "u".into(),
        pod: Key::new("default", "pod"),
        dataplane: Key::new("default", "kong"),
        ends: false,
        address,
        url: format!("http://{address}"),
    }
}

async fn got(answer: Option<Vec<u8>>) -> Result<String, FetchError> {
    let target = pod(answer).await;
    let limits = PodLimits {
        bytes: 1000,
        samples: 10,
    };
    let deadline = Instant::now() + Duration::from_secs(3);
    let source = fetch(
        &target,
        Aggregate::Enriched,
        &limits,
        &Semaphore::new(1),
        deadline,
    )
    .await?;
    let mut merger = tagalong_exposition::merge::Merger::default();
    merger.add_finished(&source);
    let mut merged = merger.finish(tagalong_exposition::merge::Format::Text);
    let mut out = Vec::new();
    while merged.next(&mut out) {}
    let text = String::from_utf8(out).expect("text");
    Ok(text.replace(&target.url, "URL"))
}

fn answer(head: &str, body: &[u8]) -> Option<Vec<u8>> {
    answer_of("x-tagalong-pod-uid: u\r\n", head, body)
}

fn answer_of(uid: &str, head: &str, body: &[u8]) -> Option<Vec<u8>> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{uid}{head}\r\n");
    Some([head.as_bytes(), body].concat())
}

fn zipped(text: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text).expect("memory");
    gzip.finish().expect("memory")
}

#[tokio::test]
async fn plain_and_gzip() {
    let line = "a{dataplane=\"kong\",dataplane_namespace=\"default\",dataplane_pod=\"pod\",dataplane_url=\"URL\"} 1\n";
    assert_eq!(got(answer("", b"a 1\n")).await.as_deref(), Ok(line));
    let zipped = answer("content-encoding: gzip\r\n", &zipped(b"a 1\n"));
    assert_eq!(got(zipped).await.as_deref(), Ok(line));
}

/// The sidecar leaves out at once what nobody wants.
#[tokio::test]
async fn only_what_is_wanted_is_asked_for() {
    for (samples, path) in [
        (Aggregate::Enriched, "/metrics?samples=enriched"),
        (Aggregate::All, "/metrics?samples=all"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut target = pod(None).await;
        target.address = listener.local_addr().expect("an address");
        let (limits, reading) = (PodLimits::default(), Semaphore::new(1));
        let deadline = Instant::now() + Duration::from_secs(60);
        let asked = async {
            let (mut stream, _) = listener.accept().await.expect("a caller");
            let mut request = [0; 4096];
            let length = stream.read(&mut request).await.expect("a request");
            String::from_utf8_lossy(&request[..length]).into_owned()
        };
        let fetched = fetch(&target, samples, &limits, &reading, deadline);
        let (_hung_up, asked) = tokio::join!(fetched, asked);
        assert!(
            asked.starts_with(&format!("GET {path} HTTP/1.1\r\n")),
            "{asked}"
        );
    }
}

#[tokio::test]
async fn each_fault_has_its_name() {
    let other = answer_of("x-tagalong-pod-uid: v\r\n", "", b"a 1\n");
    assert_eq!(got(other).await, Err(FetchError::OtherPod("v".into())));
    let nameless = answer_of("", "", b"a 1\n");
    assert_eq!(
        got(nameless).await,
        Err(FetchError::OtherPod(String::new()))
    );
    assert_eq!(
        got(answer("", &[b'a'; 1001])).await,
        Err(FetchError::TooLong(1000))
    );
    let bomb = answer("content-encoding: gzip\r\n", &zipped(&vec![b'a'; 1 << 20]));
    assert_eq!(got(bomb).await, Err(FetchError::TooLong(1000)));
    let many: String = (0..11).map(|i| format!("a{i} 1\n")).collect();
    assert_eq!(
        got(answer("", many.as_bytes())).await,
        Err(FetchError::TooMany(10))
    );
    let junk = answer("content-encoding: gzip\r\n", b"junk");
    assert_eq!(got(junk).await, Err(FetchError::Encoding));
    let half = answer("content-encoding: gzip\r\n", &zipped(b"a 1\n")[..12]);
    assert_eq!(got(half).await, Err(FetchError::Encoding));
    let down = Some(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n".to_vec());
    assert_eq!(got(down).await, Err(FetchError::Status(502)));
    let cut = Some(
        b"HTTP/1.1 200 OK\r\nx-tagalong-pod-uid: u\r\ncontent-length: 100\r\n\r\na 1\n".to_vec(),
    );
    assert!(matches!(got(cut).await, Err(FetchError::CutOff(_))));
    assert_eq!(got(None).await, Err(FetchError::Timeout));
}

#[tokio::test]
async fn nobody_there() {
    let mut target = pod(None).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    target.address = listener.local_addr().expect("an address");
    drop(listener);
    let deadline = Instant::now() + Duration::from_secs(3);
    let reading = Semaphore::new(1);
    let failed = fetch(
        &target,
        Aggregate::All,
        &PodLimits::default(),
        &reading,
        deadline,
    )
    .await;
    let failed = failed.map(|source| source.stats());
    assert!(
        matches!(failed, Err(FetchError::Connection(_))),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_body_that_stalls_holds_up_no_other() {
    let mut stalls = answer("", b"a 1\n").expect("an answer");
    stalls.truncate(stalls.len() - 2);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (begun, stalled) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a caller");
        stream.write_all(&stalls).await.expect("written");
        let _nobody = begun.send(());
        std::future::pending::<()>().await;
    });
    let good = pod(answer("", b"b 1\n")).await;
    let bad = PodTarget {
        address,
        ..good.clone()
    };
    let (reading, limits) = (Semaphore::new(1), PodLimits::default());
    let deadline = Instant::now() + Duration::from_secs(60);
    let first = fetch(&bad, Aggregate::All, &limits, &reading, deadline);
    let second = async {
        let _ = stalled.await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        fetch(&good, Aggregate::All, &limits, &reading, deadline).await
    };
    tokio::select! {
        first = first => panic!("{:?}", first.map(|source| source.stats())),
        second = second => assert_eq!(second.expect("read").stats().samples, 1),
    }
}
