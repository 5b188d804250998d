//! A write that failed is tried again after a backoff: for each object by itself and longer each time, whatever else
//! changes meanwhile. A forbidden write is retried as seldom in a busy cluster as in a quiet one.

use crate::reconcile::action::Action;
use crate::reconcile::subject::{Subject, SubjectKind};
use crate::reconcile::write::Written;
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;
use tokio::time::Instant;

/// After a failure: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// What has changed itself is tried again after this part of the wait: it may be mended, or just restless.
const SOONER: u32 = 8;

/// How long one thing waits that failed.
#[derive(Clone, Copy, Debug)]
pub struct Pause {
    failures: u32,
    from: Instant,
    wait: Duration,
}

impl Pause {
    /// After another failure: from a half to the whole of a time that doubles with each.
    #[must_use]
    pub fn after(last: Option<Self>, now: Instant) -> Self {
        let failures = last.map_or(0, |last| last.failures).saturating_add(1);
        let doubled = RETRY
            .0
            .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        // The standard library's hasher is keyed by the system's randomness, which is all that jitter needs.
        let random = RandomState::new().hash_one(failures) >> 32;
        let part = 0.5 + 0.5 * random as f64 / f64::from(u32::MAX);
        Self {
            failures,
            from: now,
            wait: doubled.min(RETRY.1).mul_f64(part),
        }
    }

    /// What is left of it, for something that has `changed` or has not.
    #[must_use]
    pub fn left(&self, changed: bool, now: Instant) -> Duration {
        let wait = if changed {
            self.wait / SOONER
        } else {
            self.wait
        };
        (self.from + wait).saturating_duration_since(now)
    }
}

/// The writes that failed.
#[derive(Debug, Default)]
pub struct Backoff(BTreeMap<Subject, Entry>);

#[derive(Debug)]
struct Entry {
    action: Action,
    error: Option<String>,
    pause: Pause,
    /// Whether the write is still due, and whether it is another one than that which failed.
    due: bool,
    changed: bool,
}

impl Backoff {
    /// Of all that is due, what may be written now. A Service waits with the plugin that it is to name.
    pub fn admit(&mut self, mut stages: Vec<Vec<Action>>, now: Instant) -> Vec<Vec<Action>> {
        for entry in self.0.values_mut() {
            entry.due = false;
        }
        for stage in &mut stages {
            stage.retain(|action| {
                let named = action.names().map(|key| SubjectKind::Plugin.at(&key));
                if named.is_some_and(|plugin| self.waits(&plugin, now)) {
                    return false;
                }
                let Some(entry) = self.0.get_mut(&action.subject()) else {
                    return true;
                };
                entry.due = true;
                entry.changed = entry.action != *action;
                entry.pause.left(entry.changed, now).is_zero()
            });
        }
        // What is no longer due is remembered for its time: it may be due again in a moment.
        self.0
            .retain(|_, entry| entry.due || !entry.pause.left(false, now).is_zero());
        stages
    }

    /// Whether a write that is due, and was looked at in this pass already, waits.
    fn waits(&self, subject: &Subject, now: Instant) -> bool {
        let entry = self.0.get(subject).filter(|entry| entry.due);
        entry.is_some_and(|entry| !entry.pause.left(entry.changed, now).is_zero())
    }

    /// Notes what came of the writes.
    pub fn note(&mut self, written: Written, now: Instant) {
        for action in &written.done {
            self.0.remove(&action.subject());
        }
        for (action, error) in written.failed {
            let subject = action.subject();
            let pause = Pause::after(self.0.get(&subject).map(|entry| entry.pause), now);
            let entry = Entry {
                action,
                error,
                pause,
                due: true,
                changed: false,
            };
            self.0.insert(subject, entry);
        }
    }

    /// What cannot be written, and why: as of the last try.
    #[must_use]
    pub fn errors(&self) -> BTreeMap<Subject, String> {
        let due = self.0.iter().filter(|(_, entry)| entry.due);
        due.filter_map(|(subject, entry)| Some((subject.clone(), entry.error.clone()?)))
            .collect()
    }

    /// When the first of them may be tried again.
    #[must_use]
    pub fn next(&self, now: Instant) -> Option<Duration> {
        let due = self.0.values().filter(|entry| entry.due);
        due.map(|entry| entry.pause.left(entry.changed, now)).min()
    }
}

#[cfg(test)]
mod tests;
