//! The table that a stream of messages makes, on both of its ends.

use thiserror::Error;

use crate::message::{Delta, Message, Snapshot, Unset};
use crate::names::{Entries, Names};

/// The table as one stream has it: what the sidecar knows, and what the operator knows that it knows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Table {
    version: Option<u64>,
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

/// The message does not fit the table, which stays as it was. Only a new stream, which begins with a SNAPSHOT, helps.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum Resync {
    /// The stream did not begin with a SNAPSHOT.
    #[error("version {got} came before any snapshot")]
    NoSnapshot {
        /// The message's version.
        got: u64,
    },
    /// A message was lost, came twice or in the wrong order.
    #[error("version {expected} was expected, {got} came")]
    Gap {
        /// The version that would have fitted.
        expected: u64,
        /// The message's version.
        got: u64,
    },
}

impl Table {
    /// The version; none before the first snapshot.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.version
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
                self.expect(version, 0)?;
                Ok(Applied::Unchanged)
            }
            Message::Unknown => Ok(Applied::Unchanged),
        }
    }

    /// Makes `entries` the content, and returns the message that makes it so on the stream's other end: a SNAPSHOT of
    /// `version` 1 at first, then a DELTA, or nothing where nothing changed.
    pub fn advance(&mut self, entries: Entries) -> Option<Message> {
        let Some(version) = self.version else {
            self.version = Some(1);
            self.entries = entries;
            return Some(Message::Snapshot(Snapshot {
                version: 1,
                services: self.entries.services.clone(),
                upstreams: self.entries.upstreams.clone(),
            }));
        };
        if self.entries == entries {
            return None;
        }
        let version = version.wrapping_add(1);
        let (services, unset_services) = difference(&self.entries.services, &entries.services);
        let (upstreams, unset_upstreams) = difference(&self.entries.upstreams, &entries.upstreams);
        self.version = Some(version);
        self.entries = entries;
        Some(Message::Delta(Delta {
            version,
            set: Entries {
                services,
                upstreams,
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
        };
        let first = self.version.replace(snapshot.version).is_none();
        if !first && self.entries == entries {
            return Applied::Unchanged;
        }
        self.entries = entries;
        Applied::Changed
    }

    fn change(&mut self, delta: Delta) -> Result<Applied, Resync> {
        self.expect(delta.version, 1)?;
        self.version = Some(delta.version);
        merge(
            &mut self.entries.services,
            delta.set.services,
            &delta.unset.services,
        );
        merge(
            &mut self.entries.upstreams,
            delta.set.upstreams,
            &delta.unset.upstreams,
        );
        Ok(Applied::Changed)
    }

    fn expect(&self, got: u64, ahead: u64) -> Result<(), Resync> {
        let Some(version) = self.version else {
            return Err(Resync::NoSnapshot { got });
        };
        let expected = version.wrapping_add(ahead);
        if got == expected {
            Ok(())
        } else {
            Err(Resync::Gap { expected, got })
        }
    }
}

fn merge(names: &mut Names, set: Names, unset: &[String]) {
    for name in unset {
        names.0.remove(name);
    }
    names.0.extend(set.0);
}

fn difference(old: &Names, new: &Names) -> (Names, Vec<String>) {
    let set = new
        .0
        .iter()
        .filter(|(name, service)| old.0.get(*name) != Some(*service))
        .map(|(name, service)| (name.clone(), service.clone()))
        .collect();
    let unset = old
        .0
        .keys()
        .filter(|name| !new.0.contains_key(*name))
        .cloned()
        .collect();
    (set, unset)
}

#[cfg(test)]
mod tests;
