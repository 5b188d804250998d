use super::*;
use crate::push::stream::Update;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http_body_util::BodyExt;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::api::authentication::v1::TokenReview;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tagalong_runtime::drain;
use tagalong_runtime::serve::Server;
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// A token as a kubelet's; how it ends tells the reviewer what to say.
fn shows(signature: &str) -> String {
    let claims = json!({"aud": ["tagalong"], "kubernetes.io": {"pod": {"name": "p", "uid": "u"}}});
    format!(
        "Bearer h.{}.{signature}",
        URL_SAFE_NO_PAD.encode(claims.to_string())
    )
}

/// Vouches for tokens signed `pod-UID`.
struct Vouches;

impl Reviewer for Vouches {
    async fn review(&self, token: &str) -> Result<TokenReview, String> {
        let signature = token.rsplit('.').next().unwrap_or_default();
        if signature == "away" {
            return Err("no route to host".to_owned());
        }
        let status = match signature.strip_prefix("pod-") {
            None => json!({"authenticated": false}),
            Some(uid) => {
                json!({"authenticated": true, "audiences": ["tagalong"], "user": {"extra": {
                    "authentication.kubernetes.io/pod-uid": [uid],
                    "authentication.kubernetes.io/pod-name": ["p"],
                }}})
            }
        };
        serde_json::from_value(json!({"spec": {}, "status": status})).map_err(|e| e.to_string())
    }
}

/// Knows one pod.
struct One(broadcast::Sender<Update>);

impl TableSource for One {
    fn subscribe(&self, pod_uid: &str) -> Option<Subscription> {
        (pod_uid == "1").then(|| Subscription {
            snapshot: Update {
                version: 1,
                line: Bytes::from_static(b"snapshot\n"),
            },
            updates: self.0.subscribe(),
            gone: CancellationToken::new(),
        })
    }

    fn subscribe_to(&self, _dataplane: Option<&str>) -> Option<Subscription> {
        None
    }
}

async fn ask(
    request: http::request::Builder,
) -> (
    StatusCode,
    metrics::PushMetrics,
    PushResponse,
    drain::Trigger,
) {
    let (trigger, drain) = drain::channel();
    let metrics = metrics::PushMetrics::default();
    let access = Access::Pods(Tokens::new(Vouches));
    let push = PushServer::new(One(broadcast::channel(4).0), access, drain, metrics.clone());
    let answer = push.answer(request.body(()).expect("a request")).await;
    (answer.status(), metrics, answer, trigger)
}

#[tokio::test]
async fn a_pod_gets_its_own_table() {
    let request = Request::get("/v1/labels").header(AUTHORIZATION, shows("pod-1"));
    let (status, metrics, mut answer, _trigger) = ask(request).await;
    assert_eq!(status, StatusCode::OK);
    let first = answer
        .body_mut()
        .frame()
        .await
        .expect("a frame")
        .expect("no error");
    assert_eq!(first.into_data().expect("data"), "snapshot\n");
    assert_eq!(metrics.reviews.get(), 1);
}

#[tokio::test]
async fn nobody_else_gets_any() {
    for (token, status, reason) in [
        (None, 401, "no_token"),
        (Some("Basic cG9kLTE=".to_owned()), 401, "no_token"),
        (Some("Bearer ".to_owned()), 401, "no_token"),
        (Some("Bearer junk".to_owned()), 401, "invalid_token"),
        (Some(shows("junk")), 401, "invalid_token"),
        (Some(shows("pod-2")), 403, "unknown_pod"),
        (Some(shows("away")), 503, "unavailable"),
    ] {
        let mut request = Request::get("/v1/labels");
        if let Some(token) = &token {
            request = request.header(AUTHORIZATION, token);
        }
        let (answered, metrics, ..) = ask(request).await;
        assert_eq!(answered.as_u16(), status, "{token:?}");
        assert_eq!(
            metrics.refused.get_or_create(&Reason { reason }).get(),
            1,
            "{token:?}"
        );
    }
}

#[tokio::test]
async fn nothing_else_is_served() {
    let token = shows("pod-1");
    for (request, status) in [(Request::get("/"), 404), (Request::post("/v1/labels"), 405)] {
        let (answered, _, answer, _) = ask(request.header(AUTHORIZATION, &token)).await;
        assert_eq!(answered.as_u16(), status);
        let allow = answer.headers().get("allow");
        assert_eq!(allow.is_some_and(|methods| methods == "GET"), status == 405);
    }
}

/// Whoever has no token holds no connection.
#[tokio::test]
async fn a_refused_connection_is_closed() {
    let (_trigger, drain) = drain::channel();
    let access = Access::Pods(Tokens::new(Vouches));
    let tables = One(broadcast::channel(4).0);
    let push = PushServer::new(
        tables,
        access,
        drain.clone(),
        metrics::PushMetrics::default(),
    );
    let any = "127.0.0.1:0".parse().expect("an address");
    let server = Server::bind(any).await.expect("a port");
    let address = server.address();
    tokio::spawn(server.serve(move |request| Arc::clone(&push).answer(request), drain));
    let stream = TcpStream::connect(address).await.expect("connects");
    let (mut send, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let request = Request::get(format!("http://{address}/v1/labels"));
    let request = request.body(Full::<Bytes>::default()).expect("a request");
    let answer = send.send_request(request).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    // It would go on, and answers what the server asks.
    let closed = tokio::time::timeout(Duration::from_secs(60), connection).await;
    assert!(closed.is_ok());
    drop(send);
}

/// A crowd does not fill the log, and each reason is told all the same.
#[tokio::test]
async fn refusals_are_logged_now_and_then() {
    let lines = Arc::new(AtomicUsize::new(0));
    let _logs = tracing::subscriber::set_default(Lines(Arc::clone(&lines)));
    let (_trigger, drain) = drain::channel();
    let access = Access::Pods(Tokens::new(Vouches));
    let tables = One(broadcast::channel(4).0);
    let push = PushServer::new(tables, access, drain, metrics::PushMetrics::default());
    for token in [shows("junk"), shows("pod-2")] {
        for _ in 0..200 {
            let request = Request::get("/v1/labels").header(AUTHORIZATION, &token);
            let request = request.body(()).expect("a request");
            let answer = Arc::clone(&push).answer(request).await;
            assert_ne!(answer.status(), StatusCode::OK);
        }
    }
    assert_eq!(lines.load(Ordering::SeqCst), 2);
}

/// Counts what is logged.
struct Lines(Arc<AtomicUsize>);

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }

    fn new_span(&self, _span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _span: &tracing::span::Id, _values: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _span: &tracing::span::Id, _follows: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        if event
            .metadata()
            .target()
            .starts_with("tagalong_operator::push")
        {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn enter(&self, _span: &tracing::span::Id) {}

    fn exit(&self, _span: &tracing::span::Id) {}
}
