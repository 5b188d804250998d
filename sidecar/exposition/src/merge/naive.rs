//! The merge, written to be obviously right: whole texts, read anew for each question, kept as trees.

use std::collections::BTreeSet;

use super::{Format, MergeStats, SourceStats};
use crate::naive::{Input, ends_in_value, escape, metadata, number};

/// What one source sent: the labels that go in front, not escaped, and the text.
pub type Sent = (Vec<(String, String)>, Vec<u8>);

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    /// Names and values, the values as they are escaped.
    labels: Vec<(String, String)>,
    value: String,
    timestamp: Option<i64>,
    /// As it was written, which may have zeros in front.
    written: String,
}

#[derive(Clone, Debug, Default)]
struct Family {
    name: String,
    kind: Option<String>,
    help: Option<String>,
    samples: Vec<(usize, Sample)>,
}

/// Merges what the sources sent. Also returns what was read of each.
#[must_use]
pub fn merge(
    format: Format,
    max_line: usize,
    sent: &[Sent],
) -> (Vec<u8>, Vec<SourceStats>, MergeStats) {
    let mut stats = MergeStats::default();
    let mut each = Vec::new();
    let mut merged: Vec<Family> = Vec::new();
    for (number, (front, text)) in sent.iter().enumerate() {
        let (families, read) = source(front, max_line, text);
        each.push(read);
        if sent[..number].iter().any(|(other, _)| other == front) {
            stats.refused += 1;
            continue;
        }
        stats.sources += 1;
        for mut family in families {
            family.samples.iter_mut().for_each(|(of, _)| *of = number);
            if !merged.iter().any(|other| other.name == family.name) {
                merged.push(Family {
                    name: family.name.clone(),
                    ..Family::default()
                });
            }
            let Some(into) = merged.iter_mut().find(|other| other.name == family.name) else {
                continue;
            };
            let fits = match (&into.kind, &family.kind) {
                (Some(known), Some(kind)) => known == kind,
                (Some(kind), None) => !composed(kind),
                (None, Some(kind)) => !composed(kind) || into.samples.is_empty(),
                (None, None) => true,
            };
            if fits {
                stats.samples += family.samples.len() as u64;
                into.kind = into.kind.take().or(family.kind);
                into.help = into.help.take().or(family.help);
                into.samples.append(&mut family.samples);
            } else {
                stats.conflicts += 1;
                stats.conflicting_samples += family.samples.len() as u64;
            }
        }
    }
    let mut out = String::new();
    for family in &merged {
        if owner(&merged, &family.name).is_some() {
            stats.samples -= family.samples.len() as u64;
            stats.conflicting_samples += family.samples.len() as u64;
            stats.conflicts += family
                .samples
                .iter()
                .map(|(source, _)| source)
                .collect::<BTreeSet<_>>()
                .len() as u64;
            continue;
        }
        let (name, kind) = called(format, family, &merged);
        if let Some(help) = &family.help {
            let help = if format == Format::Text {
                help.clone()
            } else {
                help.replace('"', "\\\"")
            };
            out += &format!("# HELP {name} {help}\n");
        }
        if let Some(kind) = kind {
            out += &format!("# TYPE {name} {kind}\n");
        }
        for (source, sample) in &family.samples {
            out += &written(format, &sent[*source].0, sample);
        }
    }
    if format == Format::OpenMetrics {
        out += "# EOF\n";
    }
    (out.into_bytes(), each, stats)
}

/// The family's name and type in the output.
fn called(format: Format, family: &Family, all: &[Family]) -> (String, Option<String>) {
    let as_is = (family.name.clone(), family.kind.clone());
    if format == Format::Text {
        return as_is;
    }
    match family.kind.as_deref() {
        Some("counter") => {
            let stem = family.name.strip_suffix("_total").unwrap_or_default();
            if stem.is_empty()
                || all.iter().any(|other| other.name == stem)
                || owner(all, stem).is_some()
            {
                (family.name.clone(), Some("unknown".into()))
            } else {
                (stem.into(), family.kind.clone())
            }
        }
        Some("untyped") => (family.name.clone(), Some("unknown".into())),
        _ => as_is,
    }
}

fn written(format: Format, front: &[(String, String)], sample: &Sample) -> String {
    let front = front
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escape(value)));
    let own = sample
        .labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{value}\""));
    let labels: Vec<_> = front.chain(own).collect();
    let timestamp = match (sample.timestamp, format) {
        (None, _) => String::new(),
        (Some(_), Format::Text) => format!(" {}", sample.written),
        (Some(_), Format::OpenMetrics) => {
            let (sign, digits) = match sample.written.strip_prefix('-') {
                Some(digits) => ("-", digits),
                None => ("", sample.written.as_str()),
            };
            let digits = format!("{digits:0>4}");
            let (seconds, millis) = digits.split_at(digits.len() - 3);
            format!(" {sign}{seconds}.{millis}")
        }
    };
    format!(
        "{}{{{}}} {}{timestamp}\n",
        sample.name,
        labels.join(","),
        sample.value
    )
}

fn composed(kind: &str) -> bool {
    kind == "histogram" || kind == "summary"
}

/// The composed family whose part a sample of this name would be, and whether the part is a bucket.
fn owner(families: &[Family], name: &str) -> Option<(String, bool)> {
    [
        ("_bucket", false, true),
        ("_sum", true, false),
        ("_count", true, false),
    ]
    .into_iter()
    .find_map(|(suffix, of_summary, bucket)| {
        let stem = name.strip_suffix(suffix)?;
        let kind = families
            .iter()
            .find(|family| family.name == stem)?
            .kind
            .as_deref()?;
        (kind == "histogram" || (of_summary && kind == "summary"))
            .then(|| (stem.to_owned(), bucket))
    })
}

fn named<'f>(families: &'f mut Vec<Family>, name: &str) -> &'f mut Family {
    let at = families
        .iter()
        .position(|family| family.name == name)
        .unwrap_or_else(|| {
            families.push(Family {
                name: name.to_owned(),
                ..Family::default()
            });
            families.len() - 1
        });
    &mut families[at]
}

fn source(front: &[(String, String)], max_line: usize, text: &[u8]) -> (Vec<Family>, SourceStats) {
    let mut stats = SourceStats {
        bytes: text.len() as u64,
        ..SourceStats::default()
    };
    let mut families: Vec<Family> = Vec::new();
    let mut seen: BTreeSet<(String, BTreeSet<(String, String)>)> = BTreeSet::new();
    let mut unfinished: Vec<u8> = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let continues = !unfinished.is_empty();
        let mut parsed = false;
        let first = content
            .iter()
            .find(|byte| **byte != b' ' && **byte != b'\t');
        if content.len() > max_line {
            stats.over_long += 1;
        } else if continues {
            stats.unparsed += 1;
        } else if first.is_none() {
        } else if first == Some(&b'#') {
            comment(&mut families, content, &mut stats);
        } else if let Some(sample) = sample(content) {
            parsed = true;
            take(&mut families, &mut seen, front, sample, &mut stats);
        } else {
            stats.unparsed += 1;
        }
        if !parsed {
            unfinished.extend_from_slice(content);
            if ends_in_value(&unfinished) {
                unfinished.push(b'\n');
            } else {
                unfinished.clear();
            }
        }
    }
    families.retain(|family| !family.samples.is_empty());
    (families, stats)
}

fn take(
    families: &mut Vec<Family>,
    seen: &mut BTreeSet<(String, BTreeSet<(String, String)>)>,
    front: &[(String, String)],
    sample: Sample,
    stats: &mut SourceStats,
) {
    if sample
        .labels
        .iter()
        .any(|(name, _)| front.iter().any(|(ours, _)| ours == name))
    {
        stats.labelled += 1;
        return;
    }
    let kind = families
        .iter()
        .find(|family| family.name == sample.name)
        .and_then(|family| family.kind.clone());
    let (family, needs) = match (kind.as_deref(), owner(families, &sample.name)) {
        (Some("histogram"), _) => {
            stats.misplaced += 1;
            return;
        }
        (Some("summary"), _) => (sample.name.clone(), Some("quantile")),
        (None, Some((stem, bucket))) => (stem, bucket.then_some("le")),
        _ => (sample.name.clone(), None),
    };
    let family = named(families, &family);
    let number_of = |wanted: &str| {
        sample
            .labels
            .iter()
            .any(|(name, value)| name == wanted && number(value.as_bytes(), true))
    };
    if needs.is_some_and(|needs| !number_of(needs)) {
        stats.misplaced += 1;
        return;
    }
    let labels = sample
        .labels
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .cloned()
        .collect();
    if seen.insert((sample.name.clone(), labels)) {
        stats.samples += 1;
        family.samples.push((0, sample));
    } else {
        stats.duplicates += 1;
    }
}

fn comment(families: &mut Vec<Family>, line: &[u8], stats: &mut SourceStats) {
    let Some((what, name)) = metadata(line) else {
        return;
    };
    let start = name.as_ptr().addr() - line.as_ptr().addr() + name.len();
    let rest = String::from_utf8(line[start..].to_vec());
    let family = named(families, &String::from_utf8_lossy(name));
    match (what.as_str(), rest) {
        ("HELP", rest) if family.help.is_none() => {
            let rest = rest.map(|rest| rest.trim_start_matches([' ', '\t']).to_owned());
            if let Ok("") = rest.as_deref() {
                return;
            }
            let fine = |rest: &String| !rest.replace("\\\\", "").replace("\\n", "").contains('\\');
            match rest.ok().filter(fine) {
                Some(rest) => family.help = Some(rest),
                None => stats.unparsed += 1,
            }
        }
        ("TYPE", rest) => {
            let known = ["counter", "gauge", "histogram", "summary", "untyped"];
            match rest.ok().filter(|rest| known.contains(&rest.trim_ascii())) {
                None => stats.unparsed += 1,
                Some(kind) => {
                    let kind = kind.trim_ascii().to_owned();
                    match &family.kind {
                        None if composed(&kind) && !family.samples.is_empty() => {
                            stats.conflicts += 1;
                        }
                        None => family.kind = Some(kind),
                        Some(other) => stats.conflicts += u64::from(*other != kind),
                    }
                }
            }
        }
        _ => {}
    }
}

/// The line, if it is a sample that the strictest reader takes.
fn sample(line: &[u8]) -> Option<Sample> {
    std::str::from_utf8(line).ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut input = Input { line, at: 0 };
    input.blanks();
    let name = text(input.name(true)?);
    let blank = input.blanks();
    let mut labels = Vec::new();
    if input.take(b'{').is_some() {
        for (name, _, value) in input.labels()?.ok()? {
            let (name, value) = (text(name), text(value));
            let fine = value
                .replace("\\\\", "")
                .replace("\\n", "")
                .replace("\\\"", "");
            if fine.contains('\\')
                || name == "__name__"
                || labels.iter().any(|(other, _)| *other == name)
            {
                return None;
            }
            labels.push((name, value));
        }
        input.blanks();
    } else if !blank {
        return None;
    }
    let value = input.word();
    input.blanks();
    let written = text(input.word());
    input.blanks();
    if !number(value, true) || input.peek().is_some() || written.starts_with('+') {
        return None;
    }
    let timestamp = if written.is_empty() {
        None
    } else {
        Some(written.parse().ok()?)
    };
    Some(Sample {
        name,
        labels,
        value: text(value),
        timestamp,
        written,
    })
}
