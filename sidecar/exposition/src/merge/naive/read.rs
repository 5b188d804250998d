//! Reads what one source sends.

use std::collections::BTreeSet;

use super::family::{Family, Sample, composed, uncountable};
use crate::merge::stats::SourceStats;
use crate::naive::{Input, ends_in_value, metadata, number};

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

pub(super) fn source(
    front: &[(String, String)],
    max_line: usize,
    text: &[u8],
) -> (Vec<Family>, SourceStats) {
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
    let has_number = |wanted: &str| {
        let is = |(name, value): &(String, String)| {
            name == wanted
                && number(value.as_bytes(), true)
                && fits(value)
                && !value.to_lowercase().contains("nan")
        };
        sample.labels.iter().any(is)
    };
    let own = families
        .iter_mut()
        .find(|family| family.name == sample.name);
    if let Some(own) = own
        && own.kind.as_deref() == Some("histogram")
        && own.samples.is_empty()
        && has_number("le")
    {
        own.kind = Some("untyped".to_owned());
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
    let kind = family.kind.clone().unwrap_or_default();
    let counts = match kind.as_str() {
        "counter" => true,
        "histogram" => !sample.name.ends_with("_sum"),
        "summary" => sample.name.ends_with("_count") && needs.is_none(),
        _ => false,
    };
    if needs.is_some_and(|needs| !has_number(needs)) || (counts && uncountable(&sample)) {
        stats.misplaced += 1;
        return;
    }
    let labels = sample
        .labels
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| {
            // Two ways to write a bound are one bound.
            let bound: Option<f64> = (needs == Some(name)).then(|| value.parse().ok()).flatten();
            (
                name.clone(),
                bound.map_or_else(|| value.clone(), |bound| (bound + 0.0).to_string()),
            )
        })
        .collect();
    // A family that is called as a part of this one has samples of its own; only one of the two is written.
    let of = format!("{} of {}", sample.name, family.name);
    if seen.insert((of, labels)) {
        stats.samples += 1;
        family.samples.push(sample);
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
                    let mut kind = kind.trim_ascii().to_owned();
                    if kind == "counter" && name == b"_total" {
                        kind = "untyped".to_owned();
                    }
                    match &family.kind {
                        None if (composed(&kind) && !family.samples.is_empty())
                            || (kind == "counter" && family.samples.iter().any(uncountable)) =>
                        {
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
    if !number(value, true)
        || !fits(&text(value))
        || input.peek().is_some()
        || written.starts_with(['+', '-'])
    {
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

/// Whether a number is one that Prometheus can hold, and of a length that a writer has a use for.
fn fits(number: &str) -> bool {
    let exponent = number
        .to_lowercase()
        .split_once('e')
        .map_or(0, |(_, exponent)| exponent.len());
    let infinite = number.to_lowercase().contains("inf");
    number.len() <= 1100
        && exponent <= 5
        && (infinite
            || number
                .parse::<f64>()
                .is_ok_and(|value| !value.is_infinite()))
}
