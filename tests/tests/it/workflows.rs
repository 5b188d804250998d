//! The workflows make together what `make test` makes, have no right but to read unless they publish, and end in bounded time.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

use crate::root;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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

fn makefile() -> String {
    std::fs::read_to_string(root().join("Makefile")).expect("the Makefile")
}

/// The targets of the Makefile that `make help` lists.
fn targets() -> BTreeSet<String> {
    let makefile = makefile();
    let listed = makefile
        .lines()
        .filter(|line| line.contains(": ") && line.contains("## "));
    let names = listed.filter_map(|line| line.split_once(':'));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// What a job asks `make` for; a matrix stands for each of its values.
fn made(job: &Value) -> Vec<String> {
    let mut made = Vec::new();
    let runs = steps(job).filter_map(|step| step["run"].as_str());
    for targets in runs.filter_map(|line| Some(line.rsplit_once("make ")?.1)) {
        if targets == "${{ matrix.target }}" {
            let matrix = job["strategy"]["matrix"]["target"].as_array();
            let values = matrix.expect("a matrix").iter();
            made.extend(values.map(|value| value.as_str().expect("a target").to_owned()));
        } else {
            made.extend(targets.split_whitespace().map(str::to_owned));
        }
    }
    made
}

/// The steps of `make test`, as its Makefile has them.
fn steps_of_test() -> BTreeSet<String> {
    let makefile = makefile();
    let steps = makefile
        .lines()
        .find_map(|line| line.strip_prefix("STEPS := "))
        .expect("the steps of `make test`");
    assert!(
        makefile.contains("tests/timed $(STEPS)"),
        "`make test` makes something else"
    );
    steps.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn together_they_make_what_make_test_makes() {
    let all = workflows();
    let ci = all.iter().find(|(name, _)| name.ends_with("/ci.yaml"));
    let (_, ci) = ci.expect("ci.yaml");
    let made: BTreeSet<String> = jobs(ci).flat_map(made).collect();
    assert_eq!(made, steps_of_test());
}

/// A test whose name has `on_bed` is left out where there is neither Go nor root; so what takes them must have it.
#[test]
fn what_takes_the_test_bed_says_so() {
    let mut strays = Vec::new();
    for part in ["crds", "operator", "sidecar", "tests", "webhook"] {
        look(&root().join(part), &mut strays);
    }
    assert!(strays.is_empty(), "move these into on_bed: {strays:#?}");
}

/// Files below a folder `tests` beside a `Cargo.toml` that ask for programs of the test bed, and are not in `on_bed`.
fn look(directory: &Path, strays: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            look(&path, strays);
            continue;
        }
        let text = path.display().to_string();
        let integration = text.rsplit_once("/tests/").is_some_and(|(krate, inside)| {
            Path::new(krate).join("Cargo.toml").exists() && !inside.contains("/src/")
        });
        let helps = ["on_bed", "/support/", "/data/", "workflows.rs"];
        if !integration || !text.ends_with(".rs") || helps.iter().any(|part| text.contains(part)) {
            continue;
        }
        let code = std::fs::read_to_string(&path).expect("a file");
        let asks = ["Cluster::", "cluster::binaries", "Tool::"];
        if asks.iter().any(|asks| code.contains(asks)) {
            strays.push(path);
        }
    }
}

/// What a job that publishes may do, and what it takes to sign.
const PUBLISHING: [&str; 4] = ["attestations", "contents", "id-token", "packages"];

#[test]
fn nothing_may_write_but_a_release_and_everything_ends() {
    for (name, workflow) in workflows() {
        assert_eq!(
            workflow["permissions"],
            json!({"contents": "read"}),
            "{name}"
        );
        let releases = name.ends_with("/release.yaml");
        assert!(
            !releases || workflow["on"] == json!({"push": {"tags": ["v*"]}}),
            "{name}: published by something else than a tag"
        );
        for job in jobs(&workflow) {
            let rights = job["permissions"].as_object().into_iter().flatten();
            for (right, _) in rights {
                assert!(
                    releases && PUBLISHING.contains(&right.as_str()),
                    "{name}: the right {right}"
                );
            }
            assert!(job["timeout-minutes"].is_u64(), "{name}: no timeout");
            for step in steps(job) {
                let uses = step["uses"].as_str().unwrap_or_default();
                if uses.starts_with("actions/checkout@") {
                    assert_eq!(step["with"]["persist-credentials"], false, "{name}");
                }
            }
        }
    }
}

/// A tag can be moved, a commit cannot.
#[test]
fn actions_of_others_go_by_commit() {
    let machine = root().join(".github/actions/machine/action.yaml");
    let files = workflows().into_iter().map(|(name, _)| PathBuf::from(name));
    for path in files.chain([machine]) {
        let text = std::fs::read_to_string(&path).expect("a file");
        for line in text.lines().filter_map(|line| {
            line.trim()
                .strip_prefix("- uses: ")
                .or_else(|| line.trim().strip_prefix("uses: "))
        }) {
            let (action, version) = line.split_once(" # ").unwrap_or((line, ""));
            if action.starts_with("./") {
                continue;
            }
            let (_, commit) = action.split_once('@').expect("a version");
            let hex = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
            assert!(
                hex && version.starts_with('v'),
                "{}: {line}",
                path.display()
            );
        }
    }
}

#[test]
fn they_make_what_the_makefile_has() {
    let targets = targets();
    let mut all = BTreeSet::new();
    for (name, workflow) in workflows() {
        for target in jobs(&workflow).flat_map(made) {
            assert!(targets.contains(&target), "{name}: make {target}");
            all.insert(target);
        }
    }
    for target in [
        "e2e",
        "e2e-faults",
        "soak",
        "fuzz",
        "advisories",
        "images",
        "chart",
        "sbom",
    ] {
        assert!(all.contains(target), "nobody makes {target}");
    }
}

/// They become known at any time, and come with whatever is new.
#[test]
fn advisories_are_asked_each_night_and_of_what_is_new() {
    let all = workflows();
    let (name, workflow) = all
        .iter()
        .find(|(_, workflow)| jobs(workflow).any(|job| made(job) == ["advisories"]))
        .expect("a workflow");
    let on = &workflow["on"];
    assert!(on["schedule"][0]["cron"].is_string(), "{name}");
    for event in ["pull_request", "push"] {
        let paths = on[event]["paths"].as_array().expect("paths");
        assert!(paths.contains(&json!("Cargo.lock")), "{name}: {event}");
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
