//! Numbers that stand for the names of Services, so that a thousand pods hold each name once.

use std::collections::HashMap;

/// A Service, by number.
pub(crate) type Id = u32;

/// Services that are in a table.
#[derive(Debug, Default)]
pub(crate) struct ServiceIds {
    ids: HashMap<Box<str>, Id>,
    free: Vec<Id>,
}

impl ServiceIds {
    /// The number of a Service (`namespace/name`), which it has from now on.
    pub(crate) fn take(&mut self, service: &str) -> Id {
        if let Some(id) = self.ids.get(service) {
            return *id;
        }
        let next = Id::try_from(self.ids.len()).unwrap_or(Id::MAX);
        let id = self.free.pop().unwrap_or(next);
        self.ids.insert(service.into(), id);
        id
    }

    /// The number of a Service that has one.
    pub(crate) fn get(&self, service: &str) -> Option<Id> {
        self.ids.get(service).copied()
    }

    /// Frees the numbers of all others. Says which.
    pub(crate) fn retain(&mut self, stays: impl Fn(Id) -> bool) -> Vec<Id> {
        let mut freed = Vec::new();
        self.ids.retain(|_, id| {
            let stays = stays(*id);
            if !stays {
                freed.push(*id);
            }
            stays
        });
        self.free.extend(&freed);
        freed
    }
}
