//! Expositions in text format 0.0.4, merged into one: each family once, with one HELP and TYPE,
//! whatever the sources look like.
//!
//! Lines that do not parse are left out; so are a series that a source brings twice, and the family of
//! a source that gives it another type than the first one did. All of it is counted.

mod line;

use line::{Line, Sample};
use std::collections::{BTreeMap, HashMap, HashSet};

/// One exposition.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its text.
    pub body: &'a [u8],
    /// Labels to stand in front of each sample's own.
    pub labels: &'a [(&'a str, &'a str)],
    /// Samples beyond these are left out.
    pub limit: usize,
}

/// Expositions on their way into one.
#[derive(Debug, Default)]
pub struct Merge {
    families: BTreeMap<Vec<u8>, Family>,
    left_out: HashMap<&'static str, u64>,
}

#[derive(Debug, Default)]
struct Family {
    help: Option<Vec<u8>>,
    kind: Option<Vec<u8>>,
    samples: Vec<u8>,
}

/// What one source says of a family.
#[derive(Debug, Default)]
struct Said {
    conflicts: bool,
    seen: HashSet<Vec<u8>>,
}

impl Merge {
    /// Adds a source. Returns how many of its samples were taken.
    pub fn add(&mut self, source: &Source<'_>) -> usize {
        let labels = rendered(source.labels);
        let mut said: HashMap<Vec<u8>, Said> = HashMap::new();
        // What this source declared, whether or not it won: its suffixes belong to its families.
        let mut kinds: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        let mut taken = 0;
        for line in source.body.split(|byte| *byte == b'\n') {
            match line::parse(line) {
                Line::Empty => {}
                Line::Broken => self.leave_out("malformed"),
                Line::Help(name, text) => {
                    let family = self.families.entry(name.to_vec()).or_default();
                    family.help.get_or_insert_with(|| text.to_vec());
                }
                Line::Type(name, kind) => {
                    kinds.insert(name.to_vec(), kind.to_vec());
                    let family = self.families.entry(name.to_vec()).or_default();
                    let first = family.kind.get_or_insert_with(|| kind.to_vec());
                    let conflicts = *first != kind;
                    if conflicts {
                        self.leave_out("type_conflict");
                    }
                    said.entry(name.to_vec()).or_default().conflicts = conflicts;
                }
                Line::Sample(sample) => {
                    if taken == source.limit {
                        self.leave_out("over_limit");
                        continue;
                    }
                    let name = family_of(sample.name, &kinds).to_vec();
                    let about = said.entry(name.clone()).or_default();
                    if about.conflicts {
                        self.leave_out("type_conflict_sample");
                    } else if clashes(&sample, source.labels) {
                        self.leave_out("label_clash");
                    } else if about.seen.insert(sample.series()) {
                        let family = self.families.entry(name).or_default();
                        sample.write(&labels, &mut family.samples);
                        taken += 1;
                    } else {
                        self.leave_out("duplicate");
                    }
                }
            }
        }
        taken
    }

    /// The merged exposition, and how many lines were left out, by reason.
    #[must_use]
    pub fn finish(self) -> (Vec<u8>, Vec<(&'static str, u64)>) {
        let mut out = Vec::new();
        for (name, family) in &self.families {
            // A family without samples says nothing.
            if family.samples.is_empty() {
                continue;
            }
            for (keyword, text) in [("HELP", &family.help), ("TYPE", &family.kind)] {
                if let Some(text) = text {
                    out.extend_from_slice(b"# ");
                    out.extend_from_slice(keyword.as_bytes());
                    out.push(b' ');
                    out.extend_from_slice(name);
                    out.push(b' ');
                    out.extend_from_slice(text);
                    out.push(b'\n');
                }
            }
            out.extend_from_slice(&family.samples);
        }
        (out, self.left_out.into_iter().collect())
    }

    fn leave_out(&mut self, reason: &'static str) {
        *self.left_out.entry(reason).or_default() += 1;
    }
}

/// The family that a sample belongs to, going by what its source has declared.
fn family_of<'a>(name: &'a [u8], kinds: &HashMap<Vec<u8>, Vec<u8>>) -> &'a [u8] {
    if kinds.contains_key(name) {
        return name;
    }
    let suffixes: [(&[u8], &[&[u8]]); 3] = [
        (b"_bucket", &[b"histogram"]),
        (b"_sum", &[b"histogram", b"summary"]),
        (b"_count", &[b"histogram", b"summary"]),
    ];
    for (suffix, of) in suffixes {
        if let Some(base) = name.strip_suffix(suffix)
            && kinds
                .get(base)
                .is_some_and(|kind| of.contains(&kind.as_slice()))
        {
            return base;
        }
    }
    name
}

fn clashes(sample: &Sample<'_>, labels: &[(&str, &str)]) -> bool {
    labels.iter().any(|(name, _)| sample.has(name.as_bytes()))
}

/// `a="b",c="d"`, escaped.
fn rendered(labels: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in labels {
        if !out.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=\"");
        for byte in value.bytes() {
            match byte {
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'"' => out.extend_from_slice(b"\\\""),
                b'\n' => out.extend_from_slice(b"\\n"),
                byte => out.push(byte),
            }
        }
        out.push(b'"');
    }
    out
}

#[cfg(test)]
mod tests;
