//! The work that all contenders are given: a capture, and a Service for every name in it.
//!
//! A table can hold any Service for any name. Relabelling rules can only cut names apart, so here the Service is what a
//! regular expression can find in the name; else rules and table could not ask for the same labels.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use regex::Regex;
use serde::{Deserialize, Serialize};
use tagalong_kong::captures;
use tempfile::NamedTempFile;

use crate::canonical::{self, Sample};

/// The captures in which every contender is tried, small ones first.
pub const CAPTURES: [&str; 4] = ["small", "edge-valid", "medium", "large"];

/// Namespace and name in a name of Kong Ingress Controller's. RE2 and the `regex` crate read it alike.
const NAMES: &str = r"(?:httproute\.[^.]+\.svc\.|httproute\.|grpcroute\.)?([^.]+)\.([^.]+)\.[^.]+";

/// One capture with its table.
pub struct Work {
    /// The capture's name.
    pub name: &'static str,
    /// Kong's exposition.
    pub input: bytes::Bytes,
    /// Namespace and name of the Service of each value of `service`.
    pub services: BTreeMap<String, (String, String)>,
    /// The samples that a contender must give out.
    pub expected: Vec<Sample>,
    files: Files,
}

/// What the work is, for the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The capture's name.
    pub capture: String,
    /// Its size.
    pub bytes: usize,
    /// Its samples.
    pub samples: usize,
    /// Those whose service is in the table.
    pub enriched: usize,
    /// Names in the table.
    pub services: usize,
}

struct Files {
    input: NamedTempFile,
    table: NamedTempFile,
    rules: NamedTempFile,
}

impl Work {
    /// Reads the capture, makes the table, and works out what must come out.
    ///
    /// # Errors
    /// The capture cannot be read, or a line of it is no sample.
    pub fn new(name: &'static str) -> io::Result<Self> {
        let input = captures::text(name)?;
        let mut expected = canonical::samples(&input).map_err(io::Error::other)?;
        let services = services(&expected)?;
        for sample in &mut expected {
            enrich(sample, &services);
        }
        let table = table(&services).to_string();
        let files = Files {
            input: file(&input)?,
            table: file(table.as_bytes())?,
            rules: file(rules(&services)?.as_bytes())?,
        };
        Ok(Self {
            name,
            input,
            services,
            expected,
            files,
        })
    }

    /// The arguments with which every contender's program is told its work.
    #[must_use]
    pub fn arguments(&self) -> Vec<std::ffi::OsString> {
        [
            ("--input", &self.files.input),
            ("--table", &self.files.table),
            ("--rules", &self.files.rules),
        ]
        .into_iter()
        .flat_map(|(flag, file)| [flag.into(), file.path().into()])
        .collect()
    }

    /// The file with the table, a SNAPSHOT as the sidecar reads it.
    #[must_use]
    pub fn table(&self) -> &std::path::Path {
        self.files.table.path()
    }

    /// The same table as relabelling rules.
    ///
    /// # Errors
    /// The file is gone.
    pub fn rules(&self) -> io::Result<String> {
        std::fs::read_to_string(self.files.rules.path())
    }

    /// The record's line on this work.
    #[must_use]
    pub fn facts(&self) -> Facts {
        Facts {
            capture: self.name.to_owned(),
            bytes: self.input.len(),
            samples: self.expected.len(),
            enriched: self
                .expected
                .iter()
                .filter(|sample| sample.label(b"kong_service").is_some())
                .count(),
            services: self.services.len(),
        }
    }
}

/// Gives the sample the labels that the contract asks for, in the plainest way.
pub fn enrich(sample: &mut Sample, services: &BTreeMap<String, (String, String)>) {
    let Some(at) = sample
        .labels
        .iter()
        .position(|(name, _)| name == b"service")
    else {
        return;
    };
    let found = std::str::from_utf8(&sample.labels[at].1)
        .ok()
        .and_then(|kong| services.get(kong));
    let Some((namespace, name)) = found else {
        return;
    };
    sample.labels[at].0 = b"kong_service".to_vec();
    for (label, value) in [
        ("namespace", namespace.as_str()),
        ("service", name),
        ("kubernetes_apiversion", "v1"),
        ("kubernetes_kind", "service"),
        ("kubernetes_name", name),
        ("kubernetes_namespace", namespace),
    ] {
        sample.labels.push((label.into(), value.into()));
    }
}

fn services(samples: &[Sample]) -> io::Result<BTreeMap<String, (String, String)>> {
    let pattern = Regex::new(&format!("^(?:{NAMES})$")).map_err(io::Error::other)?;
    let mut services = BTreeMap::new();
    for sample in samples {
        let Some(kong) = sample.label(b"service").filter(|kong| !kong.is_empty()) else {
            continue;
        };
        let kong = std::str::from_utf8(kong).map_err(io::Error::other)?;
        if !services.contains_key(kong) {
            let found = pattern.captures(kong).map_or_else(
                || ("default".to_owned(), "other".to_owned()),
                |parts| (parts[1].to_owned(), parts[2].to_owned()),
            );
            services.insert(kong.to_owned(), found);
        }
    }
    Ok(services)
}

fn table(services: &BTreeMap<String, (String, String)>) -> serde_json::Value {
    let entries: serde_json::Map<_, _> = services
        .iter()
        .map(|(kong, (namespace, name))| {
            let service = serde_json::json!({"namespace": namespace, "name": name});
            (kong.clone(), service)
        })
        .collect();
    serde_json::json!({"type": "SNAPSHOT", "version": 1, "services": entries, "upstreams": {}})
}

/// The table as `metric_relabel_configs`. Rules for names that the expression does not match are only there where the
/// capture has such names, for each rule costs its reader time.
fn rules(services: &BTreeMap<String, (String, String)>) -> io::Result<String> {
    let pattern = Regex::new(&format!("^(?:{NAMES})$")).map_err(io::Error::other)?;
    let rule = |source: &str, regex: &str, target: &str, replacement: &str| {
        format!(
            "- source_labels: [{source}]\n  regex: '{regex}'\n  target_label: {target}\n  replacement: '{replacement}'\n"
        )
    };
    let mut rules = vec![rule("service", "(.+)", "kong_service", "$1")];
    if !services.keys().all(|kong| pattern.is_match(kong)) {
        rules.push(rule("kong_service", ".+", "namespace", "default"));
        rules.push(rule("kong_service", ".+", "service", "other"));
    }
    rules.extend([
        rule("kong_service", NAMES, "namespace", "$1"),
        rule("kong_service", NAMES, "service", "$2"),
        rule("kong_service", ".+", "kubernetes_apiversion", "v1"),
        rule("kong_service", ".+", "kubernetes_kind", "service"),
        rule("kong_service,service", ".+;(.+)", "kubernetes_name", "$1"),
        rule(
            "kong_service,namespace",
            ".+;(.+)",
            "kubernetes_namespace",
            "$1",
        ),
    ]);
    Ok(rules.concat())
}

fn file(bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    file.write_all(bytes)?;
    file.flush()?;
    Ok(file)
}

#[cfg(test)]
mod tests;
