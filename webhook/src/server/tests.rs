use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{BUDGET, Handler, LARGEST, PATH, PATIENCE};
use crate::{Metrics, Settings};

fn handler() -> Handler {
    Handler::new(
        Settings::new("sidecar:1", "https://operator/v1/labels"),
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

/// A body that says how long it will be, and never comes.
struct Announced(u64);

impl Body for Announced {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

/// A body of unknown length: so many frames, each of 64 KiB; and then nothing ever, or a failure, or the end.
struct Stream {
    frames: usize,
    end: End,
}

enum End {
    Never,
    Broken,
    Proper,
}

impl Body for Stream {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.frames > 0 {
            self.frames -= 1;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b' '; 64 << 10])))));
        }
        match self.end {
            End::Never => Poll::Pending,
            End::Broken => Poll::Ready(Some(Err("cut off"))),
            End::Proper => Poll::Ready(None),
        }
    }
}

#[tokio::test]
async fn a_review_is_answered() {
    let handler = handler();
    let (status, body) = ask(&handler, post(full(review()))).await;
    assert_eq!(status, StatusCode::OK);
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["response"], json!({"uid": "u", "allowed": true}));
    assert!(
        handler.metrics.text().contains(
            "tagalong_webhook_reviews_total{kind=\"Deployment\",verdict=\"untouched\"} 1"
        ),
        "{}",
        handler.metrics.text()
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
            .metrics
            .text()
            .contains("tagalong_webhook_errors_total{code=\"413\"} 1")
    );
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_at_the_limit() {
    let handler = handler();
    let endless = Stream {
        frames: usize::MAX,
        end: End::Proper,
    };
    assert_eq!(
        ask(&handler, post(endless)).await.0,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let just_too_long = Stream {
        frames: LARGEST / (64 << 10) + 1,
        end: End::Proper,
    };
    assert_eq!(
        ask(&handler, post(just_too_long)).await.0,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let broken = Stream {
        frames: 1,
        end: End::Broken,
    };
    let (status, body) = ask(&handler, post(broken)).await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::BAD_REQUEST, "the review broke off: cut off\n")
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_long_by_its_own_account_is_not_awaited() {
    let handler = handler();
    let begun = Instant::now();
    let announced = Announced(LARGEST as u64 + 1);
    let (status, _) = ask(&handler, post(announced)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let (status, _) = ask(&handler, post(Announced(LARGEST as u64))).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_awaited() {
    let handler = handler();
    let begun = Instant::now();
    let (status, body) = ask(
        &handler,
        post(Stream {
            frames: 1,
            end: End::Never,
        }),
    )
    .await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT, "{body}");
    // The clock is the test's own.
    assert!(begun.elapsed() < 2 * PATIENCE);
}

/// What may come is counted before it comes: else many large bodies at once would take more memory than there is.
#[tokio::test(start_paused = true)]
async fn a_large_body_waits_for_others_and_a_usual_one_does_not() {
    let handler = handler();
    let stream = |frames, end| post(Stream { frames, end });
    for _ in 0..BUDGET as usize / (LARGEST / 1024 + 1) {
        let (handler, slow) = (handler.clone(), stream(1, End::Never));
        tokio::spawn(async move { ask(&handler, slow).await });
    }
    tokio::time::sleep(PATIENCE / 2).await;
    let begun = Instant::now();
    assert_eq!(ask(&handler, post(full(review()))).await.0, StatusCode::OK);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let large = ask(&handler, stream(1, End::Proper)).await;
    assert_eq!(large.0, StatusCode::BAD_REQUEST, "it is only blanks");
    assert!(begun.elapsed() >= PATIENCE / 3, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn slow_large_bodies_hold_up_others_for_so_long_only() {
    let handler = handler();
    let slow = |_| {
        let handler = handler.clone();
        tokio::spawn(async move {
            ask(
                &handler,
                post(Stream {
                    frames: 1,
                    end: End::Never,
                }),
            )
            .await
            .0
        })
    };
    let slow: Vec<_> = (0..2 * BUDGET as usize / (LARGEST / 1024))
        .map(slow)
        .collect();
    for task in slow {
        assert_eq!(task.await.expect("no panic"), StatusCode::REQUEST_TIMEOUT);
    }
    assert_eq!(ask(&handler, post(full(review()))).await.0, StatusCode::OK);
    assert_eq!(
        handler.budget.available_permits(),
        BUDGET as usize,
        "every share is given back"
    );
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
