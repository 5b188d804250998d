//! Pods that should have a sidecar and have none: the webhook did not answer when their DataPlane was written, or was
//! installed later. They are reported, and their DataPlane is brought through the webhook again: an update that
//! changes nothing is enough, since the API server calls its webhooks all the same. So is one of which only a part of the
//! sidecar is left: its pods run on, but Kong's operator can make no new ones of it.

use crate::reconcile::action::{Action, Patched};
use crate::world::observed::Observed;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tagalong_index::{Index, Key};
use tagalong_wire::contract::INJECT_ENABLED;
use tokio::time::Instant;

/// One DataPlane is brought through the webhook no more often than once in this many grace periods.
const RARELY: u32 = 5;

/// Which DataPlanes have uninjected pods, and since when.
#[derive(Debug)]
pub struct Uninjected {
    grace: Duration,
    since: BTreeMap<Key, Instant>,
    touched: BTreeMap<Key, Instant>,
}

/// What is uninjected now.
#[derive(Debug, Default, PartialEq)]
pub struct Found {
    /// Pods that run without a sidecar, by DataPlane; only those that were given their time.
    pub pods: BTreeMap<Key, BTreeSet<Key>>,
    /// All of them, those of a rollout included.
    pub all: usize,
    /// DataPlanes that are to be brought through the webhook again.
    pub touch: Vec<Action>,
    /// When to check again.
    pub next: Option<Duration>,
}

impl Uninjected {
    /// A rollout may take `grace` before its old pods count as uninjected.
    pub fn new(grace: Duration) -> Self {
        Self {
            grace,
            since: BTreeMap::new(),
            touched: BTreeMap::new(),
        }
    }

    /// How long one DataPlane is left alone after it was brought through the webhook.
    fn rest(&self) -> Duration {
        self.grace.saturating_mul(RARELY)
    }

    /// Checks all DataPlanes of Kong's operators that are labelled for injection.
    pub fn check(&mut self, index: &Index, observed: &Observed, now: Instant) -> Found {
        let rest = self.rest();
        let mut found = Found::default();
        let mut since = BTreeMap::new();
        for dataplane in index
            .dataplanes()
            .filter(|one| one.is_attached() && one.is_managed())
        {
            let seen = observed.dataplanes.get(&dataplane.key);
            let Some(seen) = seen.filter(|one| one.label.as_deref() == Some(INJECT_ENABLED)) else {
                continue;
            };
            let bare = index
                .pods(&dataplane.key)
                .filter(|pod| pod.running && !pod.terminating && !pod.is_injected());
            let bare: BTreeSet<Key> = bare.map(|pod| pod.key.clone()).collect();
            if bare.is_empty() && !seen.torn {
                continue;
            }
            found.all += bare.len();
            let key = &dataplane.key;
            let begun = self.since.get(key).copied().unwrap_or(now);
            since.insert(key.clone(), begun);
            let due = begun + self.grace;
            let mut next = due;
            if now >= due {
                if !bare.is_empty() {
                    found.pods.insert(key.clone(), bare);
                }
                let again = self.touched.get(key).map(|last| *last + rest);
                if again.is_none_or(|again| now >= again) && !seen.deleting {
                    self.touched.insert(key.clone(), now);
                    found.touch.push(Action::Metadata {
                        kind: Patched::DataPlane,
                        key: key.clone(),
                        patch: json!({"metadata": {"resourceVersion": seen.version}}),
                    });
                }
                next = self.touched.get(key).map_or(now, |last| *last) + rest;
            }
            let wait = next.saturating_duration_since(now);
            found.next = Some(found.next.map_or(wait, |other| other.min(wait)));
        }
        self.touched
            .retain(|key, last| since.contains_key(key) || now < *last + rest);
        self.since = since;
        found
    }
}

#[cfg(test)]
mod tests;
