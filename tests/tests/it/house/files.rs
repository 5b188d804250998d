//! The files of each crate: which uses which, and how large they are.

use super::source::{Module, Source};
use crate::root;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each crate's sources.
pub(super) const CRATES: [&str; 9] = [
    "crds",
    "operator",
    "operator/index",
    "operator/signals",
    "sidecar",
    "sidecar/exposition",
    "sidecar/runtime",
    "sidecar/wire",
    "webhook",
];

/// The rooms of `operator/src`, and which others each may use. A room uses only rooms above it.
const ROOMS: &[(&str, &[&str])] = &[
    ("causes", &[]),
    ("metrics", &[]),
    ("network_peers", &[]),
    ("installer", &[]),
    ("events", &[]),
    ("lease", &["causes", "events"]),
    ("watch", &["causes", "metrics"]),
    ("reviews", &["causes"]),
    ("push", &["causes", "metrics", "reviews"]),
    ("certificates", &["causes", "lease"]),
    ("world", &["metrics", "push", "watch"]),
    ("names", &["causes", "events", "lease", "metrics", "world"]),
    (
        "reconcile",
        &[
            "causes",
            "certificates",
            "events",
            "lease",
            "metrics",
            "names",
            "world",
        ],
    ),
    (
        "collect",
        &["causes", "events", "lease", "metrics", "world"],
    ),
    ("serve", &["collect", "lease", "metrics"]),
    ("summaries", &["metrics", "world"]),
    (
        "custom_metrics",
        &[
            "causes",
            "certificates",
            "events",
            "lease",
            "metrics",
            "reviews",
            "summaries",
        ],
    ),
    (
        "args",
        &[
            "collect",
            "custom_metrics",
            "installer",
            "network_peers",
            "watch",
        ],
    ),
    ("error", &["causes", "lease", "world"]),
    ("process", &["error"]),
    (
        "operate",
        &[
            "args",
            "certificates",
            "collect",
            "custom_metrics",
            "error",
            "events",
            "lease",
            "metrics",
            "names",
            "process",
            "push",
            "reconcile",
            "reviews",
            "serve",
            "summaries",
            "watch",
            "world",
        ],
    ),
    (
        "cli",
        &[
            "args",
            "custom_metrics",
            "error",
            "installer",
            "lease",
            "metrics",
            "process",
            "reconcile",
            "summaries",
            "watch",
            "world",
        ],
    ),
];

/// Half of a crate's files are no larger than this.
const MEDIAN: u64 = 6 << 10;
/// No file is larger than this.
const LARGEST: u64 = 20 << 10;
/// Those that are, and why they may be.
const LARGER: &[(&str, &str)] = &[];

fn named(module: &Module) -> String {
    if module.is_empty() {
        "lib".to_owned()
    } else {
        module.join("::")
    }
}

/// What is reached from `from`, over at least one use.
fn reached(uses: &BTreeMap<Module, BTreeSet<Module>>, from: &Module) -> BTreeSet<Module> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(module) = next.pop() {
        for used in uses.get(module).into_iter().flatten() {
            if reached.insert(used.clone()) {
                next.push(used);
            }
        }
    }
    reached
}

#[test]
fn no_files_of_a_crate_use_each_other_in_a_circle() {
    let mut circles = BTreeSet::new();
    for name in CRATES {
        let uses = Source::read(&root().join(name).join("src")).uses();
        let reach: BTreeMap<&Module, BTreeSet<Module>> = uses
            .keys()
            .map(|module| (module, reached(&uses, module)))
            .collect();
        for (module, reaches) in &reach {
            let back = |other: &&Module| reach.get(other).is_some_and(|far| far.contains(*module));
            let circle: BTreeSet<String> = reaches.iter().filter(back).map(named).collect();
            if !circle.is_empty() {
                circles.insert(format!("{name}: {circle:?}"));
            }
        }
    }
    assert!(circles.is_empty(), "these use each other: {circles:#?}");
}

#[test]
fn the_operators_rooms_use_only_what_stands_above_them() {
    let may_use: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    for (at, (room, others)) in ROOMS.iter().enumerate() {
        let above = |other: &&str| ROOMS[..at].iter().any(|(above, _)| above == other);
        assert!(others.iter().all(above), "{room} looks down");
    }
    let uses = Source::read(&root().join("operator/src")).uses();
    let mut strays = Vec::new();
    for (module, used) in &uses {
        let Some(room) = module.first() else { continue };
        let may_use = may_use
            .get(room.as_str())
            .unwrap_or_else(|| panic!("the room {room} is not in the list: which may it use?"));
        for other in used.iter().filter_map(|used| used.first()) {
            if other != room && !may_use.contains(&other.as_str()) {
                strays.push(format!("{} uses {other}", named(module)));
            }
        }
    }
    assert!(strays.is_empty(), "{strays:#?}");
    let gone: Vec<&str> = may_use
        .keys()
        .filter(|room| {
            !uses
                .keys()
                .any(|module| module.first().is_some_and(|first| first == *room))
        })
        .copied()
        .collect();
    assert!(gone.is_empty(), "rooms that are gone: {gone:?}");
}

fn sizes(dir: &Path, sizes: &mut Vec<(u64, PathBuf)>) {
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            self::sizes(&path, sizes);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sizes.push((entry.metadata().expect("a file").len(), path));
        }
    }
}

#[test]
fn files_are_small() {
    for name in CRATES {
        let mut found = Vec::new();
        sizes(&root().join(name).join("src"), &mut found);
        found.sort();
        let (median, _) = &found[found.len() / 2];
        assert!(
            *median <= MEDIAN,
            "half of {name}'s files are above {median} bytes"
        );
        for (size, path) in found {
            let path = path
                .strip_prefix(root())
                .expect("inside")
                .display()
                .to_string();
            let excused = LARGER.iter().any(|(larger, _why)| *larger == path);
            assert_eq!(
                size > LARGEST,
                excused,
                "{path} has {size} bytes: {LARGEST} is the most, unless LARGER says why"
            );
        }
    }
}

/// The reader sees what it is to see: else the tests above could not fail.
#[test]
fn uses_are_found_through_imports_and_re_exports() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    write(
        "lib.rs",
        "mod a; mod b; pub mod c; pub use c::deep::Deep; // crate::a::X\n",
    );
    write(
        "a.rs",
        "use crate::b::{self, One as Uno};\nfn f() { b::g(\"crate::c::X\") }\n#[cfg(test)]\nmod tests { use crate::c::Y; }\n",
    );
    write(
        "b.rs",
        "fn g<'a>() -> crate::Deep { 'x'; r#\"crate::a::X\"#; super::c::h() }",
    );
    write("c.rs", "mod deep; pub(crate) fn h() { deep::i() }");
    write("c/deep.rs", "pub struct Deep; fn i() { super::h() }");
    let uses = Source::read(dir.path()).uses();
    let of = |module: &[&str]| -> Vec<String> {
        let module: Module = module.iter().map(|part| (*part).to_owned()).collect();
        uses[&module].iter().map(named).collect()
    };
    assert_eq!(of(&["a"]), ["b"]);
    assert_eq!(of(&["b"]), ["c", "c::deep"]);
    assert_eq!(of(&["c"]), ["c::deep"]);
    assert_eq!(of(&["c", "deep"]), ["c"]);
    assert_eq!(of(&[]), ["c::deep"]);
}
