use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use super::{Handler, PATH};
use crate::intake::LARGEST;
use crate::intake::tests::{End, Sent};
use crate::{InjectionSettings, Metrics};

fn handler() -> Handler {
    Handler::new(
        InjectionSettings::new("sidecar:1", "https://operator/v1/labels"),
        Metrics::new(),
    )
}

fn post<B>(body: B) -> Request<B> {
    let request = Request::post(format!("https://webhook{PATH}?timeout=3s"));
    request
        .header("content-type", "application/json; charset=utf-8")
        .body(body)
        .expect("a request")
}

async fn ask<B>(handler: &Handler, request: Request<B>) -> (StatusCode, String)
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let response = handler.answer(request).await;
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .expect("infallible")
        .to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

fn full(text: impl Into<Bytes>) -> Full<Bytes> {
    Full::new(text.into())
}

fn review() -> String {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "u", "object": {"apiVersion": "apps/v1", "kind": "Deployment"}},
    })
    .to_string()
}

/// A body of unknown length.
fn unannounced(lengths: &[usize], end: End) -> Sent {
    let lots = lengths.iter().map(|length| (Duration::ZERO, *length));
    Sent::new(None, lots, end)
}

#[tokio::test]
async fn a_review_is_answered() {
    let handler = handler();
    let (status, body) = ask(&handler, post(full(review()))).await;
    assert_eq!(status, StatusCode::OK);
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["response"], json!({"uid": "u", "allowed": true}));
    assert!(
        handler.0.metrics.text().contains(
            "tagalong_webhook_reviews_total{kind=\"Deployment\",verdict=\"untouched\"} 1"
        ),
        "{}",
        handler.0.metrics.text()
    );
}

#[tokio::test]
async fn what_is_no_review_gets_a_clear_answer() {
    let handler = handler();
    let get = Request::get(PATH).body(full("")).expect("a request");
    let elsewhere = Request::post("/").body(full(review())).expect("a request");
    let yaml = Request::post(PATH)
        .header("content-type", "application/yaml")
        .body(full(review()))
        .expect("a request");
    let untyped = Request::post(PATH).body(full(review())).expect("a request");
    for (request, status, part) in [
        (get, StatusCode::METHOD_NOT_ALLOWED, "POST"),
        (elsewhere, StatusCode::NOT_FOUND, PATH),
        (yaml, StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/json"),
        (
            untyped,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "application/json",
        ),
        (
            post(full("")),
            StatusCode::BAD_REQUEST,
            "not an AdmissionReview",
        ),
        (
            post(full("{}")),
            StatusCode::BAD_REQUEST,
            "want admission.k8s.io/v1",
        ),
        (
            post(full(vec![b'['; 10 << 20])),
            StatusCode::PAYLOAD_TOO_LARGE,
            "at most",
        ),
    ] {
        let (found, body) = ask(&handler, request).await;
        assert_eq!(found, status, "{body}");
        assert!(body.contains(part) && body.ends_with('\n'), "{body}");
    }
    assert!(
        handler
            .0
            .metrics
            .text()
            .contains("tagalong_webhook_errors_total{code=\"413\"} 1")
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_read_gets_a_clear_answer() {
    let handler = handler();
    for (body, status, part) in [
        (
            unannounced(&[LARGEST, 1], End::Proper),
            StatusCode::PAYLOAD_TOO_LARGE,
            "at most",
        ),
        (
            unannounced(&[1], End::Broken),
            StatusCode::BAD_REQUEST,
            "broke off: cut off",
        ),
        (
            unannounced(&[1], End::Never),
            StatusCode::REQUEST_TIMEOUT,
            "in time",
        ),
    ] {
        let (found, body) = ask(&handler, post(body)).await;
        assert_eq!(found, status, "{body}");
        assert!(body.contains(part) && body.ends_with('\n'), "{body}");
    }
}

#[tokio::test]
async fn other_methods_are_told_which_one_is_allowed() {
    let get = Request::get(PATH).body(full("")).expect("a request");
    let response = handler().answer(get).await;
    assert_eq!(response.headers()["allow"], "POST");
}

#[tokio::test]
async fn any_bytes_are_answered() {
    let handler = handler();
    let review = review();
    for end in 0..review.len() {
        let (status, _) = ask(&handler, post(full(review[..end].to_owned()))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    let bytes = (0..=u8::MAX).collect::<Vec<u8>>();
    assert_eq!(
        ask(&handler, post(full(bytes))).await.0,
        StatusCode::BAD_REQUEST
    );
}
