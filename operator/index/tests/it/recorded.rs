//! The tables of 400 random worlds, held against what Kong's own translators made of them.
//!
//! Nothing here shares a belief with the index: which Service's addresses stand behind a Kong service is what eight versions
//! of Kong's controllers answered (`tests/data/translators`, whose README says what *wrong* and *missed* mean).

#![allow(clippy::print_stderr, reason = "a test may say more")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
};

use flate2::read::GzDecoder;
use serde_json::Value;
use tagalong_index::{Index, Key, Manifests, Settings};
use tagalong_wire::Names;

/// How many names the translators made, over all lines of the recording.
const MADE: usize = 32_873;
/// How many may be missed in the `service` label. Each kind of them is named in `docs/design.md` §4.
const MISSED: usize = 800;
/// And in the `upstream` label, where a Service of weight 0 that has no addresses yet costs the label, too.
const MISSED_UPSTREAMS: usize = 900;

fn lines(name: &str) -> impl Iterator<Item = Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/data/translators")
        .join(name);
    let file = GzDecoder::new(File::open(path).expect(name));
    BufReader::new(file)
        .lines()
        .map(|line| serde_json::from_str(&line.expect("a line")).expect("JSON"))
}

struct World {
    index: Index,
    dataplane: Key,
    /// Those that there are.
    services: BTreeSet<String>,
    tables: (Names, Names),
}

fn world(line: &Value) -> World {
    let objects = line["objects"].as_array().expect("objects");
    let services = objects.iter().filter(|object| object["kind"] == "Service");
    let name = |object: &Value| {
        let text = |key: &str| object["metadata"][key].as_str().expect("a text").to_owned();
        format!("{}/{}", text("namespace"), text("name"))
    };
    let manifests = Manifests::read(objects.iter().cloned()).with_operators();
    assert!(manifests.problems.is_empty(), "{:?}", manifests.problems);
    let mut index = Index::new(Settings::default());
    for object in manifests.objects {
        index.apply(object);
    }
    let dataplane: Key = line["dataplane"].as_str().unwrap().parse().unwrap();
    let table = index.snapshot(&dataplane).expect("a table");
    World {
        services: services.map(name).collect(),
        tables: (table.services, table.upstreams),
        index,
        dataplane,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Service,
    Upstream,
}

/// What is wrong with a label, if anything is.
fn wrong(
    line: &Value,
    name: &str,
    upstream: &str,
    role: Role,
    label: &str,
    world: &World,
) -> Option<&'static str> {
    let upstream = &line["upstreams"][upstream];
    let leaves_weight_zero_out = matches!(
        upstream["algorithm"].as_str(),
        None | Some("round-robin" | "consistent-hashing")
    );
    for (target, weight) in upstream["targets"].as_object().into_iter().flatten() {
        if target == label {
            continue;
        }
        if weight.as_i64().unwrap_or_default() > 0 {
            return Some("traffic of another Service");
        }
        if role == Role::Upstream || !leaves_weight_zero_out {
            return Some("another Service's addresses, of weight 0");
        }
    }
    if role == Role::Upstream {
        return None;
    }
    let backends = line["services"][name]["backends"].as_array()?;
    let named = backends.iter().any(|backend| backend == label);
    let foreign = label.split('/').next() != Some(namespace_of(name));
    (foreign && !named && world.services.contains(label)).then_some("no ReferenceGrant")
}

/// The namespace of the object that gave a Kong service its name. No namespace of these worlds has a dot.
fn namespace_of(name: &str) -> &str {
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default();
    if first.ends_with("route") && parts.clone().count() > 2 {
        parts.next().unwrap_or_default()
    } else {
        first
    }
}

#[derive(Default)]
struct Count {
    made: usize,
    labelled: usize,
    missed: usize,
    wrong: Vec<String>,
    /// Why names are missed.
    reasons: BTreeMap<String, usize>,
}

impl Count {
    fn name(&mut self, line: &Value, world: &World, name: &str, upstream: &str, role: Role) {
        self.made += 1;
        let table = match role {
            Role::Service => &world.tables.0,
            Role::Upstream => &world.tables.1,
        };
        let Some(label) = table.0.get(name).map(ToString::to_string) else {
            let targets = line["upstreams"][upstream]["targets"].as_object();
            if targets.is_some_and(|targets| targets.len() == 1) {
                self.missed += 1;
                let told = world.index.explain_name(name);
                let upstream = told.upstreams.get(&world.dataplane);
                let verdict = upstream
                    .filter(|_| role == Role::Upstream)
                    .or_else(|| told.dataplanes.get(&world.dataplane));
                let why = verdict.map_or("not claimed".to_owned(), ToString::to_string);
                *self.reasons.entry(why).or_default() += 1;
            }
            return;
        };
        self.labelled += 1;
        if let Some(why) = wrong(line, name, upstream, role, &label, world) {
            self.wrong.push(format!(
                "world {} {} {}: {name} -> {label}: {why}",
                line["world"], line["translator"], line["flags"]
            ));
        }
    }

    fn tell(&self, role: &str) {
        eprintln!(
            "{role}: {} names made, {} labelled, {} wrong, {} missed: {:#?}",
            self.made,
            self.labelled,
            self.wrong.len(),
            self.missed,
            self.reasons
        );
        for wrong in self.wrong.iter().take(20) {
            eprintln!("{wrong}");
        }
    }
}

#[test]
fn no_label_is_wrong_and_few_are_missed() {
    let worlds: BTreeMap<String, World> = lines("worlds.jsonl.gz")
        .map(|line| (line["world"].as_str().unwrap().to_owned(), world(&line)))
        .collect();
    assert_eq!(worlds.len(), 400);
    let (mut services, mut upstreams) = (Count::default(), Count::default());
    for line in lines("truth.jsonl.gz") {
        let world = &worlds[line["world"].as_str().unwrap()];
        for (name, service) in line["services"].as_object().expect("services") {
            let upstream = service["upstream"].as_str().unwrap();
            services.name(&line, world, name, upstream, Role::Service);
            upstreams.name(&line, world, upstream, upstream, Role::Upstream);
        }
    }
    services.tell("service");
    upstreams.tell("upstream");
    assert_eq!(services.made, MADE, "the recording is read whole");
    assert_eq!((services.wrong.len(), upstreams.wrong.len()), (0, 0));
    assert!(services.missed <= MISSED, "{} missed", services.missed);
    assert!(
        upstreams.missed <= MISSED_UPSTREAMS,
        "{} upstreams missed",
        upstreams.missed
    );
}
