//! Ready once everybody who said "not yet" has said "now".

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Collects what the process still waits for. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    waiting: Arc<Mutex<BTreeMap<u64, String>>>,
}

/// One thing the process waits for. Dropped without [`Handle::ready`], it stays awaited for ever:
/// whoever gave up has not become ready.
#[derive(Debug)]
pub struct Handle {
    id: u64,
    readiness: Readiness,
}

impl Readiness {
    /// Not ready until this handle is. `name` is shown to whoever asks what is missing.
    #[must_use]
    pub fn handle(&self, name: impl Into<String>) -> Handle {
        let mut waiting = self.waiting.lock();
        let id = waiting.last_key_value().map_or(0, |(id, _)| id + 1);
        waiting.insert(id, name.into());
        Handle {
            id,
            readiness: self.clone(),
        }
    }

    /// What is still awaited; empty means ready.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        self.waiting.lock().values().cloned().collect()
    }
}

impl Handle {
    /// No longer awaited.
    pub fn ready(self) {
        self.readiness.waiting.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests;
