//! The workflows call the Makefile's targets, have no right but to read, and end in bounded time.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("the file can be read");
    let mut documents = tagalong_chart::helm::parse(&text).expect("YAML");
    assert_eq!(documents.len(), 1, "{}", path.display());
    documents.remove(0)
}

fn workflows() -> Vec<(String, Value)> {
    let directory = root().join(".github/workflows");
    let entries = std::fs::read_dir(directory).expect("there are workflows");
    let read = |path: PathBuf| (path.display().to_string(), read(&path));
    entries
        .map(|entry| read(entry.expect("a file").path()))
        .collect()
}

fn jobs(workflow: &Value) -> impl Iterator<Item = &Value> {
    workflow["jobs"].as_object().expect("jobs").values()
}

fn steps(job: &Value) -> impl Iterator<Item = &Value> {
    job["steps"].as_array().expect("steps").iter()
}

/// The targets of the Makefile that `make help` lists.
fn targets() -> BTreeSet<String> {
    let makefile = std::fs::read_to_string(root().join("Makefile")).expect("the Makefile");
    let listed = makefile
        .lines()
        .filter(|line| line.contains(": ") && line.contains("## "));
    let names = listed.filter_map(|line| line.split_once(':'));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// What a job asks `make` for; a matrix stands for each of its values.
fn made(job: &Value) -> Vec<String> {
    let mut made = Vec::new();
    for line in steps(job).filter_map(|step| step["run"].as_str()) {
        let Some((_, target)) = line.rsplit_once("make ") else {
            continue;
        };
        if target == "${{ matrix.target }}" {
            let matrix = job["strategy"]["matrix"]["target"].as_array();
            let values = matrix.expect("a matrix").iter();
            made.extend(values.map(|value| value.as_str().expect("a target").to_owned()));
        } else {
            made.push(target.to_owned());
        }
    }
    made
}

#[test]
fn nothing_may_write_and_everything_ends() {
    for (name, workflow) in workflows() {
        assert_eq!(
            workflow["permissions"],
            json!({"contents": "read"}),
            "{name}"
        );
        for job in jobs(&workflow) {
            assert!(job["permissions"].is_null(), "{name}: a job's own rights");
            assert!(job["timeout-minutes"].is_u64(), "{name}: no timeout");
            let checkout = |step: &&Value| {
                let uses = step["uses"].as_str();
                uses.is_some_and(|uses| uses.starts_with("actions/checkout@"))
            };
            let checkout = steps(job).find(checkout).expect("a checkout");
            assert_eq!(checkout["with"]["persist-credentials"], false, "{name}");
        }
    }
}

#[test]
fn they_make_what_the_makefile_has() {
    let targets = targets();
    let mut all = BTreeSet::new();
    for (name, workflow) in workflows() {
        for job in jobs(&workflow) {
            let made = made(job);
            assert!(!made.is_empty(), "{name} makes nothing");
            for target in &made {
                assert!(targets.contains(target), "{name}: make {target}");
            }
            all.extend(made);
        }
    }
    for target in ["test", "e2e", "e2e-faults", "soak", "release"] {
        assert!(all.contains(target), "nobody makes {target}");
    }
}

/// As in `tests/cluster/modules`: the machine has the Go that they need, and does not fetch another.
#[test]
fn go_is_new_enough() {
    let action = read(&root().join(".github/actions/machine/action.yaml"));
    let steps = action["runs"]["steps"].as_array().expect("steps");
    let mut versions = steps
        .iter()
        .filter_map(|step| step["with"]["go-version"].as_str());
    let version = number(versions.next().expect("a version of Go"));
    for module in std::fs::read_dir(root().join("tests/cluster/modules")).expect("modules") {
        let path = module.expect("a module").path().join("go.mod");
        let text = std::fs::read_to_string(&path).expect("go.mod");
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("go "));
        let wanted = number(lines.next().expect("a go line"));
        assert!(wanted <= version, "{}", path.display());
    }
}

/// Major and minor version.
fn number(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse());
    let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
        panic!("{version} is no version");
    };
    (major, minor)
}
