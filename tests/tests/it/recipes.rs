//! What `CONTRIBUTING.md` has people do by hand, in files that no compiler compares: who forgets one is told which.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

use crate::root;
use std::process::Command;

use tagalong_exposition::{LabelTable, Options, Rewriter};

/// The labels of an enriched sample that Kong did not write, as the rewriter writes them.
fn added_labels() -> Vec<String> {
    let table = LabelTable::builder().service("s", "n", "e").build();
    let mut rewriter = Rewriter::new(Options::default());
    let mut out = Vec::new();
    rewriter.push(&table, b"m{service=\"s\"} 1\n", &mut out);
    rewriter.finish(&table, &mut out);
    let line = String::from_utf8(out).expect("UTF-8");
    let inside = line
        .strip_prefix("m{")
        .and_then(|rest| rest.split_once('}'))
        .map(|(inside, _)| inside)
        .unwrap_or_else(|| panic!("{line:?} is no sample"));
    let labels = inside.split(',').filter_map(|pair| pair.split_once('='));
    let names = labels.map(|(name, _)| name.to_owned());
    names.filter(|name| name != "kong_service").collect()
}

/// What was measured or recorded at one time, and stays as it was.
fn is_recorded(name: &str) -> bool {
    ["docs/benchmarks", "tests/data/"]
        .iter()
        .any(|recorded| name.starts_with(recorded))
}

/// Two labels that tell nothing by themselves: a file that names both writes down all labels of an enriched sample. This
/// file does not name them.
fn whole() -> [String; 2] {
    ["apiversion", "kind"].map(|end| format!("kubernetes_{end}"))
}

#[test]
fn a_file_that_writes_down_the_added_labels_has_them_all() {
    let (added, whole) = (added_labels(), whole());
    for label in &whole {
        assert!(
            added.contains(label),
            "{label} is no added label any more: choose another one here"
        );
    }
    let output = Command::new("git")
        .args([
            "grep",
            "--files-with-matches",
            "--fixed-strings",
            "--all-match",
        ])
        .args(whole.each_ref().map(|label| format!("-e{label}")))
        .current_dir(root())
        .output()
        .expect("git runs");
    let names = String::from_utf8(output.stdout).expect("UTF-8");
    let (mut read, mut forgotten) = (0, Vec::new());
    for name in names.lines().filter(|name| !is_recorded(name)) {
        let text = std::fs::read_to_string(root().join(name)).expect("a file");
        if !whole.iter().all(|label| text.contains(label.as_str())) {
            continue;
        }
        read += 1;
        let missing = added.iter().filter(|label| !text.contains(label.as_str()));
        forgotten.extend(missing.map(|label| format!("{name}: {label}")));
    }
    assert!(
        forgotten.is_empty(),
        "these files write down the added labels, but not all (CONTRIBUTING.md, \"Add a label to enriched samples\"): {forgotten:#?}"
    );
    assert!(read >= 10, "only {read} files were found");
}
