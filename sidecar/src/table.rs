//! The table in use, and what there is to tell about it.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tagalong_exposition::LabelTable;
use tagalong_wire::{Delta, NameKind, ParseError, Snapshot};
use thiserror::Error;

use crate::memory::{Room, TooLarge};

/// The table in use. A scrape takes it once and uses it to its end, so that one response never mixes two tables.
pub type TableHandle = Arc<ArcSwap<ActiveTable>>;

/// What a name takes in a snapshot, in bytes, where none has told it.
const USUAL_NAME: usize = 128;

/// A table as it was told, ready for use. The default knows nothing, so Kong's bytes pass unchanged.
#[derive(Debug, Default)]
pub struct ActiveTable {
    /// What the rewriter looks up.
    pub labels: LabelTable,
    /// The version it was told with; none as long as there is no table.
    pub version: Option<u64>,
    /// When it came.
    pub since: Option<SystemTime>,
    /// What each name took in the snapshot, in bytes: the next one will be like it.
    name_in_snapshot: usize,
}

/// Why a snapshot makes no table.
#[derive(Debug, Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// There is no room for it.
    #[error("too many labels: {0}")]
    TooLarge(#[from] TooLarge),
}

impl ActiveTable {
    /// Readies the table of a SNAPSHOT message, while another one is in use. What is taken once would be taken again: it must
    /// fit with its message and a second one of its kind.
    ///
    /// # Errors
    /// It cannot be read, or does not fit.
    pub fn snapshot(json: &[u8], in_use: &Self, room: Room) -> Result<Self, LoadError> {
        let mut labels = LabelTable::builder();
        let held = json.len() + in_use.labels.bytes();
        let mut full = None;
        let version = Snapshot::read(json, |kind, kong, service| {
            let new = match (kind, service) {
                (NameKind::Service, Some((namespace, name))) => {
                    labels.set_service(kong, namespace, name)
                }
                (NameKind::Upstream, Some((namespace, name))) => {
                    labels.set_upstream(kong, namespace, name)
                }
                (NameKind::Service, None) => labels.set_ambiguous_service(kong),
                (NameKind::Upstream, None) => labels.set_ambiguous_upstream(kong),
            };
            match room.check(held + labels.bytes()) {
                Ok(()) => Ok(new),
                Err(error) => {
                    full = Some(error);
                    Err(error.to_string())
                }
            }
        });
        if let Some(full) = full {
            return Err(full.into());
        }
        room.check(json.len() + 2 * labels.bytes())?;
        let labels = labels.build();
        Ok(Self {
            name_in_snapshot: json.len().checked_div(names(&labels)).unwrap_or(USUAL_NAME),
            version: Some(version?),
            since: Some(SystemTime::now()),
            labels,
        })
    }

    /// Readies the table that a change makes of this one.
    ///
    /// # Errors
    /// It does not fit any more.
    pub fn changed(&self, delta: &Delta, room: Room) -> Result<Self, TooLarge> {
        let unset = &delta.unset;
        let mut labels = self.labels.without(&unset.services, &unset.upstreams);
        for (kong, service) in delta.set.services.iter() {
            labels.set_service(kong, &service.namespace, &service.name);
        }
        for (kong, service) in delta.set.upstreams.iter() {
            labels.set_upstream(kong, &service.namespace, &service.name);
        }
        for kong in &delta.set.ambiguous.services {
            labels.set_ambiguous_service(kong);
        }
        for kong in &delta.set.ambiguous.upstreams {
            labels.set_ambiguous_upstream(kong);
        }
        let in_making = labels.bytes();
        let labels = labels.build();
        room.check(self.name_in_snapshot * names(&labels) + 2 * in_making)?;
        Ok(Self {
            labels,
            version: Some(delta.version),
            since: Some(SystemTime::now()),
            name_in_snapshot: self.name_in_snapshot,
        })
    }
}

/// How many names a snapshot of the table has.
fn names(labels: &LabelTable) -> usize {
    labels.len() + labels.ambiguous()
}

#[cfg(test)]
mod tests;
