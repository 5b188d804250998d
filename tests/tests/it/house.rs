//! Imports point one way: what `docs/design.md` §2 draws is what `cargo metadata` and the sources say.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod files;
mod names;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Each crate and the crates of this house that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("crds", &[]),
    ("exposition", &[]),
    ("wire", &[]),
    ("runtime", &[]),
    ("index", &["crds", "wire"]),
    ("signals", &["wire"]),
    ("sidecar", &["exposition", "runtime", "wire"]),
    ("webhook", &["crds", "runtime", "wire"]),
    (
        "operator",
        &[
            "crds",
            "exposition",
            "index",
            "runtime",
            "signals",
            "webhook",
            "wire",
        ],
    ),
];

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

fn dependencies(package: &serde_json::Value) -> impl Iterator<Item = &str> {
    package["dependencies"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|dependency| dependency["kind"].is_null())
        .filter_map(|dependency| dependency["name"].as_str())
}

#[test]
fn imports_point_one_way() {
    let metadata = metadata();
    let mut seen = BTreeMap::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let Some(name) = package["name"]
            .as_str()
            .and_then(|name| name.strip_prefix("tagalong-"))
        else {
            continue;
        };
        let ours: BTreeSet<&str> = dependencies(package)
            .filter_map(|name| name.strip_prefix("tagalong-"))
            .collect();
        seen.insert(name, ours);
    }
    for (name, may_use) in MAY_USE {
        let uses = seen
            .get(name)
            .unwrap_or_else(|| panic!("the crate tagalong-{name} is gone"));
        let strays: Vec<_> = uses.iter().filter(|used| !may_use.contains(used)).collect();
        assert!(
            strays.is_empty(),
            "tagalong-{name} may use {may_use:?}, but also uses {strays:?}"
        );
    }
}

/// The crates behind one of ours, by name and version.
fn tree(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--edges=normal", "--prefix=none", "--locked"])
        .args(["--package", package])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).expect("cargo tree prints text");
    let crates = tree.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some(format!("{} {}", words.next()?, words.next()?))
    });
    crates.collect()
}

fn has_no(package: &str, banned: &[&str], why: &str) {
    for banned in banned {
        let found = tree(package).into_iter().find(|line| {
            line.strip_prefix(banned)
                .is_some_and(|rest| rest.starts_with([' ', '-']))
        });
        assert_eq!(found, None, "{why} {banned}");
    }
}

#[test]
fn the_sidecar_stays_small() {
    let banned = ["kube", "k8s-openapi", "prometheus-client", "regex"];
    let why = "the sidecar runs in every Kong pod and has no use for";
    has_no("tagalong-sidecar", &banned, why);
}

/// An API server hands it every object; the less there is behind it, the less there is to trust.
#[test]
fn the_webhook_asks_nobody() {
    let banned = ["kube", "k8s-openapi", "hyper-rustls", "schemars"];
    has_no("tagalong-webhook", &banned, "the webhook has no use for");
    let behind = tree("tagalong-webhook").len();
    assert!(behind <= 110, "{behind} crates are behind the webhook");
}

#[test]
fn one_version_of_each_kubernetes_crate() {
    let metadata = metadata();
    for name in [
        "kube",
        "kube-client",
        "kube-core",
        "kube-runtime",
        "k8s-openapi",
        "json-patch",
    ] {
        let versions: BTreeSet<&str> = metadata["packages"]
            .as_array()
            .expect("packages")
            .iter()
            .filter(|package| package["name"] == name)
            .filter_map(|package| package["version"].as_str())
            .collect();
        assert_eq!(versions.len(), 1, "{name}: {versions:?}");
    }
}
