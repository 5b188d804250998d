//! Where the sidecar of a Gateway's DataPlane comes from: the GatewayConfiguration that Kong's operators copy it from, so that no
//! webhook is needed at their reconciles; or the DataPlane itself, where that cannot be.
//!
//! Which configuration a DataPlane is made from is not asked. The reference to an extension and the sidecar travel together: a
//! configuration that names the extension gets the sidecar, and a DataPlane to which the extension has come has its sidecar from
//! above once every configuration that names it has one. That it did come is seen in the DataPlane.

use crate::reconcile::action::{Action, Patched};
use crate::world::observed::{Observed, ObservedDataPlane};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tagalong_index::{Index, Key};
use tagalong_wire::contract::INJECT_ENABLED;
use tokio::time::Instant;

/// A configuration that the webhook passed by is brought through it no more often than once in this many grace periods.
const RARELY: u32 = 5;
/// What is put into a configuration has come down to its DataPlanes within this part of a grace period: Kong's operators watch
/// configurations.
const SETTLED: u32 = 4;

/// Where a DataPlane's sidecar comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// It has none.
    Nowhere,
    /// From the webhook, which sees the DataPlane.
    #[default]
    Itself,
    /// As before, since what its configuration has did not come down.
    NotCopied,
    /// From a GatewayConfiguration.
    Above,
    /// Not decided yet: the DataPlane stays as it is.
    AsItIs,
}

/// What is decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placement {
    /// GatewayConfigurations that are to have the sidecar, and the marker that they take over.
    pub configurations: BTreeMap<Key, Option<String>>,
    /// Where DataPlanes get it from that a Gateway owns.
    pub dataplanes: BTreeMap<Key, Place>,
    /// Why some of them do not get it from above: the configuration that has none, if it is that.
    pub fallen_back: BTreeMap<Key, Option<Key>>,
    /// Configurations that are to be brought through the webhook.
    pub touch: Vec<Action>,
    /// Whether nothing is to be put into configurations or taken out of them, and nothing of it be left to them alone.
    pub held: bool,
    /// When to decide again.
    pub next: Option<Duration>,
}

/// What a decision depends on beside the world: time.
#[derive(Debug)]
pub struct Sources {
    grace: Duration,
    /// Since when a configuration is to have the sidecar and has none, and since when it has it.
    wanted: BTreeMap<Key, Instant>,
    has: BTreeMap<Key, Instant>,
    touched: BTreeMap<Key, Instant>,
    last_touch: Option<Instant>,
}

impl Sources {
    /// What takes longer than `grace` does not come.
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        Self {
            grace,
            wanted: BTreeMap::new(),
            has: BTreeMap::new(),
            touched: BTreeMap::new(),
            last_touch: None,
        }
    }

    /// Decides about all DataPlanes that a Gateway owns. Unless `open`, it is not known of every webhook whether it can put a sidecar
    /// into a configuration: what is there stays as it is.
    pub fn place(
        &mut self,
        index: &Index,
        observed: &Observed,
        open: bool,
        now: Instant,
    ) -> Placement {
        let mut placement = Placement {
            held: !open,
            ..Placement::default()
        };
        let mut sources: BTreeMap<Key, BTreeSet<&Key>> = BTreeMap::new();
        for extension in index.extensions() {
            for configuration in index.configurations_of(extension) {
                if observed.configurations.contains_key(configuration) {
                    placement
                        .configurations
                        .entry(configuration.clone())
                        .or_default();
                    sources
                        .entry(extension.clone())
                        .or_default()
                        .insert(configuration);
                }
            }
        }
        self.note(&placement, observed, now);
        if placement.held {
            // Nobody relies on what a configuration has before all webhooks keep it there.
            self.has.clear();
        }
        for dataplane in index.dataplanes().filter(|one| one.is_attached()) {
            let seen = observed.dataplanes.get(&dataplane.key);
            let Some(seen) = seen.filter(|one| one.of_gateway) else {
                continue;
            };
            let above: BTreeSet<&Key> = dataplane
                .extensions
                .iter()
                .filter_map(|extension| sources.get(extension))
                .flatten()
                .copied()
                .collect();
            if above.is_empty() {
                continue;
            }
            let key = &dataplane.key;
            if seen.added && !seen.not_copied && seen.injected.is_some() {
                for source in &above {
                    let taken_over = placement
                        .configurations
                        .entry((*source).clone())
                        .or_default();
                    if taken_over.is_none() {
                        taken_over.clone_from(&seen.injected);
                    }
                }
            }
            let (place, fallen_back) = self.one(seen, &above, now, &mut placement.next);
            placement.dataplanes.insert(key.clone(), place);
            placement
                .fallen_back
                .extend(fallen_back.map(|lacking| (key.clone(), lacking)));
        }
        if open {
            self.touch(&mut placement, observed, now);
        }
        placement
    }

    /// Where one DataPlane gets it from, and whether that is for lack of better: of which configuration, if of one.
    fn one(
        &self,
        seen: &ObservedDataPlane,
        above: &BTreeSet<&Key>,
        now: Instant,
        next: &mut Option<Duration>,
    ) -> (Place, Option<Option<Key>>) {
        let mut wait = |until: Instant| {
            let left = until.saturating_duration_since(now);
            if !left.is_zero() {
                *next = Some(next.map_or(left, |other| other.min(left)));
            }
            left.is_zero()
        };
        let lacking = above.iter().find(|key| !self.has.contains_key(**key));
        let since = match lacking {
            Some(key) => self.wanted.get(*key),
            None => above.iter().filter_map(|key| self.has.get(*key)).max(),
        };
        let since = since.copied().unwrap_or(now);
        let is_ours = seen.added && seen.label.as_deref() == Some(INJECT_ENABLED);
        match (lacking, &seen.label) {
            // A person's label stands.
            (_, Some(_)) if !is_ours => (Place::Itself, None),
            (_, None) if seen.injected.is_some() => (Place::Above, None),
            (_, Some(_)) if seen.not_copied => (Place::NotCopied, Some(None)),
            (None, Some(_)) if seen.overrides => (Place::Itself, None),
            (None, Some(_)) if wait(since + self.grace / SETTLED) => (Place::Above, None),
            (None, Some(_)) => (Place::Itself, None),
            (None, None) if wait(since + self.grace) => (Place::NotCopied, Some(None)),
            (Some(key), label) => {
                let late = wait(since + self.grace);
                let place = if label.is_some() || late {
                    Place::Itself
                } else {
                    Place::AsItIs
                };
                (place, late.then(|| Some((**key).clone())))
            }
            (None, None) => (Place::AsItIs, None),
        }
    }

    fn note(&mut self, placement: &Placement, observed: &Observed, now: Instant) {
        let (mut wanted, mut has) = (BTreeMap::new(), BTreeMap::new());
        for key in placement.configurations.keys() {
            let injected = observed
                .configurations
                .get(key)
                .is_some_and(|one| one.injected);
            let (before, since) = if injected {
                (&self.has, &mut has)
            } else {
                (&self.wanted, &mut wanted)
            };
            since.insert(key.clone(), before.get(key).copied().unwrap_or(now));
        }
        (self.wanted, self.has) = (wanted, has);
        self.touched
            .retain(|key, _| placement.configurations.contains_key(key));
    }

    /// Brings configurations through the webhook: each once in the life of this process, so that it gets the sidecar of this
    /// version, one after the other in the order of their names; and now and then such as have none.
    fn touch(&mut self, placement: &mut Placement, observed: &Observed, now: Instant) {
        let pause = self.grace / SETTLED;
        for key in placement.configurations.keys() {
            let Some(seen) = observed.configurations.get(key) else {
                continue;
            };
            if seen.deleting || seen.label.as_deref() != Some(INJECT_ENABLED) {
                continue;
            }
            let due = match (self.touched.get(key), self.wanted.get(key)) {
                (None, None) => now,
                (None, Some(since)) => *since + self.grace,
                (Some(_), None) => continue,
                (Some(last), Some(_)) => *last + self.grace.saturating_mul(RARELY),
            };
            let due = self.last_touch.map_or(due, |last| due.max(last + pause));
            if due > now {
                let left = due.saturating_duration_since(now);
                placement.next = Some(placement.next.map_or(left, |other| other.min(left)));
                continue;
            }
            self.touched.insert(key.clone(), now);
            self.last_touch = Some(now);
            placement.touch.push(Action::Metadata {
                kind: Patched::Configuration,
                key: key.clone(),
                patch: json!({"metadata": {"resourceVersion": seen.version}}),
            });
        }
    }
}

#[cfg(test)]
mod tests;
