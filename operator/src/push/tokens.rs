//! Which pod a token speaks for: the API server says, and is asked once a token.
//!
//! Anybody can show tokens. So what cannot be a sidecar's is refused unasked, a refusal is remembered for a while, and
//! each peer has a share of the reviews that are under way.

use crate::push::claims::TokenClaims;
use crate::reviews::memory::Memory;
use crate::reviews::token::Reviewer;
use crate::reviews::turns::Turns;
use k8s_openapi::api::authentication::v1::TokenReview;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::time::Duration;

/// Keys of a pod's identity in a review (KEP-1205, `pkg/serviceaccount/claims.go` of Kubernetes).
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// More tokens than this are not remembered at once.
const REMEMBERED: usize = 20_000;
/// More refusals than this are not remembered at once.
const REFUSALS: usize = 2_000;
/// Seconds that a refusal is remembered: shorter than a sidecar's longest backoff.
const REFUSED_FOR: i64 = 10;
/// Reviews under way at once, so that a crowd of reconnecting sidecars does not fall on the API server.
const AT_ONCE: usize = 32;
/// Of these, so many for one address. A node that hides its pods behind its own address has as few: theirs take turns.
const FOR_ONE_PEER: usize = 4;
/// A review that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(10);
const ANOTHER_AUDIENCE: &str = "it is for another audience";
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

/// The SHA-256 of a token: a token itself is never kept.
type Key = [u8; 32];

/// Checks tokens, and remembers good ones until they expire. That a pod is gone is not seen here:
/// whoever asks must also know the pod.
pub struct Tokens<R> {
    reviewer: R,
    known: Memory<Key, PodIdentity, i64>,
    refused: Memory<Key, Refused, i64>,
    turns: Turns<IpAddr>,
}

impl<R: Reviewer> Tokens<R> {
    /// Asks `reviewer`.
    pub fn new(reviewer: R) -> Self {
        Self {
            reviewer,
            known: Memory::new(REMEMBERED),
            refused: Memory::new(REFUSALS),
            turns: Turns::new(AT_ONCE, FOR_ONE_PEER, TIMEOUT),
        }
    }

    /// The pod that `token` speaks for, shown by `peer`. `now` is in seconds since 1970. Second: whether the API
    /// server was asked.
    ///
    /// # Errors
    ///
    /// When it speaks for none, or nobody could be asked.
    pub async fn pod(
        &self,
        token: &str,
        peer: IpAddr,
        now: i64,
    ) -> (Result<PodIdentity, Refused>, bool) {
        let key: Key = Sha256::digest(token.as_bytes()).into();
        if let Some(pod) = self.known.get(&key, now) {
            return (Ok(pod), false);
        }
        if let Some(refused) = self.refused.get(&key, now) {
            return (Err(refused), false);
        }
        let claims = match could_be_a_sidecars(token) {
            Ok(claims) => claims,
            Err(refused) => return (Err(refused), false),
        };
        // An IPv4 address is the same peer however it is written (`::ffff:192.0.2.1`).
        let review = self.reviewer.review(token);
        let answer = match self.turns.ask(peer.to_canonical(), review).await {
            Ok(review) => judge(review),
            Err(error) => Err(Refused::Unavailable(error)),
        };
        match &answer {
            Ok(pod) => {
                let expires = claims.exp.unwrap_or(now + SHORTLY);
                self.known.put(key, pod.clone(), expires, now);
            }
            Err(Refused::Unavailable(_)) => {}
            Err(refused) => {
                self.refused
                    .put(key, refused.clone(), now + REFUSED_FOR, now);
            }
        }
        (answer, true)
    }
}

/// The kubelet's tokens are JSON Web Tokens that name audience and pod: what does not is nobody's whom the API server
/// would vouch for.
fn could_be_a_sidecars(token: &str) -> Result<TokenClaims, Refused> {
    let Some(claims) = TokenClaims::read(token) else {
        return Err(Refused::Invalid("it is not a JSON Web Token".to_owned()));
    };
    if !claims.is_for_us() {
        return Err(Refused::Invalid(ANOTHER_AUDIENCE.to_owned()));
    }
    if !claims.is_of_a_pod() {
        return Err(Refused::NoPod);
    }
    Ok(claims)
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
        return Err(Refused::Invalid(ANOTHER_AUDIENCE.to_owned()));
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

#[cfg(test)]
mod tests;
