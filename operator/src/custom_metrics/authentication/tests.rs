use super::*;
use crate::custom_metrics::tests::pki::{Form, Signer, config_map};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Vouches for tokens that begin with `good`.
#[derive(Clone, Default)]
struct Vouches(Arc<AtomicUsize>);

impl Reviewer for Vouches {
    async fn review(&self, token: &str) -> Result<TokenReview, String> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let status = match token {
            "away" => return Err("no route to host".to_owned()),
            "nameless" => json!({"authenticated": true, "user": {"username": ""}}),
            "unsure" => json!({"user": {"username": "ann"}}),
            _ if token.starts_with("good") => {
                json!({"authenticated": true, "user": {"username": "ann", "uid": "u-1",
                    "groups": ["dev"], "extra": {"scopes": ["r"]}}})
            }
            _ => json!({"authenticated": false, "user": {"username": "ann"}}),
        };
        serde_json::from_value(json!({"spec": {}, "status": status})).map_err(|e| e.to_string())
    }
}

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn new(known: KnownProxy) -> (Vouches, Authentication<Vouches>) {
    let vouches = Vouches::default();
    let front_proxy = watch::channel(known).1;
    (vouches.clone(), Authentication::new(front_proxy, vouches))
}

fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in all {
        headers.append(*name, value.parse().expect("a value"));
    }
    headers
}

fn after(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn whom_a_token_speaks_for() {
    let (_, authentication) = new(KnownProxy::None);
    let shows = headers(&[("authorization", "bearer good")]);
    let user = authentication.user(&shows, None, PEER, after(0)).await;
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let ann = User {
        name: "ann".to_owned(),
        uid: Some("u-1".to_owned()),
        groups: texts(&["dev", "system:authenticated"]),
        extra: [("scopes".to_owned(), texts(&["r"]))].into(),
    };
    assert_eq!(user, Ok(Arc::new(ann)));
    for refused in ["bad", "nameless", "unsure"] {
        let shows = headers(&[("authorization", &format!("Bearer {refused}"))]);
        let user = authentication.user(&shows, None, PEER, after(0)).await;
        assert!(matches!(user, Err(Unknown::Nobody(_))), "{refused}");
    }
    let shows = headers(&[("authorization", "Bearer away")]);
    let user = authentication.user(&shows, None, PEER, after(0)).await;
    assert!(matches!(user, Err(Unknown::Unavailable(_))));
}

#[tokio::test]
async fn a_token_is_asked_about_once_in_a_while() {
    let (vouches, authentication) = new(KnownProxy::None);
    let mut asked = 0;
    let long = "a".repeat(LONGEST + 1);
    for (token, at, more) in [
        ("good", 0, 1),
        ("good", 9, 0),
        ("good", 10, 1),
        ("bad", 0, 1),
        ("bad", 9, 0),
        ("bad", 10, 1),
        ("away", 10, 1),
        ("away", 10, 1),
        (&*long, 10, 0),
    ] {
        let shows = headers(&[("authorization", &format!("Bearer {token}"))]);
        let _user = authentication.user(&shows, None, PEER, after(at)).await;
        asked += more;
        assert_eq!(
            vouches.0.load(Ordering::Relaxed),
            asked,
            "{token:.9} at {at}"
        );
    }
}

/// While it is not known who the front proxy is, its word counts nothing; and nobody is sent away for good.
#[tokio::test]
async fn before_the_config_map_is_read_nobody_knows_the_front_proxy() {
    let signer = Signer::new("front-proxy-ca");
    let certificate = signer.sign(&Form::default()).certificate;
    let shown = ClientCertificates([certificate].into());
    let says = headers(&[
        ("x-remote-user", "admin"),
        ("x-remote-group", "system:masters"),
    ]);
    let now = Duration::from_secs(jiff::Timestamp::now().as_second().unsigned_abs());
    let front_proxy = FrontProxy::read(&config_map(&signer.pem)).expect("usable");
    let (sender, receiver) = watch::channel(KnownProxy::NotYet);
    let authentication = Authentication::new(receiver, Vouches::default());
    let user = || authentication.user(&says, Some(&shown), PEER, now);
    assert!(matches!(user().await, Err(Unknown::Unavailable(_))));
    let without = authentication.user(&says, None, PEER, now).await;
    assert!(matches!(without, Err(Unknown::Nobody(_))));
    sender.send_replace(KnownProxy::FrontProxy(Arc::new(front_proxy)));
    assert_eq!(
        user().await.map(|user| user.name.clone()),
        Ok("admin".to_owned())
    );
    sender.send_replace(KnownProxy::None);
    assert!(matches!(user().await, Err(Unknown::Nobody(_))));
}
