use super::*;
use crate::metrics;
use tagalong_index::{Key, Settings};

fn example() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/published-example")
}

#[test]
fn the_published_example_gives_a_table() {
    let world = World::new(Settings::default(), metrics::PushMetrics::default());
    load(&example()).expect("reads").into_world(&world);
    let table = world.with(|state| state.index.snapshot(&Key::new("default", "kong")));
    let services = table.expect("a table").services;
    assert!(
        services.0.values().any(|service| service.name == "echo"),
        "{services:?}"
    );
}

#[test]
fn changes_are_seen_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::new(Settings::default(), metrics::PushMetrics::default());
    let service = "{apiVersion: v1, kind: Service, metadata: {name: a}}\n---\n";
    std::fs::write(dir.path().join("a.yaml"), service).expect("written");
    std::fs::write(dir.path().join("README.md"), "no manifest").expect("written");
    let loaded = load(dir.path()).expect("reads");
    loaded.into_world(&world);
    let exists = |name| {
        world.with(|state| {
            state
                .index
                .explain_service(&Key::new("default", name))
                .exists
        })
    };
    assert!(exists("a"));
    assert!(loaded.changed(dir.path()).expect("reads").is_none());
    std::fs::write(dir.path().join("a.yaml"), service.replace("a}}", "b}}")).expect("written");
    let again = loaded.changed(dir.path()).expect("reads").expect("changed");
    again.into_world(&world);
    assert!(exists("b") && !exists("a"));
}

#[test]
fn what_is_no_yaml_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("bad.yaml"), "a: [").expect("written");
    let error = load(dir.path()).expect_err("no YAML").to_string();
    assert!(error.contains("bad.yaml"), "{error}");
    assert!(load(&dir.path().join("none")).is_err());
}

#[test]
fn a_dump_of_a_large_cluster_is_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::new(Settings::default(), metrics::PushMetrics::default());
    let filler = "1, ".repeat(200);
    let all: String = (0..2_000)
        .map(|at| {
            format!("---\n{{apiVersion: v1, kind: Service, metadata: {{name: s{at}}}, filler: [{filler}]}}\n")
        })
        .collect();
    std::fs::write(dir.path().join("all.yaml"), all).expect("written");
    load(dir.path()).expect("reads").into_world(&world);
    let services = world.with(|state| state.index.count(tagalong_index::ObjectKind::Service));
    assert_eq!(services, 2_000);
}
