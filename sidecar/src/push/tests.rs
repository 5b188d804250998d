use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::table::ActiveTable;

const PATIENT: Duration = Duration::from_secs(60);
const SNAPSHOT: &str = r#"{"type":"SNAPSHOT","version":7,"services":{"k":{"namespace":"n","name":"s"}},"upstreams":{}}"#;
const DELTA: &str = r#"{"type":"DELTA","version":8,"set":{"services":{"l":{"namespace":"n","name":"t"}},"upstreams":{}},"unset":{"services":["k"],"upstreams":[]}}"#;

/// What the operator does on its next streams: one script each, the last one again and again.
type Script = (StatusCode, Vec<&'static str>, Then);

#[derive(Clone, Copy)]
enum Then {
    /// Close the stream.
    End,
    /// Say nothing more.
    Silence,
}

struct Chunks(mpsc::UnboundedReceiver<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0
            .poll_recv(cx)
            .map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

/// An operator with a certificate of its own CA.
struct Operator {
    address: SocketAddr,
    shown: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn certificates() -> (String, Arc<rustls::ServerConfig>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca =
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).expect("names");
    let leaf = leaf.signed_by(&key, &ca).expect("signed");
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .expect("versions")
    .with_no_client_auth()
    .with_single_cert(
        vec![leaf.der().clone()],
        PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    )
    .expect("a certificate");
    config.alpn_protocols = vec![b"h2".to_vec()];
    (ca.pem(), Arc::new(config))
}

async fn operator(tls: Arc<rustls::ServerConfig>, scripts: Vec<Script>) -> Operator {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let shown = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&shown);
    let serving = tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(tls);
        let scripts = Arc::new(scripts);
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(tls) = acceptor.accept(tcp).await else {
                continue;
            };
            let (scripts, log) = (Arc::clone(&scripts), Arc::clone(&log));
            let service = service_fn(move |request: Request<Incoming>| {
                let token = request.headers()["authorization"]
                    .to_str()
                    .expect("text")
                    .to_owned();
                assert_eq!(request.uri().path(), tagalong_wire::PATH);
                let mut shown = log.lock();
                let (status, lines, then) = &scripts[shown.len().min(scripts.len() - 1)];
                let status = *status;
                shown.push(token);
                let (to, body) = mpsc::unbounded_channel();
                for line in lines {
                    // Split, so that lines do not come as frames do.
                    let (one, two) = line.split_at(line.len() / 2);
                    to.send(Bytes::from(one)).expect("sent");
                    to.send(Bytes::from(format!("{two}\n"))).expect("sent");
                }
                if matches!(then, Then::Silence) {
                    tokio::spawn(async move {
                        to.closed().await;
                    });
                }
                async move {
                    let mut response = Response::new(Chunks(body));
                    *response.status_mut() = status;
                    Ok::<_, std::convert::Infallible>(response)
                }
            });
            tokio::spawn(
                http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(tls), service),
            );
        }
    });
    Operator {
        address,
        shown,
        serving,
    }
}

struct Client {
    files: tempfile::TempDir,
    tables: TableHandle,
    metrics: Arc<Metrics>,
    following: Option<JoinHandle<()>>,
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(following) = self.following.take() {
            following.abort();
        }
    }
}

impl Client {
    fn new(ca: &str) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let client = Self {
            files,
            tables: TableHandle::default(),
            metrics: Arc::default(),
            following: None,
        };
        client.write("ca.crt", ca);
        client.write("token", "first\n");
        client
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.files.path().join(file), text).expect("written");
    }

    fn follow(&mut self, url: &str) {
        self.follow_within(url, None);
    }

    fn follow_within(&mut self, url: &str, limit: Option<u64>) {
        let file = |name| self.files.path().join(name);
        let room = Room::within(limit);
        let url = url.parse().expect("a URL");
        let mut push = LabelClient::new(url, file("token"), file("ca.crt"), room);
        push.backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(50));
        push.silence = Duration::from_secs(1);
        let follow = push.follow(Arc::clone(&self.tables), Arc::clone(&self.metrics));
        self.following = Some(tokio::spawn(follow));
    }

    fn at(ca: &str, operator: &Operator) -> Self {
        let mut client = Self::new(ca);
        client.follow(&format!("https://{}/v1/labels", operator.address));
        client
    }

    async fn until(&self, what: &str, holds: impl Fn(&Metrics, &ActiveTable) -> bool) {
        let waiting = async {
            while !holds(&self.metrics, &self.tables.load()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENT, waiting)
            .await
            .unwrap_or_else(|_| panic!("never: {what}"));
    }
}

const OK: StatusCode = StatusCode::OK;

#[tokio::test]
async fn messages_make_the_table() {
    let (ca, tls) = certificates();
    let beat = r#"{"type":"HEARTBEAT","version":8}"#;
    let news = r#"{"type":"NEWS","version":9}"#;
    let operator = operator(
        tls,
        vec![(OK, vec![SNAPSHOT, DELTA, news, beat], Then::Silence)],
    )
    .await;
    let mut client = Client::new(&ca);
    client.follow(&format!(
        "https://localhost:{}/v1/labels",
        operator.address.port()
    ));
    client
        .until("the delta is in use", |_, table| table.version == Some(8))
        .await;
    client
        .until("it is connected", |metrics, _| {
            metrics.push.connected.load(Relaxed)
        })
        .await;
    assert_eq!(
        (
            client.tables.load().labels.services(),
            client.tables.load().labels.len()
        ),
        (1, 1)
    );
    assert_eq!(operator.shown.lock()[0], "Bearer first");
    assert!(client.metrics.push.last_message.load(Relaxed) > 0);
    // Then nothing, not even a heartbeat.
    client
        .until("a new stream is opened", |metrics, _| {
            metrics.push.opened.load(Relaxed) > 1
        })
        .await;
}

#[tokio::test]
async fn whatever_breaks_a_stream_the_table_stays_and_the_next_stream_begins_anew() {
    let gap = r#"{"type":"DELTA","version":12}"#;
    let other = r#"{"type":"SNAPSHOT","version":1,"services":{},"upstreams":{"u":{"namespace":"n","name":"s"}}}"#;
    for (lines, refused, resyncs) in [
        (vec![SNAPSHOT], 0, 0),
        (vec![SNAPSHOT, gap], 0, 1),
        (vec![SNAPSHOT, r#"{"type":"HEARTBEAT","version":9}"#], 0, 1),
        (vec![SNAPSHOT, "garbage"], 1, 0),
        (
            vec![
                SNAPSHOT,
                r#"{"type":"DELTA","version":8,"set":{"services":{"":{"namespace":"n","name":"s"}}}}"#,
            ],
            1,
            0,
        ),
    ] {
        let (ca, tls) = certificates();
        let operator = operator(
            tls,
            vec![
                (OK, lines.clone(), Then::End),
                // A stream that begins with anything but a whole table is none.
                (OK, vec![DELTA], Then::Silence),
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    vec!["not ready"],
                    Then::End,
                ),
                (OK, vec![other], Then::Silence),
            ],
        )
        .await;
        let client = Client::at(&ca, &operator);
        client
            .until("the next table is in use", |_, table| {
                assert!(
                    matches!(table.version, None | Some(7 | 1)),
                    "{:?}",
                    table.version
                );
                table.version == Some(1)
            })
            .await;
        assert_eq!(client.tables.load().labels.upstreams(), 1);
        let metrics = &client.metrics;
        assert_eq!(metrics.push.resyncs.load(Relaxed), resyncs + 1, "{lines:?}");
        assert_eq!(metrics.push.failed.load(Relaxed), 3);
        let mut text = Vec::new();
        metrics.write(&client.tables.load(), &mut text);
        let text = String::from_utf8(text).expect("UTF-8");
        assert!(
            text.contains(&format!(
                "table_updates_total{{result=\"refused\"}} {refused}\n"
            )),
            "{lines:?}"
        );
        assert!(text.contains("push_connected 1\n"));
    }
}

/// A change for which there is no room makes the sidecar ask for everything, and when there is none for that either, it asks
/// no more for a while. The table in use serves on.
#[tokio::test]
async fn labels_for_which_there_is_no_room_are_refused_and_the_ones_in_use_stay() {
    let many = |from: usize, to: usize| {
        let name = |at| format!(r#""k{at}":{{"namespace":"n","name":"s{at}"}}"#);
        (from..to).map(name).collect::<Vec<_>>().join(",")
    };
    let leak = |text: String| -> &'static str { text.leak() };
    let large = leak(format!(
        r#"{{"type":"SNAPSHOT","version":1,"services":{{{}}}}}"#,
        many(0, 2000)
    ));
    let change = leak(format!(
        r#"{{"type":"DELTA","version":8,"set":{{"services":{{{}}}}}}}"#,
        many(0, 2000)
    ));
    for first in [vec![SNAPSHOT, change], vec![SNAPSHOT, DELTA, "{}"]] {
        let (ca, tls) = certificates();
        let operator = operator(
            tls,
            vec![
                (OK, first.clone(), Then::Silence),
                (OK, vec![large], Then::Silence),
            ],
        )
        .await;
        let mut client = Client::new(&ca);
        let url = format!("https://{}/v1/labels", operator.address);
        // A quarter, 64 KiB, is for labels.
        client.follow_within(&url, Some(256 * 1024));
        client
            .until("both are refused", |metrics, _| {
                metrics.push.failed.load(Relaxed) == 2
            })
            .await;
        // Many times the longest of the usual pauses.
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(client.metrics.push.opened.load(Relaxed), 2);
        let mut text = Vec::new();
        client.metrics.write(&client.tables.load(), &mut text);
        let text = String::from_utf8(text).expect("UTF-8");
        assert!(
            text.contains("table_updates_total{result=\"refused\"} 2\n"),
            "{text}"
        );
        assert_eq!(client.metrics.push.resyncs.load(Relaxed), 0);
        let table = client.tables.load();
        let version = if first.contains(&DELTA) { 8 } else { 7 };
        assert_eq!((table.version, table.labels.len()), (Some(version), 1));
    }
}

#[tokio::test]
async fn a_refusal_is_tried_again_with_the_token_of_then() {
    let (ca, tls) = certificates();
    let operator = operator(
        tls,
        vec![
            (
                StatusCode::UNAUTHORIZED,
                vec!["the token is not valid"],
                Then::End,
            ),
            (StatusCode::FORBIDDEN, vec![], Then::End),
            (OK, vec![SNAPSHOT], Then::Silence),
        ],
    )
    .await;
    let client = Client::at(&ca, &operator);
    client
        .until("it is refused", |metrics, _| {
            metrics.push.failed.load(Relaxed) >= 1
        })
        .await;
    client.write("token", "second");
    client
        .until("the table is in use", |_, table| table.version == Some(7))
        .await;
    let shown = operator.shown.lock();
    assert_eq!(shown[0], "Bearer first");
    // The file may have been between its states at the attempts between.
    assert!(shown.len() >= 3);
}

#[tokio::test]
async fn the_token_is_read_again_for_each_attempt() {
    let (ca, tls) = certificates();
    let operator = operator(tls, vec![(StatusCode::UNAUTHORIZED, vec![], Then::End)]).await;
    let client = Client::at(&ca, &operator);
    let shows = |token: &str| {
        let shown = operator.shown.lock();
        shown.last().is_some_and(|last| last == token)
    };
    client
        .until("the first one is shown", |_, _| shows("Bearer first"))
        .await;
    client.write("token", "second");
    client
        .until("the second one is shown", |_, _| shows("Bearer second"))
        .await;
}

#[tokio::test]
async fn the_ca_is_read_again_so_that_a_rotation_restarts_nothing() {
    let (_, tls) = certificates();
    let (other, _) = certificates();
    let (ca, rotated) = certificates();
    drop(tls);
    let operator = operator(rotated, vec![(OK, vec![SNAPSHOT], Then::Silence)]).await;
    let client = Client::at(&other, &operator);
    client
        .until("it is not trusted", |metrics, _| {
            metrics.push.failed.load(Relaxed) >= 2
        })
        .await;
    assert!(
        operator.shown.lock().is_empty(),
        "no token is shown to whom we do not trust"
    );
    client.write("ca.crt", &ca);
    client
        .until("the table is in use", |_, table| table.version == Some(7))
        .await;
}

#[tokio::test]
async fn missing_files_and_absent_operators_are_waited_for() {
    let (ca, tls) = certificates();
    let operator = operator(tls, vec![(OK, vec![SNAPSHOT], Then::Silence)]).await;
    let client = Client::at("", &operator);
    std::fs::remove_file(client.files.path().join("token")).expect("removed");
    client
        .until("it fails", |metrics, _| {
            metrics.push.failed.load(Relaxed) >= 2
        })
        .await;
    for token in ["", " \n", "a\nb"] {
        client.write("token", token);
        let before = client.metrics.push.failed.load(Relaxed);
        client
            .until("it fails", |metrics, _| {
                metrics.push.failed.load(Relaxed) > before + 1
            })
            .await;
    }
    client.write("token", "t");
    client.write("ca.crt", &ca);
    client
        .until("the table is in use", |_, table| table.version == Some(7))
        .await;

    let mut nobody = Client::new(&ca);
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bound")
        .local_addr()
        .expect("an address");
    nobody.follow(&format!("https://{closed}/v1/labels"));
    nobody
        .until("it fails", |metrics, _| {
            metrics.push.failed.load(Relaxed) >= 3
        })
        .await;
    assert!(!nobody.metrics.push.connected.load(Relaxed));
}
