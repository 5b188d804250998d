//! How long pods take to answer, so that one that hangs does not keep every scraper waiting for all of its timeout.

use crate::collect::fetch::PodId;
use std::collections::HashMap;
use std::time::Duration;

/// A pod that has had less time than this, and needed more, has not failed: scrapers give theirs five seconds and up. And
/// the least that a pod has that did not answer last time.
pub(super) const FAIR: Duration = Duration::from_secs(2);
/// A pod that did not answer last time has so many times as long as it last needed: under load it needs more.
const AS_LONG: u32 = 2;

/// What is known of each pod that was asked.
#[derive(Debug, Default)]
pub(super) struct PodTimes(HashMap<PodId, Times>);

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    /// What its last answer took.
    needed: Option<Duration>,
    /// Whether it has answered since it last did not in time.
    missed: bool,
}

impl PodTimes {
    /// It answered.
    pub(super) fn answered(&mut self, pod: &PodId, took: Duration) {
        let needed = Some(took);
        let times = Times {
            needed,
            missed: false,
        };
        self.0.insert(pod.clone(), times);
    }

    /// It did not answer in the time that it had.
    pub(super) fn missed(&mut self, pod: &PodId, had: Duration) {
        if had >= FAIR {
            self.0.entry(pod.clone()).or_default().missed = true;
        }
    }

    /// How long it is waited for, if not for as long as the scraper waits.
    pub(super) fn allowed(&self, pod: &PodId) -> Option<Duration> {
        let times = self.0.get(pod).filter(|times| times.missed)?;
        let needed = times.needed.unwrap_or_default();
        Some(FAIR.max(AS_LONG * needed))
    }

    /// Forgets pods that are gone.
    pub(super) fn retain(&mut self, is_there: impl Fn(&PodId) -> bool) {
        self.0.retain(|pod, _| is_there(pod));
    }
}
