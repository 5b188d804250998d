//! The versioned label table of each DataPlane.
//!
//! No table is kept: a table is what the names mean in a DataPlane's eyes. So fifty DataPlanes that see the same ten thousand
//! routes cost no more than one, and a change of one route touches its own names only.

use std::collections::{BTreeMap, HashMap};

use tagalong_wire as wire;

use crate::{
    changes::{Changes, TableChange, TableUpdate},
    key::{Key, Name},
    names::{Meaning, NameIndex},
    translate::Roles,
    view::View,
};

/// So many names changed at once that a new snapshot says it sooner.
const MANY: usize = 2_000;

/// The Service that a name stands for in the `service` label, and in the `upstream` label.
type Mapped = (Option<Key>, Option<Key>);

#[derive(Debug, Default)]
pub(crate) struct Tables {
    versions: BTreeMap<Key, u64>,
    /// The next version of a table that is new: a DataPlane that comes back does not repeat versions.
    next: u64,
}

/// What names meant before a change, to be compared with what they mean after it.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// For each name: services and upstreams, in the order of the views. What nobody saw is left out.
    names: HashMap<Name, Vec<Mapped>>,
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
                    .map(|view| mapped(names, name, view))
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

    /// A table that must be taken anew.
    pub(crate) fn reset(&mut self, dataplane: &Key, exists: bool, changes: &mut Changes) {
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
            for (name, meanings) in &before.names {
                let old = meanings.get(at);
                let old_service = old.and_then(|(service, _)| service.as_ref());
                let old_upstream = old.and_then(|(_, upstream)| upstream.as_ref());
                let (service, upstream) = mapped(names, name, view);
                let (set, unset) = (&mut delta.set, &mut delta.unset);
                say(
                    name,
                    old_service,
                    service,
                    &mut set.services,
                    &mut unset.services,
                );
                say(
                    name,
                    old_upstream,
                    upstream,
                    &mut set.upstreams,
                    &mut unset.upstreams,
                );
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
            let (service, upstream) = mapped(names, name, view);
            snapshot
                .services
                .0
                .extend(service.map(|key| (name.to_string(), reference(&key))));
            snapshot
                .upstreams
                .0
                .extend(upstream.map(|key| (name.to_string(), reference(&key))));
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

fn mapped(names: &NameIndex, name: &str, view: &View) -> Mapped {
    let service = |role| match names.meaning(name, role, view) {
        Meaning::Service(key) => Some(key.clone()),
        _ => None,
    };
    (service(Roles::SERVICE), service(Roles::UPSTREAM))
}

fn say(
    name: &str,
    old: Option<&Key>,
    new: Option<Key>,
    set: &mut wire::Names,
    unset: &mut Vec<String>,
) {
    match new {
        _ if old == new.as_ref() => {}
        Some(key) => {
            set.0.insert(name.to_owned(), reference(&key));
        }
        None => unset.push(name.to_owned()),
    }
}

fn reference(key: &Key) -> wire::ServiceRef {
    wire::ServiceRef::new(&*key.namespace, &*key.name)
}
