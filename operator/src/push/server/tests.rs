use super::*;
use crate::push::stream::Update;
use http_body_util::BodyExt;
use k8s_openapi::api::authentication::v1::TokenReview;
use serde_json::json;
use tagalong_runtime::drain;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// Vouches for tokens of the form `pod-UID`.
struct Vouches;

impl Reviewer for Vouches {
    async fn review(&self, token: &str) -> Result<TokenReview, String> {
        if token == "away" {
            return Err("no route to host".to_owned());
        }
        let status = match token.strip_prefix("pod-") {
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

impl Tables for One {
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
) -> (StatusCode, metrics::Push, Answer, drain::Trigger) {
    let (trigger, drain) = drain::channel();
    let metrics = metrics::Push::default();
    let access = Access::Pods(Tokens::new(Vouches));
    let push = Push::new(One(broadcast::channel(4).0), access, drain, metrics.clone());
    let answer = push.answer(request.body(()).expect("a request")).await;
    (answer.status(), metrics, answer, trigger)
}

#[tokio::test]
async fn a_pod_gets_its_own_table() {
    let request = Request::get("/v1/labels").header(AUTHORIZATION, "Bearer pod-1");
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
        (Some("Basic cG9kLTE="), 401, "no_token"),
        (Some("Bearer "), 401, "no_token"),
        (Some("Bearer junk"), 401, "invalid_token"),
        (Some("Bearer pod-2"), 403, "unknown_pod"),
        (Some("Bearer away"), 503, "unavailable"),
    ] {
        let mut request = Request::get("/v1/labels");
        if let Some(token) = token {
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
    let token = "Bearer pod-1";
    for (request, status) in [(Request::get("/"), 404), (Request::post("/v1/labels"), 405)] {
        let (answered, ..) = ask(request.header(AUTHORIZATION, token)).await;
        assert_eq!(answered.as_u16(), status);
    }
}
