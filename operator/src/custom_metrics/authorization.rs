//! Whether a user may ask: the API server says (SubjectAccessReview), and is not asked each time.
//!
//! It has already decided about requests that come through it, but the port can be reached by others, and so all are
//! asked about (`DelegatingAuthorizationOptions` of `apiserver/pkg/server/options` says why).

use crate::causes::in_words;
use crate::custom_metrics::GROUP;
use crate::custom_metrics::signals::Described;
use crate::custom_metrics::user::User;
use crate::reviews::token::ApiServer;
use crate::reviews::turns::Turns;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a refusal holds, and how old an allowance is when it is asked about anew, in the background.
const FRESH: Duration = Duration::from_secs(10);
/// How long an allowance holds. An HPA asks every 15 seconds.
const HOLDS: Duration = Duration::from_secs(60);
/// Answers remembered of one user, and users.
const FOR_ONE_USER: usize = 4_096;
const USERS: usize = 256;
/// Reviews under way at once, and for one user.
const AT_ONCE: usize = 32;
const OF_ONE_USER: usize = 8;
const TIMEOUT: Duration = Duration::from_secs(5);

/// Who decides: the API server, or a test.
pub trait Decider: Send + Sync + 'static {
    /// Whether it is allowed.
    fn decide(
        &self,
        review: SubjectAccessReview,
    ) -> impl Future<Output = Result<bool, String>> + Send;
}

impl Decider for ApiServer {
    async fn decide(&self, review: SubjectAccessReview) -> Result<bool, String> {
        let reviews: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &review).await;
        let status = answer.map_err(|error| in_words(&error))?.status;
        Ok(status.is_some_and(|status| status.allowed && status.denied != Some(true)))
    }
}

/// What is to be done: get `subresource` of an object.
#[derive(Clone, Copy, Debug)]
pub struct Permission<'a> {
    /// The API's version.
    pub version: &'static str,
    /// The object.
    pub object: Described<'a>,
    /// A metric's name.
    pub subresource: &'a str,
}

type Key = [u8; 32];

#[derive(Clone, Copy, Debug)]
struct Decided {
    allowed: bool,
    asked: Instant,
    /// Whether it is being asked about anew.
    asking: bool,
}

/// Decides, and remembers. Cheap to clone.
pub struct Authorization<D> {
    shared: Arc<Shared<D>>,
}

impl<D> Clone for Authorization<D> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

struct Shared<D> {
    decider: D,
    decided: Mutex<HashMap<Key, HashMap<Key, Decided>>>,
    turns: Turns<Key>,
    /// Hears of each question.
    asked: Counter,
}

impl<D: Decider> Authorization<D> {
    /// Asks `decider`, and counts how often.
    pub fn new(decider: D, asked: Counter) -> Self {
        Self {
            shared: Arc::new(Shared {
                decider,
                decided: Mutex::default(),
                turns: Turns::new(AT_ONCE, OF_ONE_USER, TIMEOUT),
                asked,
            }),
        }
    }

    /// Whether `user` may.
    ///
    /// # Errors
    ///
    /// When it is not known and nobody can be asked.
    pub async fn allows(
        &self,
        user: &Arc<User>,
        permission: Permission<'_>,
    ) -> Result<bool, String> {
        if user.is_master() {
            return Ok(true);
        }
        let (who, what) = (user.digest(), digest(permission));
        match self.shared.remembered(&who, &what, Instant::now()) {
            Some((allowed, false)) => return Ok(allowed),
            Some((allowed, true)) => {
                let (shared, review) = (Arc::clone(&self.shared), review(user, permission));
                tokio::spawn(async move {
                    // What fails leaves things as they are: until the old answer has run out.
                    let _failed = shared.ask(who, what, review).await;
                    shared.asked_anew(&who, &what);
                });
                return Ok(allowed);
            }
            None => {}
        }
        self.shared.ask(who, what, review(user, permission)).await
    }
}

impl<D: Decider> Shared<D> {
    async fn ask(&self, who: Key, what: Key, review: SubjectAccessReview) -> Result<bool, String> {
        self.asked.inc();
        let allowed = self.turns.ask(who, self.decider.decide(review)).await?;
        self.remember(who, what, allowed, Instant::now());
        Ok(allowed)
    }
}

impl<D> Shared<D> {
    /// What was decided, if it holds; and whether the caller is to ask anew.
    fn remembered(&self, who: &Key, what: &Key, now: Instant) -> Option<(bool, bool)> {
        let mut all = self.decided.lock();
        let decided = all.get_mut(who)?.get_mut(what)?;
        let age = now.duration_since(decided.asked);
        if age < FRESH {
            return Some((decided.allowed, false));
        }
        if !decided.allowed || age >= HOLDS {
            return None;
        }
        let first = !std::mem::replace(&mut decided.asking, true);
        Some((true, first))
    }

    fn remember(&self, who: Key, what: Key, allowed: bool, now: Instant) {
        let holds = |decided: &Decided| {
            let age = now.duration_since(decided.asked);
            age < if decided.allowed { HOLDS } else { FRESH }
        };
        let mut all = self.decided.lock();
        if all.len() >= USERS && !all.contains_key(&who) {
            all.retain(|_, of_one| {
                of_one.retain(|_, decided| holds(decided));
                !of_one.is_empty()
            });
            if all.len() >= USERS {
                return;
            }
        }
        let of_one = all.entry(who).or_default();
        if of_one.len() >= FOR_ONE_USER && !of_one.contains_key(&what) {
            of_one.retain(|_, decided| holds(decided));
            if of_one.len() >= FOR_ONE_USER {
                return;
            }
        }
        let decided = Decided {
            allowed,
            asked: now,
            asking: false,
        };
        of_one.insert(what, decided);
    }

    fn asked_anew(&self, who: &Key, what: &Key) {
        let mut all = self.decided.lock();
        if let Some(decided) = all.get_mut(who).and_then(|of_one| of_one.get_mut(what)) {
            decided.asking = false;
        }
    }
}

fn digest(permission: Permission<'_>) -> Key {
    let Described {
        resource,
        namespace,
        name,
    } = permission.object;
    let mut digest = Sha256::new();
    for text in [
        permission.version,
        resource,
        namespace,
        name,
        permission.subresource,
    ] {
        digest.update(text.len().to_le_bytes());
        digest.update(text);
    }
    digest.finalize().into()
}

fn review(user: &User, permission: Permission<'_>) -> SubjectAccessReview {
    let text = |text: &str| Some(text.to_owned());
    let attributes = ResourceAttributes {
        group: text(GROUP),
        version: text(permission.version),
        resource: text(permission.object.resource),
        subresource: text(permission.subresource),
        namespace: text(permission.object.namespace),
        name: text(permission.object.name),
        verb: text("get"),
        ..ResourceAttributes::default()
    };
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: text(&user.name),
            uid: user.uid.clone(),
            groups: Some(user.groups.clone()),
            extra: Some(user.extra.clone()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    }
}

#[cfg(test)]
mod tests;
