//! Who asks: whom the API server's front proxy names, or whose token is shown.

use crate::custom_metrics::front_proxy::FrontProxy;
use crate::custom_metrics::user::User;
use crate::reviews::memory::Memory;
use crate::reviews::token::{Reviewer, bearer};
use crate::reviews::turns::Turns;
use http::HeaderMap;
use k8s_openapi::api::authentication::v1::TokenReview;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tagalong_runtime::serve::ClientCertificates;
use tokio::sync::watch;

/// Seconds that an answer about a token is remembered, as the API server's own libraries do.
const REMEMBERED_FOR: u64 = 10;
/// More tokens than this are not remembered.
const REMEMBERED: usize = 2_000;
/// More refusals than this are not remembered.
const REFUSALS: usize = 2_000;
/// A longer token is nobody's, in bytes.
const LONGEST: usize = 8 << 10;
/// Reviews under way at once, and for one address.
const AT_ONCE: usize = 32;
const FOR_ONE_PEER: usize = 4;
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is known of the front proxy.
#[derive(Clone, Debug, Default)]
pub enum KnownProxy {
    /// Nothing yet: the ConfigMap has not been read.
    #[default]
    NotYet,
    /// It cannot be told from others, or there is none: whatever certificates are shown, they are nobody's.
    None,
    /// What it is known by.
    FrontProxy(Arc<FrontProxy>),
}

/// Why it is not known who asks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// They have shown nothing that would tell.
    #[error("{0}")]
    Nobody(&'static str),
    /// It cannot be found out now.
    #[error("who asks cannot be checked now: {0}")]
    Unavailable(String),
}

const NOTHING_SHOWN: &str =
    "ask through the API server (kubectl get --raw), or with a bearer token";

/// Finds out who asks.
pub struct Authentication<R> {
    front_proxy: watch::Receiver<KnownProxy>,
    reviewer: R,
    users: Memory<[u8; 32], Arc<User>, u64>,
    refused: Memory<[u8; 32], (), u64>,
    turns: Turns<IpAddr>,
}

impl<R: Reviewer> Authentication<R> {
    /// Asks `reviewer` about tokens.
    pub fn new(front_proxy: watch::Receiver<KnownProxy>, reviewer: R) -> Self {
        Self {
            front_proxy,
            reviewer,
            users: Memory::new(REMEMBERED),
            refused: Memory::new(REFUSALS),
            turns: Turns::new(AT_ONCE, FOR_ONE_PEER, TIMEOUT),
        }
    }

    /// Who sent a request with these headers, `now` after 1970.
    ///
    /// # Errors
    ///
    /// When nobody vouches for them, or nobody can be asked.
    pub async fn user(
        &self,
        headers: &HeaderMap,
        certificates: Option<&ClientCertificates>,
        peer: IpAddr,
        now: Duration,
    ) -> Result<Arc<User>, Unknown> {
        let known = self.front_proxy.borrow().clone();
        let undecided = matches!(known, KnownProxy::NotYet) && certificates.is_some();
        // Without the front proxy's certificate its headers are anybody's, and not looked at.
        if let (KnownProxy::FrontProxy(front_proxy), Some(shown)) = (&known, certificates)
            && front_proxy.is_shown_by(shown, now)
            && let Some(user) = front_proxy.user(headers)
        {
            return Ok(Arc::new(user.authenticated()));
        }
        match bearer(headers) {
            Some(token) => self.by_token(token, peer, now.as_secs()).await,
            None if undecided => Err(Unknown::Unavailable(
                "the ConfigMap kube-system/extension-apiserver-authentication has not been read yet"
                    .to_owned(),
            )),
            None if certificates.is_some() => Err(Unknown::Nobody(
                "the client certificate is not the API server's front proxy's, or the request names no user",
            )),
            None => Err(Unknown::Nobody(NOTHING_SHOWN)),
        }
    }

    async fn by_token(&self, token: &str, peer: IpAddr, now: u64) -> Result<Arc<User>, Unknown> {
        const REFUSED: Unknown = Unknown::Nobody("the token is not valid here");
        let key: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(user) = self.users.get(&key, now) {
            return Ok(user);
        }
        if token.len() > LONGEST || self.refused.get(&key, now).is_some() {
            return Err(REFUSED);
        }
        let asked = self
            .turns
            .ask(peer.to_canonical(), self.reviewer.review(token));
        let review = asked.await.map_err(Unknown::Unavailable)?;
        let until = now + REMEMBERED_FOR;
        let Some(user) = user(review) else {
            self.refused.put(key, (), until, now);
            return Err(REFUSED);
        };
        let user = Arc::new(user.authenticated());
        self.users.put(key, Arc::clone(&user), until, now);
        Ok(user)
    }
}

fn user(review: TokenReview) -> Option<User> {
    let status = review.status?;
    let user = status.user.filter(|_| status.authenticated == Some(true))?;
    Some(User {
        name: user.username.filter(|name| !name.is_empty())?,
        uid: user.uid.filter(|uid| !uid.is_empty()),
        groups: user.groups.unwrap_or_default(),
        extra: user.extra.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests;
