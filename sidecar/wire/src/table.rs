//! The table that a stream of messages makes, in the plainest way: what tests hold the programs' own tables to.

use std::collections::BTreeSet;

use crate::message::{Delta, Message, Unset};
use crate::names::{Ambiguous, Entries, Names};
use crate::snapshot::Snapshot;
use crate::versions::{Resync, Versions};

/// The table as one stream has it: what the sidecar knows, and what the operator knows that it knows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Table {
    versions: Versions,
    entries: Entries,
}

/// What a message did to the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Applied {
    /// The table is another one now.
    Changed,
    /// The table is what it was.
    Unchanged,
}

impl Table {
    /// The version; none before the first snapshot.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.versions.now()
    }

    /// The content.
    #[must_use]
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Applies what the operator said.
    ///
    /// # Errors
    /// The message's version does not follow the table's.
    pub fn apply(&mut self, message: Message) -> Result<Applied, Resync> {
        match message {
            Message::Snapshot(snapshot) => Ok(self.replace(snapshot)),
            Message::Delta(delta) => self.change(delta),
            Message::Heartbeat { version } => {
                self.versions.heartbeat(version)?;
                Ok(Applied::Unchanged)
            }
            Message::Unknown => Ok(Applied::Unchanged),
        }
    }

    /// Makes `entries` the content, and returns the message that makes it so on the stream's other end: a SNAPSHOT of
    /// `version` 1 at first, then a DELTA, or nothing where nothing changed.
    pub fn advance(&mut self, entries: Entries) -> Option<Message> {
        let Some(version) = self.version() else {
            self.versions.snapshot(1);
            self.entries = entries;
            return Some(Message::Snapshot(Snapshot {
                version: 1,
                services: self.entries.services.clone(),
                upstreams: self.entries.upstreams.clone(),
                ambiguous: self.entries.ambiguous.clone(),
            }));
        };
        if self.entries == entries {
            return None;
        }
        let version = version.wrapping_add(1);
        let (was, is) = (&self.entries, &entries);
        let (ambiguous, are_ambiguous) = (&was.ambiguous, &is.ambiguous);
        let (services, ambiguous_services, unset_services) = difference(
            (&was.services, &ambiguous.services),
            (&is.services, &are_ambiguous.services),
        );
        let (upstreams, ambiguous_upstreams, unset_upstreams) = difference(
            (&was.upstreams, &ambiguous.upstreams),
            (&is.upstreams, &are_ambiguous.upstreams),
        );
        self.versions.snapshot(version);
        self.entries = entries;
        Some(Message::Delta(Delta {
            version,
            set: Entries {
                services,
                upstreams,
                ambiguous: Ambiguous {
                    services: ambiguous_services,
                    upstreams: ambiguous_upstreams,
                },
            },
            unset: Unset {
                services: unset_services,
                upstreams: unset_upstreams,
            },
        }))
    }

    fn replace(&mut self, snapshot: Snapshot) -> Applied {
        let entries = Entries {
            services: snapshot.services,
            upstreams: snapshot.upstreams,
            ambiguous: snapshot.ambiguous,
        };
        let first = self.version().is_none();
        self.versions.snapshot(snapshot.version);
        if !first && self.entries == entries {
            return Applied::Unchanged;
        }
        self.entries = entries;
        Applied::Changed
    }

    fn change(&mut self, delta: Delta) -> Result<Applied, Resync> {
        self.versions.delta(delta.version)?;
        let (entries, set, unset) = (&mut self.entries, delta.set, &delta.unset);
        let ambiguous = &mut entries.ambiguous;
        merge(
            (&mut entries.services, &mut ambiguous.services),
            (set.services, set.ambiguous.services),
            &unset.services,
        );
        merge(
            (&mut entries.upstreams, &mut ambiguous.upstreams),
            (set.upstreams, set.ambiguous.upstreams),
            &unset.upstreams,
        );
        Ok(Applied::Changed)
    }
}

fn merge(
    (names, ambiguous): (&mut Names, &mut BTreeSet<String>),
    (set, set_ambiguous): (Names, BTreeSet<String>),
    unset: &[String],
) {
    for name in unset.iter().chain(set.0.keys()) {
        ambiguous.remove(name);
    }
    for name in unset.iter().chain(&set_ambiguous) {
        names.0.remove(name);
    }
    names.0.extend(set.0);
    ambiguous.extend(set_ambiguous);
}

fn difference(
    (old, old_ambiguous): (&Names, &BTreeSet<String>),
    (new, new_ambiguous): (&Names, &BTreeSet<String>),
) -> (Names, BTreeSet<String>, Vec<String>) {
    let set = new
        .0
        .iter()
        .filter(|(name, service)| old.0.get(*name) != Some(*service))
        .map(|(name, service)| (name.clone(), service.clone()))
        .collect();
    let ambiguous = new_ambiguous.difference(old_ambiguous).cloned().collect();
    let unset = old
        .0
        .keys()
        .chain(old_ambiguous.difference(new_ambiguous))
        .filter(|name| !new.0.contains_key(*name))
        .cloned()
        .collect();
    (set, ambiguous, unset)
}

#[cfg(test)]
mod tests;
