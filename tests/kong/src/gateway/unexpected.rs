//! Records requests for what the stand-in does not have, so that a test that relies on it is told.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Kind and name of each, and how often.
#[derive(Debug, Default)]
pub(crate) struct Unexpected {
    seen: Mutex<BTreeMap<String, usize>>,
}

impl Unexpected {
    pub(crate) fn record(&self, kind: &str, what: &str) {
        let entry = format!("{kind}: {what}");
        let mut seen = self.seen.lock();
        let count = seen.entry(entry.clone()).or_default();
        if *count == 0 {
            tracing::warn!("{entry}");
        }
        *count += 1;
    }

    /// Each once, sorted.
    pub(crate) fn list(&self) -> Vec<String> {
        self.seen.lock().keys().cloned().collect()
    }
}
