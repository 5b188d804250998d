//! What a call changed in what can be derived.

use std::collections::BTreeSet;

use tagalong_wire as wire;

use crate::key::{Key, Name};

/// What a call changed. Empty when nothing that is derived changed, whatever the object looks like now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Label tables that changed, in the order of their versions.
    pub tables: Vec<TableChange>,
    /// Extensions whose [plan](crate::Index::plan) may be another now, those that are gone included.
    pub extensions: BTreeSet<Key>,
    /// DataPlanes whose attachment, marking or pods may be others now, those that are gone included.
    pub dataplanes: BTreeSet<Key>,
    /// DataPlanes of which other names, or another number of them, may be [left out](crate::Index::left_out) now, those that
    /// are gone included. Nobody needs to look again who is not here.
    pub states: BTreeSet<Key>,
    /// UIDs of pods that are gone, or no longer belong to the DataPlane that they belonged to: tokens to be revoked.
    pub revoked: BTreeSet<Name>,
}

/// A label table that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct TableChange {
    /// The DataPlane whose table it is.
    pub dataplane: Key,
    /// How it changed.
    pub update: TableUpdate,
}

/// How a label table changed.
#[derive(Clone, Debug, PartialEq)]
pub enum TableUpdate {
    /// These entries.
    Delta(wire::Delta),
    /// Too much to say: take a new [snapshot](crate::Index::snapshot), which has this version or a later one.
    Reset {
        /// The table's version now.
        version: u64,
    },
    /// The DataPlane is gone, and its table with it.
    Gone,
}

impl Changes {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
            && self.extensions.is_empty()
            && self.dataplanes.is_empty()
            && self.states.is_empty()
            && self.revoked.is_empty()
    }

    /// Adds what a later call changed.
    pub fn absorb(&mut self, later: Self) {
        self.tables.extend(later.tables);
        self.extensions.extend(later.extensions);
        self.dataplanes.extend(later.dataplanes);
        self.states.extend(later.states);
        self.revoked.extend(later.revoked);
    }
}
