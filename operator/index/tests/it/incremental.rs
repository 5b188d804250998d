//! Whatever the order of events: what is derived depends only on what is in, every change is told, and nothing else is.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::common::{Thing, settled, thing};
use proptest::prelude::*;
use serde_json::json;
use tagalong_index::{
    Changes, Index, Key, LeftOut, NameStates, ObjectKind, Plan, Pod, Settings, TableUpdate,
};
use tagalong_wire::{Entries, Message, Table};

#[derive(Clone, Debug)]
enum Event {
    Apply(Thing),
    Delete(prop::sample::Index),
    /// A watch lists anew: some objects of the kind are gone meanwhile, some are others.
    Reset(ObjectKind, Vec<Thing>),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => thing().prop_map(Event::Apply),
        3 => any::<prop::sample::Index>().prop_map(Event::Delete),
        1 => (prop::sample::select(ObjectKind::ALL), prop::collection::vec(thing(), 0..6))
            .prop_map(|(kind, things)| Event::Reset(kind, things)),
    ]
}

/// All that can be derived.
#[derive(Debug, PartialEq)]
struct Derived {
    tables: BTreeMap<Key, Entries>,
    states: BTreeMap<Key, Option<NameStates>>,
    left_out: BTreeMap<Key, Option<Vec<LeftOut>>>,
    dataplanes: BTreeMap<Key, (tagalong_index::DataPlane, Vec<Pod>)>,
    plans: BTreeMap<Key, Plan>,
    owned: BTreeMap<String, Option<Key>>,
}

fn derive(index: &Index) -> Derived {
    let keys: Vec<Key> = index
        .dataplanes()
        .map(|dataplane| dataplane.key.clone())
        .collect();
    let entries = |key: &Key| {
        let snapshot = index.snapshot(key).expect("every DataPlane has a table");
        Entries {
            services: snapshot.services,
            upstreams: snapshot.upstreams,
            ambiguous: snapshot.ambiguous,
        }
    };
    let pods = |key: &Key| index.pods(key).cloned().collect::<Vec<_>>();
    Derived {
        tables: keys.iter().map(|key| (key.clone(), entries(key))).collect(),
        states: keys
            .iter()
            .map(|key| (key.clone(), index.states(key)))
            .collect(),
        left_out: keys
            .iter()
            .map(|key| (key.clone(), index.left_out(key)))
            .collect(),
        dataplanes: index
            .dataplanes()
            .map(|one| (one.key.clone(), (one.clone(), pods(&one.key))))
            .collect(),
        plans: index
            .extensions()
            .map(|key| (key.clone(), index.plan(key)))
            .collect(),
        owned: keys
            .iter()
            .flat_map(pods)
            .map(|pod| (pod.uid.to_string(), pod.dataplane))
            .collect(),
    }
}

fn rebuilt(things: &[Thing]) -> Derived {
    let mut index = Index::new(Settings::default());
    for thing in things {
        index.apply(thing.object());
    }
    derive(&index)
}

/// Follows the tables by what is told of them, as a sidecar does.
#[derive(Default)]
struct Followers(BTreeMap<Key, Table>);

impl Followers {
    fn follow(&mut self, changes: &Changes, index: &Index) {
        let mut resets = BTreeSet::new();
        for change in &changes.tables {
            let table = self.0.entry(change.dataplane.clone()).or_default();
            match &change.update {
                TableUpdate::Delta(delta) => {
                    table
                        .apply(Message::Delta(delta.clone()))
                        .expect("the next version");
                }
                TableUpdate::Reset { version } => {
                    assert!(table.version() < Some(*version));
                    resets.insert(change.dataplane.clone());
                }
                TableUpdate::Gone => {
                    self.0.remove(&change.dataplane);
                }
            }
        }
        for dataplane in resets {
            let snapshot = index.snapshot(&dataplane).expect("a table");
            self.0
                .entry(dataplane)
                .or_default()
                .apply(Message::Snapshot(snapshot))
                .expect("a snapshot");
        }
    }
}

fn told(before: &Derived, after: &Derived, changes: &Changes) {
    for (key, plan) in before.plans.iter().chain(&after.plans) {
        let same = before.plans.get(key) == after.plans.get(key);
        assert!(
            same || changes.extensions.contains(key),
            "the plan of {key} changed untold: {plan:?}"
        );
    }
    for key in before.dataplanes.keys().chain(after.dataplanes.keys()) {
        let same = before.dataplanes.get(key) == after.dataplanes.get(key);
        assert!(
            same || changes.dataplanes.contains(key),
            "DataPlane {key} changed untold"
        );
    }
    for key in before.states.keys().chain(after.states.keys()) {
        let same = before.states.get(key) == after.states.get(key);
        assert!(
            same || changes.states.contains(key),
            "the states of {key}'s names changed untold"
        );
    }
    for (uid, dataplane) in &before.owned {
        let same = after.owned.get(uid) == Some(dataplane);
        assert!(
            same || changes.revoked.contains(&**uid),
            "pod {uid} left {dataplane:?} untold"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn incremental_is_rebuilt(events in prop::collection::vec(event(), 1..40)) {
        let mut index = Index::new(Settings::default());
        let mut followers = Followers::default();
        let mut here: Vec<Thing> = Vec::new();
        let mut before = derive(&index);
        for event in events {
            let changes = match event {
                Event::Apply(thing) => {
                    here.retain(|other| (other.kind, other.key()) != (thing.kind, thing.key()));
                    here.push(thing.clone());
                    let changes = index.apply(thing.object());
                    prop_assert!(index.apply(thing.object()).is_empty(), "the same again changes nothing");
                    changes
                }
                Event::Delete(at) if here.is_empty() => {
                    let _nothing_to_choose_from = at;
                    index.delete(ObjectKind::Pod, &Key::new("no", "such"))
                }
                Event::Delete(at) => {
                    let thing = here.swap_remove(at.index(here.len()));
                    index.delete(thing.kind, &thing.key())
                }
                Event::Reset(kind, things) => {
                    let things: Vec<Thing> = settled(&things).into_iter().filter(|thing| thing.kind == kind).collect();
                    here.retain(|thing| thing.kind != kind);
                    here.extend(things.iter().cloned());
                    index.reset(kind, things.iter().map(Thing::object).collect())
                }
            };
            followers.follow(&changes, &index);
            let after = derive(&index);
            told(&before, &after, &changes);
            for (key, entries) in &after.tables {
                prop_assert_eq!(followers.0.get(key).map(Table::entries), Some(entries), "the table of {}", key);
                prop_assert_eq!(followers.0[key].version(), index.version(key));
            }
            prop_assert_eq!(followers.0.len(), after.tables.len());
            before = after;
        }
        prop_assert_eq!(&before, &rebuilt(&here));
        here.reverse();
        prop_assert_eq!(&before, &rebuilt(&here));
        // A resync of everything tells nothing.
        for kind in ObjectKind::ALL {
            let same = here.iter().filter(|thing| thing.kind == *kind).map(Thing::object).collect();
            prop_assert!(index.reset(*kind, same).is_empty(), "a resync of {} told something", kind);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// While older readings are kept, a label is what both the world before and the world now say, where they say anything; and
    /// when all times have passed, only the world counts.
    #[test]
    fn waiting_is_never_ahead_and_comes_to_an_end(
        events in prop::collection::vec((event(), prop::bool::weighted(0.3)), 1..30),
    ) {
        let mut waiting = Index::new(Settings { wait_for_kong: true, ..Settings::default() });
        let mut plain = Index::new(Settings::default());
        let mut followers = Followers::default();
        let mut here: Vec<Thing> = Vec::new();
        let mut now = Duration::ZERO;
        for (event, pause) in events {
            if pause {
                now += Duration::from_secs(100);
                followers.follow(&waiting.tick(now), &waiting);
                prop_assert_eq!(waiting.next_tick(), None);
                prop_assert_eq!(tables(&waiting), tables(&plain), "after a pause");
            }
            let before = tables(&plain);
            let apply = |index: &mut Index| match &event {
                Event::Apply(thing) => index.apply(thing.object()),
                Event::Delete(at) if !here.is_empty() => {
                    let thing = &here[at.index(here.len())];
                    index.delete(thing.kind, &thing.key())
                }
                Event::Delete(_) => Changes::default(),
                Event::Reset(kind, things) => {
                    let things = settled(things).into_iter().filter(|thing| thing.kind == *kind);
                    index.reset(*kind, things.map(|thing| thing.object()).collect())
                }
            };
            followers.follow(&apply(&mut waiting), &waiting);
            apply(&mut plain);
            match &event {
                Event::Apply(thing) => {
                    here.retain(|other| (other.kind, other.key()) != (thing.kind, thing.key()));
                    here.push(thing.clone());
                }
                Event::Delete(at) if !here.is_empty() => {
                    here.swap_remove(at.index(here.len()));
                }
                Event::Delete(_) => {}
                Event::Reset(kind, things) => {
                    here.retain(|thing| thing.kind != *kind);
                    here.extend(settled(things).into_iter().filter(|thing| thing.kind == *kind));
                }
            }
            let after = tables(&plain);
            for (dataplane, entries) in tables(&waiting) {
                prop_assert_eq!(followers.0.get(&dataplane).map(Table::entries), Some(&entries));
                // What a DataPlane sees is no matter of readings.
                let seen = before.contains_key(&dataplane) && same_views(&event);
                for (name, service) in &entries.services.0 {
                    let now = after[&dataplane].services.0.get(name);
                    prop_assert!(now.is_none_or(|now| now == service), "{} is {:?} now", name, now);
                    let then = before.get(&dataplane).and_then(|entries| entries.services.0.get(name));
                    let right = !seen || then.is_none_or(|then| then == service);
                    prop_assert!(right, "{} was {:?} a moment ago", name, then);
                }
            }
        }
        followers.follow(&waiting.tick(now + Duration::from_secs(100)), &waiting);
        prop_assert_eq!(derive(&waiting), rebuilt(&here));
    }
}

fn tables(index: &Index) -> BTreeMap<Key, Entries> {
    derive(index).tables
}

fn same_views(event: &Event) -> bool {
    let kind = match event {
        Event::Apply(thing) => thing.kind,
        Event::Delete(_) => return false,
        Event::Reset(kind, _) => *kind,
    };
    let views = [
        ObjectKind::DataPlane,
        ObjectKind::ControlPlane,
        ObjectKind::Deployment,
        ObjectKind::DaemonSet,
        ObjectKind::StatefulSet,
    ];
    !views.contains(&kind)
}

/// Which configurations name an extension may depend on a Gateway in another namespace; whoever follows the plans is told.
#[test]
fn a_configuration_far_away_is_told() {
    let reference = json!({"kind": "DataPlaneMetricsExtension", "name": "e"});
    let new = Thing::new;
    let here = [
        new(
            ObjectKind::Extension,
            "a",
            "e",
            json!({"spec": {"serviceSelector": {"matchNames": []}}}),
        ),
        new(
            ObjectKind::ControlPlane,
            "a",
            "c",
            json!({"spec": {"dataplane": "d", "extensions": [reference]}}),
        ),
    ];
    let configuration = new(
        ObjectKind::GatewayConfiguration,
        "b",
        "g",
        json!({"spec": {"extensions": [reference]}}),
    );
    let owner = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": "g", "uid": "u"});
    let dataplane = new(
        ObjectKind::DataPlane,
        "a",
        "d",
        json!({"metadata": {"ownerReferences": [owner]}, "status": {}}),
    );
    let extension = Key::new("a", "e");
    for [first, last] in [[&configuration, &dataplane], [&dataplane, &configuration]] {
        let mut index = Index::new(Settings::default());
        for thing in here.iter().chain([first]) {
            index.apply(thing.object());
        }
        assert!(index.plan(&extension).sources.is_empty());
        let changes = index.apply(last.object());
        assert_eq!(index.plan(&extension).sources, [Key::new("b", "g")]);
        assert!(changes.extensions.contains(&extension), "{changes:?}");
        let changes = index.delete(last.kind, &last.key());
        assert!(index.plan(&extension).sources.is_empty());
        assert!(changes.extensions.contains(&extension), "{changes:?}");
    }
}
