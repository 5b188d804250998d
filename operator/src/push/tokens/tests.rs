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

/// Takes its time, and counts how many ask at once, now and at most.
#[derive(Default)]
struct Crowded(AtomicUsize, AtomicUsize);

impl Reviewer for Crowded {
    async fn review(&self, _token: &str) -> Result<TokenReview, String> {
        let asking = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        self.1.fetch_max(asking, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.0.fetch_sub(1, Ordering::Relaxed);
        serde_json::from_value(json!({"spec": {}, "status": good()})).map_err(|e| e.to_string())
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_does_not_fall_on_the_api_server() {
    let tokens = Tokens::new(Crowded::default());
    let all: Vec<String> = (0..200).map(|i| format!("{i}")).collect();
    let asked = all.iter().map(|token| tokens.pod(token, 0));
    for (pod, _) in futures::future::join_all(asked).await {
        assert!(pod.is_ok(), "{pod:?}");
    }
    assert_eq!(tokens.reviewer.1.load(Ordering::Relaxed), AT_ONCE);
}

#[tokio::test]
async fn no_more_are_remembered_than_there_is_room_for() {
    let tokens = tokens(good());
    let good = PodIdentity {
        uid: "u-1".into(),
        name: "proxy-1".into(),
    };
    for i in 0..REMEMBERED as u64 {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&i.to_le_bytes());
        tokens.remember(key, good.clone(), 1000, 0);
    }
    for _ in 0..2 {
        assert!(tokens.pod(&token(1000), 0).await.1, "it was asked about");
    }
    assert_eq!(tokens.known.lock().len(), REMEMBERED);
    // What has expired makes room.
    assert!(tokens.pod(&token(2000), 1000).await.1);
    assert!(!tokens.pod(&token(2000), 1000).await.1);
}

#[test]
fn only_a_number_is_a_time_of_expiry() {
    assert_eq!(expires(&token(7)), Some(7));
    for odd in ["", "a", "a.b.c", "..", "a.!!.c"] {
        assert_eq!(expires(odd), None, "{odd:?}");
    }
}
