//! Whose requests a Kong service counts, from look to look.

use std::time::Duration;

use hashbrown::HashTable;
use tokio::time::Instant;

use super::services::Owner;

/// A name that has lost its Service is remembered as its for so long: what a change of Kong's configuration takes, and
/// longer than anything is held for (`docs/design.md` §4, "Two readings").
const REMEMBERED: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug, Default)]
struct Name {
    hash: u64,
    /// The look that has first seen it, and the last one.
    first: u32,
    looked: u32,
    /// Whether it was never seen since Kong began again.
    idle: bool,
    /// The last look that found another Service than the one before.
    changed: u32,
    /// The Service at the last look that counted.
    before: Option<Owner>,
    /// The Service at the look under way.
    now: Option<Owner>,
    /// The last Service, and when it was found to be gone.
    last: Option<Owner>,
    gone: Option<Instant>,
}

/// All names of Kong services.
#[derive(Debug, Default)]
pub(super) struct Names {
    index: HashTable<u32>,
    names: Vec<Name>,
}

/// Whose the requests since the look before are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owners {
    /// One Service's.
    One(Owner),
    /// Nobody's.
    None,
    /// One's of these, or some of them another's.
    Unsettled([Option<Owner>; 2]),
}

impl Names {
    /// The name of this hash, from now on if not before.
    pub(super) fn of(&mut self, hash: u64, look: u32) -> Option<u32> {
        let names = &self.names;
        let hashed = |at: &u32| names.get(*at as usize).map_or(0, |name| name.hash);
        if let Some(at) = self.index.find(hash, |at| hashed(at) == hash) {
            return Some(*at);
        }
        let at = u32::try_from(self.names.len()).ok()?;
        self.index.insert_unique(hash, at, hashed);
        self.names.push(Name {
            hash,
            first: look,
            ..Name::default()
        });
        Some(at)
    }

    /// How much memory they take, in bytes, with one more: as much again, since a vector grows by doubling.
    pub(super) fn bytes(&self) -> usize {
        2 * (self.names.len() + 1) * size_of::<Name>() + self.index.allocation_size()
    }

    /// Whether the look under way has not seen it yet.
    #[inline]
    pub(super) fn is_new_to(&self, name: u32, look: u32) -> bool {
        self.names
            .get(name as usize)
            .is_some_and(|name| name.looked != look)
    }

    /// The look under way has seen it, and whose it is.
    pub(super) fn owned(&mut self, name: u32, look: u32, owner: Option<Owner>) {
        if let Some(name) = self.names.get_mut(name as usize) {
            name.looked = look;
            name.now = owner;
            if name.before != owner && name.first != look {
                name.changed = look;
            }
        }
    }

    /// Whether it has changed its Service at this look.
    pub(super) fn has_changed(&self, name: u32, look: u32) -> bool {
        self.names
            .get(name as usize)
            .is_some_and(|name| name.changed == look)
    }

    /// Whose the requests are that were counted under it since this look.
    pub(super) fn owners(&mut self, name: u32, since: u32, now: Instant) -> Owners {
        let Some(name) = self.names.get_mut(name as usize) else {
            return Owners::None;
        };
        if let Some(owner) = name.now
            && (name.changed <= since || name.changed == 0)
        {
            return Owners::One(owner);
        }
        if name.now.is_none() && name.last.is_some() {
            let gone = *name.gone.get_or_insert(now);
            if now.saturating_duration_since(gone) > REMEMBERED {
                name.last = None;
            }
        }
        match [name.last, name.now] {
            [None, None] => Owners::None,
            [last, now] if last == now => Owners::Unsettled([now, None]),
            owners => Owners::Unsettled(owners),
        }
    }

    /// The look counts: whoever has a name now had it before the next one.
    pub(super) fn settle(&mut self, look: u32, restart: bool) {
        for name in &mut self.names {
            if name.looked != look {
                // It begins again with its first request, as one that was never seen.
                name.idle |= restart;
                if !name.idle {
                    // All its series are gone, and whose it is meanwhile is not seen.
                    name.before = None;
                }
                continue;
            }
            name.idle = false;
            name.before = name.now;
            if name.now.is_some() {
                name.last = name.now;
                name.gone = None;
            }
        }
    }
}
