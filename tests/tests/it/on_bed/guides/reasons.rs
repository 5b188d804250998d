//! The reasons and states that the operator reports, found in its sources, and those that the page explains.

use crate::root;
use std::collections::BTreeSet;

/// Where reasons are given, each file with what stands in front of one.
const SOURCES: &[(&str, &[&str])] = &[
    // Problems, and their conditions when all is well.
    (
        "operator/src/reconcile/status.rs",
        &[
            "reason: \"",
            "=> \"",
            "(\"",
            "(\n            \"",
            "(\n                \"",
            "&str = \"",
        ],
    ),
    ("operator/src/reconcile/report.rs", &["reason: \""]),
    ("operator/src/lease/turn.rs", &["&str = \""]),
    ("operator/src/names/report.rs", &["reason: \""]),
    ("operator/index/src/states.rs", &["=> \""]),
    ("operator/src/collect/announce.rs", &["reason: \""]),
    ("operator/src/collect/fetch.rs", &["=> \""]),
    ("operator/src/push/server.rs", &["refuse(\"", ", \""]),
];

/// Words at such a place that are no reasons: kinds of objects, and what a condition says.
const OTHER: &[&str] = &[
    "ConfigMap",
    "DataPlane",
    "Service",
    "KongPlugin",
    "True",
    "False",
    "DataPlaneMetricsExtension",
];

/// What the code can say.
pub fn known() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for (file, places) in SOURCES {
        let text = std::fs::read_to_string(root().join(file)).expect("a source");
        let before = known.len();
        for place in *places {
            let after = text.split(place).skip(1);
            let words = after.filter_map(|rest| rest.split('"').next());
            known.extend(words.filter(|word| is_reason(word)).map(str::to_owned));
        }
        let says_none = file.ends_with("reconcile/report.rs");
        assert!(says_none || known.len() > before, "no reason in {file}");
    }
    known
}

fn is_reason(word: &str) -> bool {
    let letters = word.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    letters && !word.is_empty() && !OTHER.contains(&word)
}

/// The first column of the page's tables, and the names of conditions and of Events that have a paragraph of their own.
pub fn explained(page: &str) -> BTreeSet<String> {
    let first = |line: &str| {
        let cell = line.strip_prefix("| `")?.split('`').next()?;
        Some(cell.to_owned())
    };
    let mut explained: BTreeSet<String> = page.lines().filter_map(first).collect();
    for name in page.split('`').skip(1).step_by(2) {
        if [
            "Accepted",
            "BackendNotGranted",
            "InjectedAtSource",
            "MetricsLeftOut",
            "MetricsNotCollected",
            "NamesResolved",
            "Programmed",
            "Ready",
            "ResolvedRefs",
            "SoleInstallation",
        ]
        .contains(&name)
        {
            explained.insert(name.to_owned());
        }
    }
    explained
}
