//! Which pod a token speaks for: the API server says, and is asked once a token.

use crate::causes::in_words;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::api::{Api, PostParams};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Keys of a pod's identity in a review (KEP-1205, `pkg/serviceaccount/claims.go` of Kubernetes).
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// More tokens than this are not remembered at once.
const REMEMBERED: usize = 20_000;
/// Reviews under way at once, so that a crowd of reconnecting sidecars does not fall on the API server.
const AT_ONCE: usize = 32;
/// A review that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a token without a time of expiry is remembered.
const SHORTLY: i64 = 60;

/// The pod that showed a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodIdentity {
    /// Its UID.
    pub uid: String,
    /// Its name, for the log.
    pub name: String,
}

/// Why a token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The API server does not vouch for it.
    #[error("the token is not valid for the audience {audience:?}: {0}", audience = tagalong_wire::contract::AUDIENCE)]
    Invalid(String),
    /// A good token, but of no pod.
    #[error("the token is not bound to a pod")]
    NoPod,
    /// The API server could not be asked.
    #[error("tokens cannot be checked now: {0}")]
    Unavailable(String),
}

/// Who checks tokens: the API server, or a test.
pub trait Reviewer: Send + Sync + 'static {
    /// The review of one token.
    fn review(&self, token: &str) -> impl Future<Output = Result<TokenReview, String>> + Send;
}

/// The API server.
#[derive(Clone)]
pub struct ApiServer(pub kube::Client);

impl Reviewer for ApiServer {
    async fn review(&self, token: &str) -> Result<TokenReview, String> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![tagalong_wire::contract::AUDIENCE.to_owned()]),
                token: Some(token.to_owned()),
            },
            ..TokenReview::default()
        };
        let reviews: Api<TokenReview> = Api::all(self.0.clone());
        let answer = reviews.create(&PostParams::default(), &review).await;
        answer.map_err(|error| in_words(&error))
    }
}

/// Checks tokens, and remembers good ones until they expire. That a pod is gone is not seen here:
/// whoever asks must also know the pod.
pub struct Tokens<R> {
    reviewer: R,
    known: Mutex<HashMap<[u8; 32], (PodIdentity, i64)>>,
    turns: Arc<Semaphore>,
}

impl<R: Reviewer> Tokens<R> {
    /// Asks `reviewer`.
    pub fn new(reviewer: R) -> Self {
        Self {
            reviewer,
            known: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// The pod that `token` speaks for. `now` is in seconds since 1970. Second: whether the API
    /// server was asked.
    ///
    /// # Errors
    ///
    /// When it speaks for none, or nobody could be asked.
    pub async fn pod(&self, token: &str, now: i64) -> (Result<PodIdentity, Refused>, bool) {
        let key: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some((pod, expires)) = self.known.lock().get(&key)
            && now < *expires
        {
            return (Ok(pod.clone()), false);
        }
        let reviewed = async {
            let _turn = self.turns.acquire().await;
            self.reviewer.review(token).await
        };
        let answer = match tokio::time::timeout(TIMEOUT, reviewed).await {
            Ok(Ok(review)) => judge(review),
            Ok(Err(error)) => Err(Refused::Unavailable(error)),
            Err(_elapsed) => Err(Refused::Unavailable("no answer in time".to_owned())),
        };
        if let Ok(pod) = &answer {
            let expires = expires(token).unwrap_or(now + SHORTLY);
            self.remember(key, pod.clone(), expires, now);
        }
        (answer, true)
    }

    fn remember(&self, key: [u8; 32], pod: PodIdentity, expires: i64, now: i64) {
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED {
            known.retain(|_, (_, expires)| now < *expires);
        }
        if known.len() < REMEMBERED {
            known.insert(key, (pod, expires));
        }
    }
}

fn judge(review: TokenReview) -> Result<PodIdentity, Refused> {
    let status = review.status.unwrap_or_default();
    if status.authenticated != Some(true) {
        let reason = status.error.filter(|error| !error.is_empty());
        let reason = reason.unwrap_or_else(|| "not authenticated".to_owned());
        return Err(Refused::Invalid(reason));
    }
    // An authenticator that knows no audiences answers with none: its tokens are the API server's own.
    let audiences = status.audiences.unwrap_or_default();
    if !audiences
        .iter()
        .any(|audience| audience == tagalong_wire::contract::AUDIENCE)
    {
        return Err(Refused::Invalid("it is for another audience".to_owned()));
    }
    let mut extra = status.user.unwrap_or_default().extra.unwrap_or_default();
    let mut first = |key| {
        extra
            .remove(key)
            .and_then(|values| values.into_iter().next())
    };
    match (first(POD_UID), first(POD_NAME)) {
        (Some(uid), Some(name)) if !uid.is_empty() => Ok(PodIdentity { uid, name }),
        _ => Err(Refused::NoPod),
    }
}

/// The claim `exp` of a token that the API server has vouched for; it is not looked at before.
fn expires(token: &str) -> Option<i64> {
    #[derive(serde::Deserialize)]
    struct Claims {
        exp: i64,
    }
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    Some(serde_json::from_slice::<Claims>(&payload).ok()?.exp)
}

#[cfg(test)]
mod tests;
