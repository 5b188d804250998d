//! The licences of everything that is linked into the binaries, each text once.

use crate::Result;
use crate::crates::{Crate, Crates};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// How files with licences and notices begin.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];

/// The text for all of `binaries`.
pub fn of(crates: &Crates, binaries: &[&str]) -> Result<String> {
    let mut linked = BTreeSet::new();
    for binary in binaries {
        linked.extend(crates.linked(crates.own(binary)?));
    }
    let mut list = String::new();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for id in linked {
        let one = crates.get(id)?;
        if !one.foreign {
            continue;
        }
        let name = format!("{} {}", one.name, one.version);
        let licence = one.licence.as_deref().unwrap_or("see its text");
        writeln!(list, "{name}: {licence}")?;
        for text in texts_of(one)? {
            texts.entry(text).or_default().push(name.clone());
        }
    }
    let mut all = format!(
        "What is linked into {}, and under which licences.\n\n{list}",
        binaries.join(", ")
    );
    for (text, names) in texts {
        let line = "-".repeat(80);
        write!(all, "\n{line}\n{}\n{line}\n\n{text}\n", names.join(", "))?;
    }
    Ok(all)
}

/// The texts that come with a crate.
fn texts_of(one: &Crate) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(&one.directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if entry.file_type()?.is_file() && NAMES.iter().any(|start| name.starts_with(start)) {
            let text = std::fs::read_to_string(entry.path())?.replace("\r\n", "\n");
            texts.push(text.trim().to_owned());
        }
    }
    texts.sort();
    Ok(texts)
}
