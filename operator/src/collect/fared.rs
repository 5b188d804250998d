//! How pods fared, so that each trouble is told once.
//!
//! A pod at the edge of a scraper's patience fails every other time. Its trouble begins with the first failure and is over
//! when it has been collected for a while without another; until then each reason is told once.

use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long a pod must have been well for its trouble to be over.
const WELL: Duration = Duration::from_secs(60);

/// What is to be told of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing.
    None,
    /// It fails, for a reason that has not been told.
    Fails,
    /// Its trouble is over.
    Well,
}

/// Pods in trouble, by UID.
#[derive(Debug, Default)]
pub(super) struct Fared(HashMap<String, Trouble>);

#[derive(Debug, Default)]
struct Trouble {
    told: Vec<&'static str>,
    well_since: Option<Instant>,
}

impl Fared {
    /// A pod has failed for some reason at some time, or for none.
    pub(super) fn note(&mut self, uid: &str, failed: Option<&'static str>, now: Instant) -> News {
        match (failed, self.0.get_mut(uid)) {
            (None, None) => News::None,
            (None, Some(trouble)) => {
                let since = *trouble.well_since.get_or_insert(now);
                if now.saturating_duration_since(since) < WELL {
                    return News::None;
                }
                self.0.remove(uid);
                News::Well
            }
            (Some(reason), trouble) => {
                let trouble = match trouble {
                    Some(trouble) => trouble,
                    None => self.0.entry(uid.to_owned()).or_default(),
                };
                trouble.well_since = None;
                if trouble.told.contains(&reason) {
                    return News::None;
                }
                trouble.told.push(reason);
                News::Fails
            }
        }
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
    fn each_reason_once_until_it_has_been_well_for_a_while() {
        let (mut fared, begin) = (Fared::default(), Instant::now());
        let mut note = |failed, seconds| {
            let now = begin + Duration::from_secs(seconds);
            fared.note("u", failed, now)
        };
        assert_eq!(note(None, 0), News::None, "that is as it should be");
        assert_eq!(note(Some("timeout"), 15), News::Fails);
        // At the edge of the scraper's patience.
        for seconds in (30..3600).step_by(30) {
            assert_eq!(note(None, seconds), News::None);
            assert_eq!(note(Some("timeout"), seconds + 15), News::None);
        }
        assert_eq!(note(Some("status"), 3600), News::Fails);
        assert_eq!(note(Some("timeout"), 3615), News::None);
        assert_eq!(note(None, 3630), News::None);
        assert_eq!(note(None, 3689), News::None);
        assert_eq!(note(None, 3690), News::Well);
        assert_eq!(note(None, 3705), News::None);
        assert_eq!(note(Some("timeout"), 3720), News::Fails);
    }

    #[test]
    fn a_pod_that_is_gone_is_forgotten() {
        let (mut fared, now) = (Fared::default(), Instant::now());
        assert_eq!(fared.note("u", Some("status"), now), News::Fails);
        fared.retain(|uid| uid == "u");
        assert_eq!(fared.note("u", Some("status"), now), News::None);
        fared.retain(|_| false);
        assert_eq!(fared.note("u", Some("status"), now), News::Fails);
    }
}
