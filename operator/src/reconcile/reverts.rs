//! What somebody else keeps taking back, such as a Service whose annotations are kept in Git: it is written again, but
//! after growing pauses, and that is told. Each round costs Kong two pushes of its configuration.

use crate::reconcile::action::Action;
use crate::reconcile::subject::Subject;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// So often the same is written without a pause: a deployment tool that was installed before us may need a moment.
const FREE: u32 = 3;
/// The first pause, which doubles each time, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(600));
/// What has stood for so long is no longer taken back.
const STANDS: Duration = Duration::from_secs(1800);

/// What was written, and how often in a row.
#[derive(Debug, Default)]
pub struct Reverts(BTreeMap<Subject, Entry>);

#[derive(Debug)]
struct Entry {
    action: Action,
    times: u32,
    written: Instant,
    /// Whether it is to be written again, and waits for that.
    waits: bool,
}

impl Entry {
    fn left(&self, now: Instant) -> Duration {
        let Some(more) = self.times.checked_sub(FREE) else {
            return Duration::ZERO;
        };
        let pause = PAUSE
            .0
            .saturating_mul(2_u32.saturating_pow(more))
            .min(PAUSE.1);
        (self.written + pause).saturating_duration_since(now)
    }
}

impl Reverts {
    /// Of all that is due, what may be written now.
    pub fn admit(&mut self, mut stages: Vec<Vec<Action>>, now: Instant) -> Vec<Vec<Action>> {
        self.0.retain(|_, entry| now < entry.written + STANDS);
        for entry in self.0.values_mut() {
            entry.waits = false;
        }
        for stage in &mut stages {
            stage.retain(|action| {
                let Some(entry) = self.0.get_mut(&action.subject()) else {
                    return true;
                };
                entry.waits = entry.action == action.lasting() && !entry.left(now).is_zero();
                !entry.waits
            });
        }
        stages
    }

    /// Notes what was written.
    pub fn note(&mut self, done: &[Action], now: Instant) {
        for action in done {
            if action.says_nothing() {
                continue;
            }
            let action = action.lasting();
            let same = self.0.get(&action.subject());
            let same = same.filter(|entry| entry.action == action);
            let entry = Entry {
                times: same.map_or(1, |entry| entry.times.saturating_add(1)),
                written: now,
                waits: false,
                action,
            };
            self.0.insert(entry.action.subject(), entry);
        }
    }

    /// What is taken back again and again. By whom is not known: our own write takes the field over, and the other's name
    /// goes with it.
    #[must_use]
    pub fn told(&self) -> BTreeSet<Subject> {
        let often = self.0.iter().filter(|(_, entry)| entry.times > FREE);
        often.map(|(subject, _)| subject.clone()).collect()
    }

    /// When the first of those that wait may be written.
    #[must_use]
    pub fn next(&self, now: Instant) -> Option<Duration> {
        let waiting = self.0.values().filter(|entry| entry.waits);
        waiting.map(|entry| entry.left(now)).min()
    }
}

#[cfg(test)]
mod tests;
