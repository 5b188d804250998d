//! The health of pods over collections, so that each change is reported once, and a pod that changes all the time fills no log.
//!
//! A pod at the edge of a scraper's timeout fails every other time. A few of its changes are reported at once, then one now
//! and then; what is reported is its health at that time.

use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// So many changes of a pod are told at once.
const AT_ONCE: u32 = 4;
/// After that one in this time.
const PAUSE: Duration = Duration::from_secs(600);

/// Pods that fail, or did a while ago, by UID.
#[derive(Debug, Default)]
pub(super) struct PodHealth(HashMap<String, Pod>);

#[derive(Debug)]
struct Pod {
    /// Why it fails, as was told last; nothing if that was that it is well.
    told: Option<&'static str>,
    /// How many changes may be told, as of this time.
    left: u32,
    since: Instant,
}

impl PodHealth {
    /// A pod has failed at some time for some reason, or for none. Returns whether that is to be told.
    pub(super) fn note(&mut self, uid: &str, failed: Option<&'static str>, now: Instant) -> bool {
        let pod = match self.0.get_mut(uid) {
            Some(pod) => pod,
            None if failed.is_none() => return false,
            None => self.0.entry(uid.to_owned()).or_insert(Pod {
                told: None,
                left: AT_ONCE,
                since: now,
            }),
        };
        while pod.left < AT_ONCE && now.saturating_duration_since(pod.since) >= PAUSE {
            (pod.left, pod.since) = (pod.left + 1, pod.since + PAUSE);
        }
        if pod.told == failed || pod.left == 0 {
            if failed.is_none() && pod.left == AT_ONCE {
                self.0.remove(uid);
            }
            return false;
        }
        if pod.left == AT_ONCE {
            pod.since = now;
        }
        (pod.left, pod.told) = (pod.left - 1, failed);
        true
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets pods that are gone.
    pub(super) fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.0.retain(|uid, _| is_there(uid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_once() {
        let (mut health, begin) = (PodHealth::default(), Instant::now());
        let mut time = begin;
        for (failed, told) in [
            (None, false),
            (Some("timeout"), true),
            (Some("timeout"), false),
            (Some("status"), true),
            (None, true),
            (None, false),
        ] {
            time += Duration::from_secs(15);
            assert_eq!(health.note("u", failed, time), told, "{failed:?}");
        }
    }

    #[test]
    fn what_changes_all_the_time_is_told_now_and_then_and_in_the_end_as_it_is() {
        let (mut health, begin) = (PodHealth::default(), Instant::now());
        let mut told = Vec::new();
        let mut seconds = 0;
        while seconds < 36_000 {
            let failed = (seconds % 30 == 0).then_some("timeout");
            if health.note("u", failed, begin + Duration::from_secs(seconds)) {
                told.push((seconds, failed));
            }
            seconds += 15;
        }
        let at_once = u64::from(AT_ONCE);
        assert!(
            told[..AT_ONCE as usize]
                .iter()
                .all(|(at, _)| *at <= 15 * at_once)
        );
        let most = at_once + 36_000 / PAUSE.as_secs();
        assert!(told.len() as u64 <= most, "{} told", told.len());
        let end = begin + Duration::from_secs(seconds);
        let rest = (0..100)
            .filter(|minute| health.note("u", None, end + Duration::from_secs(60 * minute)));
        let was_well = told.last().is_some_and(|(_, failed)| failed.is_none());
        assert_eq!(rest.count(), usize::from(!was_well));
        assert!(health.0.is_empty(), "long since well, it is forgotten");
    }

    #[test]
    fn a_pod_that_is_gone_is_forgotten() {
        let (mut health, now) = (PodHealth::default(), Instant::now());
        assert!(health.note("u", Some("status"), now));
        health.retain(|uid| uid == "u");
        assert!(!health.note("u", Some("status"), now));
        health.retain(|_| false);
        assert!(health.note("u", Some("status"), now));
    }
}
