//! Readiness by handles: ready once every part that has taken a handle has reported.

use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Collects what the process still waits for. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    waiting: Arc<watch::Sender<BTreeMap<u64, String>>>,
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
        let (mut id, mut name) = (0, Some(name.into()));
        self.waiting.send_modify(|waiting| {
            id = waiting.last_key_value().map_or(0, |(id, _)| id + 1);
            waiting.extend(name.take().map(|name| (id, name)));
        });
        Handle {
            id,
            readiness: self.clone(),
        }
    }

    /// What is still awaited; empty means ready.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        self.waiting.borrow().values().cloned().collect()
    }

    /// Resolves once nothing is awaited.
    pub async fn complete(&self) {
        let mut waiting = self.waiting.subscribe();
        // The sender lives as long as `self`, so this ends only when nothing is missing.
        let _sender_gone = waiting.wait_for(BTreeMap::is_empty).await;
    }
}

impl Handle {
    /// No longer awaited.
    pub fn ready(self) {
        self.readiness.waiting.send_modify(|waiting| {
            waiting.remove(&self.id);
        });
    }
}

#[cfg(test)]
mod tests;
