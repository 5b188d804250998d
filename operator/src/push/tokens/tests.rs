use super::*;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Answers every token alike and counts the questions.
struct Answers(Value, AtomicUsize);

impl Reviewer for Answers {
    async fn review(&self, _token: &str) -> Result<TokenReview, String> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let status = self.0.clone();
        if let Some(error) = status.as_str() {
            return Err(error.to_owned());
        }
        serde_json::from_value(json!({"spec": {}, "status": status})).map_err(|e| e.to_string())
    }
}

fn tokens(status: Value) -> Tokens<Answers> {
    Tokens::new(Answers(status, AtomicUsize::new(0)))
}

fn good() -> Value {
    json!({"authenticated": true, "audiences": ["tagalong"], "user": {"extra": {
        "authentication.kubernetes.io/pod-uid": ["u-1"],
        "authentication.kubernetes.io/pod-name": ["proxy-1"],
    }}})
}

fn token(expires: i64) -> String {
    let claims = URL_SAFE_NO_PAD.encode(json!({"exp": expires}).to_string());
    format!("h.{claims}.s")
}

#[tokio::test]
async fn asked_once_until_it_expires() {
    let tokens = tokens(good());
    let token = token(1000);
    for (now, asked) in [(0, true), (500, false), (999, false), (1000, true)] {
        let (pod, was_asked) = tokens.pod(&token, now).await;
        assert_eq!(pod.expect("a pod").uid, "u-1");
        assert_eq!(was_asked, asked, "at {now}");
    }
    let (_, asked) = tokens.pod("another", 500).await;
    assert!(asked, "another token is another question");
}

#[tokio::test]
async fn refusals_are_not_remembered() {
    for (status, refused) in [
        (
            json!({"authenticated": false, "error": "expired"}),
            Refused::Invalid("expired".into()),
        ),
        (json!({}), Refused::Invalid("not authenticated".into())),
        (
            json!({"authenticated": true, "audiences": ["other"], "user": {}}),
            Refused::Invalid("it is for another audience".into()),
        ),
        (
            json!({"authenticated": true, "user": {}}),
            Refused::Invalid("it is for another audience".into()),
        ),
        (
            json!({"authenticated": true, "audiences": ["tagalong"], "user": {"username": "x"}}),
            Refused::NoPod,
        ),
        (
            json!("no route to host"),
            Refused::Unavailable("no route to host".into()),
        ),
    ] {
        let tokens = tokens(status);
        for _ in 0..2 {
            assert_eq!(
                tokens.pod(&token(1000), 0).await,
                (Err(refused.clone()), true)
            );
        }
    }
}

#[test]
fn only_a_number_is_a_time_of_expiry() {
    assert_eq!(expires(&token(7)), Some(7));
    for odd in ["", "a", "a.b.c", "..", "a.!!.c"] {
        assert_eq!(expires(odd), None, "{odd:?}");
    }
}
