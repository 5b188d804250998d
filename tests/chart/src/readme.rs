//! The chart's README: everything up to the table of values is written by hand, the table is generated from
//! `values.yaml`.

use crate::{Result, file};
use serde_json::Value;
use std::fmt::Write as _;

/// What stands between the two.
const HEADING: &str = "## Values\n";

/// The README as it should be.
///
/// # Errors
///
/// When a file of the chart cannot be read, or a value is without a comment.
pub fn wanted() -> Result<String> {
    let readme = file("README.md")?;
    let prose = readme.split(HEADING).next().unwrap_or_default();
    let values = file("values.yaml")?;
    Ok(format!(
        "{prose}{HEADING}\nMade from `values.yaml` by `make chart-readme`.\n\n{}",
        table(&values)?
    ))
}

/// A row for each key with a comment above it; a key without one must be a group of such keys.
fn table(text: &str) -> Result<String> {
    let values: Value = serde_saphyr::from_str(text)?;
    let mut rows = String::from("| value | default | what |\n| --- | --- | --- |\n");
    let mut path: Vec<(usize, &str)> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    let mut inside = usize::MAX;
    for line in text.lines() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if content.is_empty() {
            comment.clear();
            continue;
        }
        if indent > inside {
            continue;
        }
        if let Some(words) = content.strip_prefix("# ") {
            comment.push(words);
            continue;
        }
        let (key, _) = content
            .split_once(':')
            .ok_or_else(|| format!("no key: {line}"))?;
        path.retain(|(outer, _)| *outer < indent);
        path.push((indent, key));
        inside = usize::MAX;
        let names: Vec<&str> = path.iter().map(|(_, key)| *key).collect();
        let value = values.pointer(&format!("/{}", names.join("/")));
        let value = value.ok_or_else(|| format!("no such value: {}", names.join(".")))?;
        if comment.is_empty() {
            if value.as_object().is_none_or(serde_json::Map::is_empty) {
                return Err(format!("{} needs a comment above it", names.join(".")).into());
            }
            continue;
        }
        let words = comment.join(" ").replace('|', "\\|");
        writeln!(rows, "| `{}` | `{value}` | {words} |", names.join("."))?;
        comment.clear();
        // What is below belongs to this value.
        inside = indent;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
