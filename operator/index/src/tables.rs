//! The versioned label table of each DataPlane.
//!
//! No table is kept: a table is what the names mean in a DataPlane's eyes. So fifty DataPlanes that see the same ten thousand
//! routes cost no more than one, and a change of one route touches its own names only.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tagalong_wire as wire;

use crate::{
    changes::{Changes, TableChange, TableUpdate},
    key::{Key, Name},
    names::{Meaning, NameIndex},
    states::{Counts, NameState, NameStates},
    view::View,
};

/// So many names changed at once that a new snapshot says it sooner.
const MANY: usize = 2_000;

/// What becomes of a name in one table.
#[derive(Clone, Debug, Default)]
struct Entry {
    /// In the `service` label.
    service: Listed,
    /// And in the `upstream` label.
    upstream: Listed,
    state: Option<NameState>,
}

/// What a table tells of a name in one of the two labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Listed {
    #[default]
    Nothing,
    /// It stands for this Service.
    Service(Key),
    /// It could stand for two: its samples are counted apart.
    Ambiguous,
}

#[derive(Debug, Default)]
pub(crate) struct Tables {
    versions: BTreeMap<Key, u64>,
    /// The next version of a table that is new: a DataPlane that comes back does not repeat versions.
    next: u64,
    counts: Counts,
}

/// What names meant before a change, to be compared with what they mean after it.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// For each name, in the order of the views.
    names: HashMap<Name, Vec<Entry>>,
    many: bool,
}

impl Before {
    pub(crate) fn note(
        &mut self,
        names: &NameIndex,
        touched: &[Name],
        views: &BTreeMap<Key, View>,
    ) {
        if self.many || self.names.len() + touched.len() > MANY {
            self.many = true;
            self.names.clear();
            return;
        }
        for name in touched {
            if !self.names.contains_key(name) {
                let meanings = views
                    .values()
                    .map(|view| Entry::of(names, name, view))
                    .collect();
                self.names.insert(Name::clone(name), meanings);
            }
        }
    }
}

impl Tables {
    pub(crate) fn version(&self, dataplane: &Key) -> Option<u64> {
        self.versions.get(dataplane).copied()
    }

    /// How many names of a DataPlane are in which state.
    pub(crate) fn states(&self, dataplane: &Key, names: &NameIndex, view: &View) -> NameStates {
        self.counts.of(dataplane, names, view)
    }

    /// A table that must be taken anew.
    pub(crate) fn reset(&mut self, dataplane: &Key, exists: bool, changes: &mut Changes) {
        self.counts.reset(dataplane, exists);
        changes.states.insert(dataplane.clone());
        let update = if exists {
            TableUpdate::Reset {
                version: self.bump(dataplane),
            }
        } else if self.versions.remove(dataplane).is_some() {
            TableUpdate::Gone
        } else {
            return;
        };
        changes.tables.push(TableChange {
            dataplane: dataplane.clone(),
            update,
        });
    }

    /// What changed since `before`.
    pub(crate) fn advance(
        &mut self,
        before: &Before,
        names: &NameIndex,
        views: &BTreeMap<Key, View>,
        changes: &mut Changes,
    ) {
        if before.many {
            for dataplane in views.keys() {
                self.reset(dataplane, true, changes);
            }
            return;
        }
        for (at, (dataplane, view)) in views.iter().enumerate() {
            let mut delta = wire::Delta::default();
            let mut states = Vec::with_capacity(before.names.len());
            for (name, entries) in &before.names {
                let absent = Entry::default();
                let old = entries.get(at).unwrap_or(&absent);
                let new = Entry::of(names, name, view);
                states.push((old.state, new.state));
                let (set, unset) = (&mut delta.set, &mut delta.unset);
                let ambiguous = &mut set.ambiguous;
                if old.service != new.service {
                    let set = (&mut set.services, &mut ambiguous.services);
                    new.service.say(name, set, &mut unset.services);
                }
                if old.upstream != new.upstream {
                    let set = (&mut set.upstreams, &mut ambiguous.upstreams);
                    new.upstream.say(name, set, &mut unset.upstreams);
                }
            }
            if self.counts.change(dataplane, &states) {
                changes.states.insert(dataplane.clone());
            }
            let empty =
                delta.set == wire::Entries::default() && delta.unset == wire::Unset::default();
            if empty {
                continue;
            }
            delta.unset.services.sort_unstable();
            delta.unset.upstreams.sort_unstable();
            delta.version = self.bump(dataplane);
            changes.tables.push(TableChange {
                dataplane: dataplane.clone(),
                update: TableUpdate::Delta(delta),
            });
        }
    }

    /// The whole table.
    pub(crate) fn snapshot(
        &self,
        dataplane: &Key,
        names: &NameIndex,
        view: &View,
    ) -> Option<wire::Snapshot> {
        let mut snapshot = wire::Snapshot {
            version: self.version(dataplane)?,
            ..wire::Snapshot::default()
        };
        for name in names.seen(view).into_keys() {
            let entry = Entry::of(names, name, view);
            let ambiguous = &mut snapshot.ambiguous;
            let services = (&mut snapshot.services, &mut ambiguous.services);
            entry.service.say(name, services, &mut Vec::new());
            let upstreams = (&mut snapshot.upstreams, &mut ambiguous.upstreams);
            entry.upstream.say(name, upstreams, &mut Vec::new());
        }
        Some(snapshot)
    }

    fn bump(&mut self, dataplane: &Key) -> u64 {
        if let Some(version) = self.versions.get_mut(dataplane) {
            *version += 1;
            self.next = self.next.max(*version);
            return *version;
        }
        self.next += 1;
        self.versions.insert(dataplane.clone(), self.next);
        self.next
    }
}

impl Entry {
    fn of(names: &NameIndex, name: &str, view: &View) -> Self {
        let meanings = names.meanings(name, view);
        let [service, upstream] = &meanings;
        Self {
            service: Listed::of(service),
            upstream: Listed::of(upstream),
            state: NameState::of(&meanings),
        }
    }
}

impl Listed {
    fn of(meaning: &Meaning<'_>) -> Self {
        match meaning {
            Meaning::Service(key) => Self::Service((*key).clone()),
            Meaning::Ambiguous => Self::Ambiguous,
            Meaning::Unknown | Meaning::Unmapped(_) => Self::Nothing,
        }
    }

    /// Says it of a name: what is set, to a Service or to be ambiguous, and what is no longer set.
    fn say(
        self,
        name: &str,
        (set, ambiguous): (&mut wire::Names, &mut BTreeSet<String>),
        unset: &mut Vec<String>,
    ) {
        match self {
            Self::Service(key) => {
                let service = wire::ServiceRef::new(&*key.namespace, &*key.name);
                set.0.insert(name.to_owned(), service);
            }
            Self::Ambiguous => {
                ambiguous.insert(name.to_owned());
                // A sidecar that does not know of ambiguous names must drop the label, too.
                unset.push(name.to_owned());
            }
            Self::Nothing => unset.push(name.to_owned()),
        }
    }
}
