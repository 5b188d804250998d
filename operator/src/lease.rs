//! Who may write: one holder of a `coordination.k8s.io` Lease at a time.
//!
//! As in client-go's `leaderelection`, the age of somebody else's claim is measured by how long
//! *we* have seen it unchanged, so clocks need not agree. A claim of our own counts for writing
//! only for two thirds of its time, measured from before the renewal was sent: whoever takes over
//! waits for all of it. Writes run under [`Writes::run`], which refuses or cancels them when the
//! claim is no longer sure.

pub mod installation;
mod manager;
pub mod mark;
mod store;
pub mod turn;
mod writes;

pub use manager::{FIELD_MANAGER, patches, puts};
pub use store::{KubeStore, PutError, Store};
pub use writes::{NotLeader, Writes};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use std::time::Duration;
use tagalong_runtime::Drain;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How a lease is claimed.
#[derive(Clone, Debug)]
pub struct LeaseSettings {
    /// Who we are; unique for each process.
    pub identity: String,
    /// How long a claim lasts without renewal.
    pub duration: Duration,
    /// How often a claim is renewed, and how often others look whether it has run out.
    pub every: Duration,
}

impl LeaseSettings {
    /// The usual times: 15 s and 3 s.
    #[must_use]
    pub fn new(identity: impl Into<String>) -> Self {
        Self {
            identity: identity.into(),
            duration: Duration::from_secs(15),
            every: Duration::from_secs(3),
        }
    }
}

/// The claim was lost: whoever ran on it must end.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// Somebody else holds the lease.
    #[error("the lease was taken by {0}; this process ends so that nobody writes twice")]
    Taken(String),
    /// No renewal succeeded in time.
    #[error(
        "the lease could not be renewed in time ({0}); this process ends so that nobody writes twice"
    )]
    Unrenewed(String),
}

/// A lease to be claimed and kept.
pub struct Lease<S> {
    store: S,
    settings: LeaseSettings,
    claim: writes::Claim,
}

impl<S: Store> Lease<S> {
    /// A lease, and the guard that writers ask.
    pub fn new(store: S, settings: LeaseSettings) -> (Self, Writes) {
        let (claim, writes) = writes::channel();
        let lease = Self {
            store,
            settings,
            claim,
        };
        (lease, writes)
    }

    /// Claims the lease and keeps it until the drain begins; then gives it back.
    ///
    /// # Errors
    ///
    /// When a claim was lost. The process must end then.
    pub async fn run(self, drain: Drain) -> Result<(), Lost> {
        let Some(held) = drain.cancel(self.acquire()).await else {
            return Ok(());
        };
        tracing::info!(identity = %self.settings.identity, "holds the lease");
        let (mut held, mut until) = held;
        let lost = loop {
            match drain.cancel(tokio::time::sleep(self.settings.every)).await {
                None => break Ok(()),
                Some(()) => match self.renew(held, until).await {
                    Ok(renewed) => (held, until) = renewed,
                    Err(lost) => break Err(lost),
                },
            }
        };
        self.claim.revoke(self.settings.every).await;
        if lost.is_ok() {
            self.release().await;
        }
        lost
    }

    async fn acquire(&self) -> (Object, Instant) {
        let mut seen = None;
        loop {
            match tokio::time::timeout(self.settings.every, self.try_acquire(&mut seen)).await {
                Ok(Ok(Some(held))) => return held,
                Ok(Ok(None)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "cannot read or write the lease"),
                Err(_elapsed) => {
                    tracing::warn!("cannot read or write the lease: no answer in time");
                }
            }
            tokio::time::sleep(self.settings.every).await;
        }
    }

    /// `seen`: the version of somebody else's claim, and since when we see it.
    async fn try_acquire(
        &self,
        seen: &mut Option<(String, Instant)>,
    ) -> Result<Option<(Object, Instant)>, String> {
        let now = Instant::now();
        let object = self.store.get().await?.unwrap_or_default();
        let holder = holder(&object);
        if !holder.is_empty() && holder != self.settings.identity {
            let version = object.metadata.resource_version.clone().unwrap_or_default();
            match seen {
                Some((same, since)) if *same == version => {
                    if now.duration_since(*since) <= claimed_for(&object) {
                        return Ok(None);
                    }
                }
                _ => {
                    *seen = Some((version, now));
                    return Ok(None);
                }
            }
            tracing::info!(of = holder, "takes over a lease that has run out");
        }
        match self.store.put(self.claimed(object, true)).await {
            Ok(held) => Ok(Some((held, self.claim.extend(now, self.settings.duration)))),
            Err(PutError::Conflict) => Ok(None),
            Err(PutError::Other(error)) => Err(error),
        }
    }

    async fn renew(&self, mut held: Object, until: Instant) -> Result<(Object, Instant), Lost> {
        let mut reason = "no answer from the API server".to_owned();
        loop {
            let now = Instant::now();
            if now >= until {
                return Err(Lost::Unrenewed(reason));
            }
            let wait = self.settings.every.min(until - now);
            let renewal = self.claimed(held.clone(), false);
            match tokio::time::timeout(wait, self.store.put(renewal)).await {
                Ok(Ok(held)) => {
                    return Ok((held, self.claim.extend(now, self.settings.duration)));
                }
                // Somebody wrote in between: others' labels do not end our claim, others' claims do.
                Ok(Err(PutError::Conflict)) => {
                    let wait = until.saturating_duration_since(Instant::now());
                    let wait = self.settings.every.min(wait);
                    match tokio::time::timeout(wait, self.store.get()).await {
                        Ok(Ok(Some(object))) if holder(&object) == self.settings.identity => {
                            held = object;
                        }
                        Ok(Ok(Some(object))) => {
                            return Err(Lost::Taken(holder(&object).to_owned()));
                        }
                        Ok(Ok(None)) => {
                            return Err(Lost::Taken("nobody: it was deleted".to_owned()));
                        }
                        Ok(Err(error)) => reason = error,
                        Err(_elapsed) => continue,
                    }
                }
                Ok(Err(PutError::Other(error))) => reason = error,
                Err(_elapsed) => continue,
            }
            tokio::time::sleep(self.settings.every / 4).await;
        }
    }

    async fn release(&self) {
        let released = async {
            let Some(mut object) = self.store.get().await? else {
                return Ok(());
            };
            if holder(&object) == self.settings.identity {
                let spec = object.spec.get_or_insert_default();
                spec.holder_identity = None;
                self.store
                    .put(object)
                    .await
                    .map_err(|error| error.to_string())?;
            }
            Ok::<_, String>(())
        };
        match tokio::time::timeout(self.settings.every, released).await {
            Ok(Ok(())) => tracing::info!("released the lease"),
            Ok(Err(error)) => tracing::warn!(%error, "could not release the lease"),
            Err(_elapsed) => tracing::warn!("could not release the lease in time"),
        }
    }

    /// The object with our claim in it.
    fn claimed(&self, mut object: Object, new: bool) -> Object {
        let now = MicroTime(Timestamp::now());
        let spec = object.spec.get_or_insert_with(LeaseSpec::default);
        if new && spec.holder_identity.as_deref() != Some(&self.settings.identity) {
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(-1).saturating_add(1));
            spec.acquire_time = Some(now.clone());
        }
        spec.holder_identity = Some(self.settings.identity.clone());
        spec.lease_duration_seconds =
            Some(i32::try_from(self.settings.duration.as_secs().max(1)).unwrap_or(i32::MAX));
        spec.renew_time = Some(now);
        object
    }
}

/// Claims the lease `namespace/name` for a process in `pod`, until the drain begins.
#[must_use]
pub fn claim(
    client: &kube::Client,
    namespace: &str,
    name: &str,
    pod: &str,
    drain: &Drain,
) -> (JoinHandle<Result<(), Lost>>, Writes) {
    let store = KubeStore::new(client.clone(), namespace, name);
    // A container that is restarted has the same name and must not take its predecessor's claim for its own.
    let since = Timestamp::now().as_nanosecond();
    let identity = format!("{}_{since:x}", pod);
    let (lease, writes) = Lease::new(store, LeaseSettings::new(identity));
    (tokio::spawn(lease.run(drain.clone())), writes)
}

fn holder(object: &Object) -> &str {
    let spec = object.spec.as_ref();
    spec.and_then(|spec| spec.holder_identity.as_deref())
        .unwrap_or_default()
}

fn claimed_for(object: &Object) -> Duration {
    let spec = object.spec.as_ref();
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds);
    Duration::from_secs(seconds.and_then(|s| s.try_into().ok()).unwrap_or(15))
}

#[cfg(test)]
mod tests;
