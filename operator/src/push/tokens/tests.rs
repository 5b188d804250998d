use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::FutureExt as _;
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

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// As a kubelet's, told apart by their signatures.
fn signed(expires: i64, signature: usize) -> String {
    let claims = json!({"exp": expires, "aud": ["tagalong"], "kubernetes.io": {"pod": {"name": "p", "uid": "u"}}});
    format!(
        "h.{}.{signature}",
        URL_SAFE_NO_PAD.encode(claims.to_string())
    )
}

fn token(expires: i64) -> String {
    signed(expires, 0)
}

#[tokio::test]
async fn asked_once_until_it_expires() {
    let tokens = tokens(good());
    let token = token(1000);
    for (now, asked) in [(0, true), (500, false), (999, false), (1000, true)] {
        let (pod, was_asked) = tokens.pod(&token, PEER, now).await;
        assert_eq!(pod.expect("a pod").uid, "u-1");
        assert_eq!(was_asked, asked, "at {now}");
    }
    let (_, asked) = tokens.pod(&signed(1000, 1), PEER, 500).await;
    assert!(asked, "another token is another question");
}

#[tokio::test]
async fn a_refusal_is_remembered_for_a_while_but_not_that_nobody_answered() {
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
        let unavailable = matches!(refused, Refused::Unavailable(_));
        for (now, asked) in [
            (0, true),
            (REFUSED_FOR - 1, unavailable),
            (REFUSED_FOR, true),
        ] {
            assert_eq!(
                tokens.pod(&token(1000), PEER, now).await,
                (Err(refused.clone()), asked),
                "at {now}"
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
    let all: Vec<String> = (0..200).map(|i| signed(1000, i)).collect();
    let asked = all
        .iter()
        .zip(0..)
        .map(|(token, i)| tokens.pod(token, IpAddr::from([10, 0, 0, i]), 0));
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
        tokens.known.put(key, good.clone(), 1000, 0);
    }
    for _ in 0..2 {
        assert!(
            tokens.pod(&token(1000), PEER, 0).await.1,
            "it was asked about"
        );
    }
    assert_eq!(tokens.known.len(), REMEMBERED);
    // What has expired makes room.
    assert!(tokens.pod(&token(2000), PEER, 1000).await.1);
    assert!(!tokens.pod(&token(2000), PEER, 1000).await.1);
}

/// Otherwise anybody could make the API server review whatever they make up.
#[tokio::test]
async fn what_cannot_be_a_sidecars_is_nobodys_question() {
    let claims = |claims: Value| format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let pod = json!({"pod": {"name": "p", "uid": "u"}});
    for (token, refused) in [
        (
            "junk".to_owned(),
            Refused::Invalid("it is not a JSON Web Token".to_owned()),
        ),
        (
            claims(json!({"aud": ["https://kubernetes.default.svc"], "kubernetes.io": pod})),
            Refused::Invalid(ANOTHER_AUDIENCE.to_owned()),
        ),
        (
            claims(json!({"aud": ["tagalong"], "kubernetes.io": {"serviceaccount": {}}})),
            Refused::NoPod,
        ),
    ] {
        let tokens = tokens(good());
        assert_eq!(tokens.pod(&token, PEER, 0).await, (Err(refused), false));
        assert_eq!(tokens.reviewer.1.load(Ordering::Relaxed), 0);
    }
}

/// Answers nothing at all.
struct Silent;

impl Reviewer for Silent {
    async fn review(&self, _token: &str) -> Result<TokenReview, String> {
        std::future::pending().await
    }
}

/// One address cannot keep the others out.
#[tokio::test(start_paused = true)]
async fn a_peer_has_a_share_of_the_reviews() {
    let tokens = Tokens::new(Silent);
    // By IPv4, written in both ways.
    let strangers =
        ["192.0.2.66", "::ffff:192.0.2.66"].map(|peer| peer.parse().expect("an address"));
    let all: Vec<String> = (0..200).map(|i| signed(1000, i)).collect();
    let mut crowd: Vec<_> = all
        .iter()
        .zip(strangers.into_iter().cycle())
        .map(|(token, stranger)| Box::pin(tokens.pod(token, stranger, 0)))
        .collect();
    for asked in &mut crowd {
        assert!(asked.as_mut().now_or_never().is_none());
    }
    assert_eq!(tokens.turns.free(), AT_ONCE - FOR_ONE_PEER);
}

#[tokio::test]
async fn refusals_have_room_of_their_own() {
    let tokens = tokens(json!({}));
    for i in 0..REFUSALS + 10 {
        let (refused, asked) = tokens.pod(&signed(1000, i), PEER, 0).await;
        assert!(refused.is_err() && asked);
    }
    assert_eq!(tokens.refused.len(), REFUSALS);
    assert_eq!(tokens.known.len(), 0);
}
