//! Which crates are linked into which binary, according to `cargo metadata`.

use crate::Result;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

/// What is shipped runs on Linux; crates for other systems are not in it.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// One crate in one version.
#[derive(Clone, Debug)]
pub struct Crate {
    pub name: String,
    pub version: String,
    /// An SPDX expression.
    pub licence: Option<String>,
    pub repository: Option<String>,
    /// From a registry, and not of this house.
    pub foreign: bool,
    /// Where its source is.
    pub directory: PathBuf,
    /// SHA-256 of what was downloaded, from `Cargo.lock`.
    pub checksum: Option<String>,
}

/// All of them, by Cargo's own identifiers.
pub struct Crates {
    all: BTreeMap<String, Crate>,
    /// Who links whom: neither build scripts' nor tests' dependencies.
    links: BTreeMap<String, Vec<String>>,
}

impl Crates {
    /// Asks Cargo.
    pub fn read() -> Result<Self> {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args([
                "metadata",
                "--format-version=1",
                "--locked",
                "--filter-platform",
                TARGET,
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)?;
        let root = metadata["workspace_root"].as_str().ok_or("no workspace")?;
        let checksums = checksums(&std::fs::read_to_string(format!("{root}/Cargo.lock"))?);
        let mut all = BTreeMap::new();
        for package in array(&metadata["packages"]) {
            let text = |key: &str| package[key].as_str().map(str::to_owned);
            let (name, version) = (
                text("name").ok_or("no name")?,
                text("version").ok_or("no version")?,
            );
            let manifest = PathBuf::from(text("manifest_path").ok_or("no manifest")?);
            let one = Crate {
                checksum: checksums.get(&(name.clone(), version.clone())).cloned(),
                name,
                version,
                licence: text("license"),
                repository: text("repository"),
                foreign: text("source").is_some(),
                directory: manifest.parent().ok_or("no directory")?.to_owned(),
            };
            all.insert(text("id").ok_or("no id")?, one);
        }
        let mut links = BTreeMap::new();
        for node in array(&metadata["resolve"]["nodes"]) {
            let linked = array(&node["deps"]).filter(|dependency| {
                array(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null())
            });
            let linked =
                linked.filter_map(|dependency| dependency["pkg"].as_str().map(str::to_owned));
            links.insert(
                node["id"].as_str().ok_or("no id")?.to_owned(),
                linked.collect(),
            );
        }
        Ok(Self { all, links })
    }

    /// The identifier of the crate `name` of this house.
    pub fn own(&self, name: &str) -> Result<&str> {
        let mut all = self.all.iter();
        let found = all.find(|(_, one)| one.name == name && !one.foreign);
        Ok(found.ok_or_else(|| format!("there is no crate {name}"))?.0)
    }

    /// What is linked into the crate `id`, itself included. What macros run at build time is among it: Cargo
    /// does not tell them from the rest, and their licence is worth naming.
    pub fn linked(&self, id: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&str> = self
            .links
            .get_key_value(id)
            .map(|(id, _)| id.as_str())
            .into_iter()
            .collect();
        while let Some(id) = next.pop() {
            if seen.insert(id) {
                next.extend(self.of(id).map(String::as_str));
            }
        }
        seen
    }

    /// What the crate `id` itself links.
    pub fn of(&self, id: &str) -> impl Iterator<Item = &String> {
        self.links.get(id).into_iter().flatten()
    }

    /// The crate `id`.
    pub fn get(&self, id: &str) -> Result<&Crate> {
        Ok(self
            .all
            .get(id)
            .ok_or_else(|| format!("there is no crate {id}"))?)
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// By name and version. The lock file is TOML that Cargo writes, one `key = "value"` a line.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let start = format!("{key} = \"");
            let line = package.lines().find_map(|line| line.strip_prefix(&start));
            line.and_then(|rest| rest.strip_suffix('"'))
                .map(str::to_owned)
        };
        if let (Some(name), Some(version), Some(checksum)) =
            (value("name"), value("version"), value("checksum"))
        {
            found.insert((name, version), checksum);
        }
    }
    found
}
