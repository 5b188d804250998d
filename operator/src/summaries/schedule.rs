//! Who is to be asked when: each pod at its own phase, so that all are not asked at once.

use crate::summaries::ask::{Prior, SummaryTarget};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// A pod's first question comes within this time.
const SOON: Duration = Duration::from_secs(5);

/// What is known of a pod that can be asked.
struct Entry {
    target: SummaryTarget,
    next: Instant,
    asking: bool,
    prior: Option<Prior>,
}

/// All pods that can be asked.
pub(super) struct Schedule {
    interval: Duration,
    pods: HashMap<String, Entry>,
    /// How many pods ever came: each begins a little later in the interval than the one before.
    came: u32,
}

impl Schedule {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            pods: HashMap::new(),
            came: 0,
        }
    }

    /// These are all. A new one is asked soon, so that little of its load goes by before its first look.
    pub(super) fn set(&mut self, targets: Vec<SummaryTarget>, now: Instant) {
        let mut old = std::mem::take(&mut self.pods);
        for target in targets {
            let entry = match old.remove(&target.uid) {
                Some(entry) if entry.target.address == target.address => Entry { target, ..entry },
                _ => {
                    self.came = self.came.wrapping_add(1);
                    // The golden section: however many come, they are spread.
                    let phase = f64::from(self.came) * 0.618_033_988_75 % 1.0;
                    Entry {
                        target,
                        next: now + SOON.min(self.interval).mul_f64(phase),
                        asking: false,
                        prior: None,
                    }
                }
            };
            self.pods.insert(entry.target.uid.clone(), entry);
        }
    }

    /// Those that are due, as many as are free, the one that waits longest first.
    pub(super) fn due(&mut self, now: Instant, free: usize) -> Vec<(SummaryTarget, Option<Prior>)> {
        let due = self.pods.values_mut();
        let mut due: Vec<&mut Entry> = due
            .filter(|entry| !entry.asking && entry.next <= now)
            .collect();
        due.sort_by_key(|entry| entry.next);
        due.truncate(free);
        let interval = self.interval;
        due.into_iter()
            .map(|entry| {
                entry.asking = true;
                // The phase stays, but where whole intervals were missed.
                entry.next = (entry.next + interval).max(now + interval / 2);
                (entry.target.clone(), entry.prior.take())
            })
            .collect()
    }

    /// A pod has answered, or will not.
    pub(super) fn answered(&mut self, uid: &str, prior: Option<Prior>) {
        if let Some(entry) = self.pods.get_mut(uid) {
            entry.asking = false;
            entry.prior = prior;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddr};
    use tagalong_index::Key;

    fn target(uid: &str) -> SummaryTarget {
        SummaryTarget {
            uid: uid.to_owned(),
            pod: Key::new("kong", uid),
            dataplane: "kong/a".to_owned(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        }
    }

    #[test]
    fn each_is_asked_once_in_an_interval_at_its_own_time_and_one_at_a_time() {
        let (begun, interval) = (Instant::now(), Duration::from_secs(5));
        let mut schedule = Schedule::new(interval);
        let all = || {
            (0..100)
                .map(|at| target(&at.to_string()))
                .collect::<Vec<_>>()
        };
        schedule.set(all(), begun);
        let (mut asked, mut most) = (HashMap::<String, usize>::new(), 0);
        for step in 0..1_000 {
            let now = begun + Duration::from_millis(100) * step;
            if step % 10 == 0 {
                schedule.set(all(), now);
            }
            let due = schedule.due(now, 1_000);
            most = most.max(due.len());
            for (target, _) in due {
                *asked.entry(target.uid.clone()).or_default() += 1;
                // One never answers.
                if target.uid != "7" {
                    schedule.answered(&target.uid, None);
                }
            }
        }
        assert_eq!(asked["7"], 1);
        asked.remove("7");
        assert!(
            asked.values().all(|times| (19..=21).contains(times)),
            "{asked:?}"
        );
        assert!(most <= 5, "{most} at once");
    }

    #[test]
    fn no_more_than_are_free_and_who_waits_longest_first() {
        let now = Instant::now();
        let mut schedule = Schedule::new(Duration::from_secs(5));
        schedule.set((0..10).map(|at| target(&at.to_string())).collect(), now);
        let later = now + Duration::from_secs(10);
        let first: Vec<String> = (0..5)
            .flat_map(|_| schedule.due(later, 2))
            .map(|(target, _)| target.uid)
            .collect();
        let mut all = first.clone();
        all.sort();
        all.dedup();
        assert_eq!((first.len(), all.len()), (10, 10));
        assert!(schedule.due(later, 2).is_empty());
    }
}
