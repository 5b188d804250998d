//! A type's name means one thing, whichever crate it stands in.

use super::files::CRATES;
use super::source::Source;
use crate::root;
use std::collections::{BTreeMap, BTreeSet};

/// Names that several crates may use, since they are the field's own words: and which.
const SHARED: &[(&str, &str)] = &[
    ("Command", "clap's word for the subcommands of a program"),
    (
        "Handler",
        "hyper's and tower's word for what answers requests; the webhook's implements the server's",
    ),
    ("Metrics", "the metrics of one program"),
];

#[test]
fn a_type_name_means_one_thing_in_all_crates() {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for name in CRATES {
        for (module, types) in Source::read(&root().join(name).join("src")).types() {
            for defined in types {
                let place = format!("{name}: {}", module.join("::"));
                places.entry(defined).or_default().insert(place);
            }
        }
    }
    let several: BTreeMap<&str, &BTreeSet<String>> = places
        .iter()
        .filter(|(_, places)| places.len() > 1)
        .map(|(name, places)| (name.as_str(), places))
        .collect();
    let excused: BTreeSet<&str> = SHARED.iter().map(|(name, _why)| *name).collect();
    for (name, places) in &several {
        assert!(
            excused.contains(name),
            "{name} is defined in {places:?}: give one of them a name of its own"
        );
    }
    for (name, why) in SHARED {
        assert!(
            several.contains_key(name),
            "{name} ({why}) is defined once: it needs no excuse"
        );
    }
}

/// The reader sees what others see, and nothing else: else the test above could not fail.
#[test]
fn types_that_others_see_are_found() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(
        dir.path().join("lib.rs"),
        "pub struct A<T>(T);\npub(crate) enum B { C }\npub trait D { type E; }\npub type F = A<u8>;\n\
         struct G;\npub(super) struct H;\n// pub struct I;\nmod j { pub struct K; }\npub fn l() {}\n\
         impl D for G { type E = \"pub struct M;\"; }\n#[cfg(test)]\nmod tests { pub struct N; }\n",
    )
    .expect("written");
    let types = Source::read(dir.path()).types();
    let found: Vec<&str> = types[&Vec::new()].iter().map(String::as_str).collect();
    assert_eq!(found, ["A", "B", "D", "F", "K"]);
}
