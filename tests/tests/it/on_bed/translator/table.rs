//! What the index makes of a world that comes to it in any order.

use std::collections::BTreeMap;

use serde_json::Value;
use tagalong_index::{Index, Manifests, NameVerdict, Object, Settings};
use tagalong_tests::judge::Table;
use tagalong_wire::Names;

use super::random::Random;
use super::world::{World, identity};

enum Event {
    Applied(Value),
    Deleted(Value),
}

/// An index that has seen everything of a world, past things first, otherwise in an order that the seed tells.
pub fn index(world: &World) -> Index {
    let mut index = Index::new(Settings::default());
    for event in events(world) {
        let (Event::Applied(object) | Event::Deleted(object)) = &event;
        for object in read(object) {
            if matches!(event, Event::Applied(_)) {
                index.apply(object);
            } else {
                index.delete(object.kind(), &object.key());
            }
        }
    }
    index
}

/// The table of the world's DataPlane.
pub fn table(index: &Index, world: &World) -> Table {
    let table = index.snapshot(&world.dataplane).expect("a table");
    let names = |names: Names| {
        let names = names.0.into_iter();
        names
            .map(|(name, service)| (name, service.to_string()))
            .collect()
    };
    Table {
        services: names(table.services),
        upstreams: names(table.upstreams),
    }
}

/// Whether the index leaves the name out because objects disagree about it.
pub fn is_ambiguous(index: &Index, world: &World, name: &str) -> bool {
    let verdicts = index.explain_name(name).dataplanes;
    verdicts.get(&world.dataplane) == Some(&NameVerdict::Ambiguous)
}

fn read(object: &Value) -> Vec<Object> {
    let manifests = Manifests::read([object.clone()]);
    assert_eq!(manifests.problems, Vec::<String>::new(), "{object}");
    manifests.objects
}

fn events(world: &World) -> Vec<Event> {
    let mut stories: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for object in &world.past {
        stories
            .entry(identity(object))
            .or_default()
            .push(Event::Applied(object.clone()));
    }
    let mut random = Random::new(!world.seed);
    for object in &world.objects {
        let story = stories.entry(identity(object)).or_default();
        if random.percent(5) {
            story.push(Event::Applied(object.clone()));
            story.push(Event::Deleted(object.clone()));
        }
        story.push(Event::Applied(object.clone()));
    }
    for object in &world.past {
        let story = stories.entry(identity(object)).or_default();
        if story.len() == 1 {
            story.push(Event::Deleted(object.clone()));
        }
    }
    // Whose turn it is: each object's own events stay in their order.
    let mut turns: Vec<String> = stories
        .iter()
        .flat_map(|(name, story)| std::iter::repeat_n(name.clone(), story.len()))
        .collect();
    random.shuffle(&mut turns);
    let mut stories: BTreeMap<String, _> = stories
        .into_iter()
        .map(|(name, story)| (name, story.into_iter()))
        .collect();
    turns
        .iter()
        .filter_map(|name| stories.get_mut(name)?.next())
        .collect()
}
