//! The merge, written to be obviously right: whole texts, read anew for each question, kept as trees.

use std::collections::BTreeSet;

use super::kong::known_type;
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
    samples: Vec<Sample>,
}

/// A family of all sources: of each that has it, which it is, and what it says.
#[derive(Clone, Debug, Default)]
struct Merged {
    name: String,
    said: Vec<(usize, Family)>,
    kind: Option<String>,
    help: Option<String>,
    out: bool,
}

impl Merged {
    fn takes(&self, family: &Family) -> bool {
        let fits = match (&self.kind, &family.kind) {
            (kind, Some(_)) => *kind == family.kind,
            (Some(kind), None) if kind == "counter" => !family.samples.iter().any(uncountable),
            (Some(kind), None) => !composed(kind),
            (None, None) => true,
        };
        fits && !self.out
    }
}

/// Merges what the sources sent, each a group of its own. Also returns what was read of each.
#[must_use]
pub fn merge(
    format: Format,
    max_line: usize,
    sent: &[Sent],
) -> (Vec<u8>, Vec<SourceStats>, MergeStats) {
    let groups: Vec<_> = (0..sent.len()).collect();
    merge_groups(format, max_line, sent, &groups)
}

/// Merges what the sources sent, each of the group of this number.
#[must_use]
pub fn merge_groups(
    format: Format,
    max_line: usize,
    sent: &[Sent],
    groups: &[usize],
) -> (Vec<u8>, Vec<SourceStats>, MergeStats) {
    let mut stats = MergeStats::default();
    let mut each = Vec::new();
    let mut merged: Vec<Merged> = Vec::new();
    for (number, (front, text)) in sent.iter().enumerate() {
        let (families, read) = source(front, max_line, text);
        each.push(read);
        if sent[..number].iter().any(|(other, _)| other == front) {
            stats.refused += 1;
            continue;
        }
        stats.sources += 1;
        for family in families {
            stats.samples += family.samples.len() as u64;
            let name = family.name.clone();
            match merged.iter_mut().find(|other| other.name == name) {
                Some(into) => into.said.push((number, family)),
                None => merged.push(Merged {
                    name,
                    said: vec![(number, family)],
                    ..Merged::default()
                }),
            }
        }
    }
    for family in &mut merged {
        family.kind = agreed(family, groups);
    }
    // What is part of a name's meaning is shorter than the name.
    let mut names: Vec<_> = merged.iter().map(|family| family.name.clone()).collect();
    names.sort_by_key(String::len);
    for name in names {
        let loses = loses(&merged, &name, groups);
        merged
            .iter_mut()
            .filter(|other| other.name == name)
            .for_each(|other| other.out = loses);
    }
    for family in &mut merged {
        let judged = family.clone();
        family.said.retain(|(_, said)| {
            let takes = judged.takes(said);
            if !takes {
                let samples = said.samples.len() as u64;
                stats.samples -= samples;
                stats.conflicting_samples += samples;
                stats.conflicts += 1;
            }
            takes
        });
        family.help = family.said.iter().find_map(|(_, said)| said.help.clone());
    }
    merged.retain(|family| !family.said.is_empty());
    let mut out = String::new();
    let mut taken: BTreeSet<String> = merged.iter().flat_map(own_names).collect();
    for family in &merged {
        for (name, kind, only) in called(format, family, &mut taken) {
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
            for (source, said) in &family.said {
                for sample in ordered(family, said) {
                    if only.as_ref().is_none_or(|only| *only == sample.name) {
                        out += &written(format, &sent[*source].0, &sample);
                    }
                }
            }
        }
    }
    if format == Format::OpenMetrics {
        out += "# EOF\n";
    }
    (out.into_bytes(), each, stats)
}

/// The type of a family: what all say, else what Kong gives it, else by vote.
fn agreed(family: &Merged, groups: &[usize]) -> Option<String> {
    let kinds: BTreeSet<_> = family
        .said
        .iter()
        .map(|(_, said)| said.kind.clone())
        .collect();
    if kinds.len() == 1 {
        return kinds.into_iter().next()?;
    }
    let any_composed = kinds.iter().flatten().any(|kind| composed(kind));
    let votes: Vec<(usize, String)> = family
        .said
        .iter()
        .filter_map(|(source, said)| {
            let untyped = any_composed.then(|| "untyped".to_owned());
            Some((groups[*source], said.kind.clone().or(untyped)?))
        })
        .collect();
    let known = known_type(family.name.as_bytes()).map(|kind| kind.text().to_owned());
    if let Some(known) = known.filter(|known| votes.iter().any(|(_, kind)| kind == known)) {
        return Some(known);
    }
    let favourite = |group: usize| {
        let of = |kind: &str| {
            votes
                .iter()
                .filter(|vote| vote.0 == group && vote.1 == kind)
                .count()
        };
        let most = votes.iter().map(|(_, kind)| of(kind)).max()?;
        let kinds: BTreeSet<_> = votes
            .iter()
            .map(|vote| &vote.1)
            .filter(|kind| of(kind) == most)
            .collect();
        (kinds.len() == 1).then(|| kinds.into_iter().next().cloned())?
    };
    let voters: BTreeSet<_> = votes.iter().map(|vote| vote.0).collect();
    let favourites: Vec<_> = voters.into_iter().filter_map(favourite).collect();
    let of = |kind: &String| favourites.iter().filter(|other| *other == kind).count();
    let most = votes.iter().map(|(_, kind)| of(kind)).max();
    votes
        .iter()
        .map(|vote| &vote.1)
        .find(|kind| Some(of(kind)) == most)
        .cloned()
}

/// Whether all samples of this family would be taken for another's, or another's for samples of this one.
fn loses(all: &[Merged], name: &str, groups: &[usize]) -> bool {
    let of = |name: &str| all.iter().find(|family| family.name == name && !family.out);
    let is_part = |stem: Option<&str>, kinds: &[&str]| {
        let kind = stem.and_then(of).and_then(|family| family.kind.as_deref());
        kind.is_some_and(|kind| kinds.contains(&kind))
    };
    if is_part(name.strip_suffix("_bucket"), &["histogram"])
        || is_part(name.strip_suffix("_sum"), &["histogram", "summary"])
        || is_part(name.strip_suffix("_count"), &["histogram", "summary"])
    {
        return true;
    }
    let Some(family) = of(name) else { return true };
    let suffixes: &[&str] = match family.kind.as_deref() {
        Some("histogram") => &["_bucket", "_sum", "_count"],
        Some("summary") => &["_sum", "_count"],
        _ => return false,
    };
    let support = |family: &Merged| {
        let said = family.said.iter().filter(|(_, said)| family.takes(said));
        said.map(|(source, _)| groups[*source])
            .collect::<BTreeSet<_>>()
            .len()
    };
    suffixes.iter().any(|suffix| {
        let rival_name = format!("{name}{suffix}");
        let Some(rival) = of(&rival_name) else {
            return false;
        };
        match (
            known_type(rival_name.as_bytes()),
            known_type(name.as_bytes()),
        ) {
            (Some(_), _) => true,
            (None, Some(_)) => false,
            (None, None) => support(rival) > support(family),
        }
    })
}

/// The names that a family's samples have, whatever it is called.
fn own_names(family: &Merged) -> Vec<String> {
    let name = &family.name;
    match family.kind.as_deref() {
        Some("histogram") => vec![
            name.clone(),
            format!("{name}_bucket"),
            format!("{name}_sum"),
            format!("{name}_count"),
        ],
        Some("summary") => vec![name.clone(), format!("{name}_sum"), format!("{name}_count")],
        _ => vec![name.clone()],
    }
}

/// The family's names and types in the output, each with the samples that stand there, if that is not all.
fn called(
    format: Format,
    family: &Merged,
    taken: &mut BTreeSet<String>,
) -> Vec<(String, Option<String>, Option<String>)> {
    let as_is = vec![(family.name.clone(), family.kind.clone(), None)];
    let unknown = |name: &str| vec![(name.to_owned(), Some("unknown".to_owned()), None)];
    let mut free = |names: Vec<String>| {
        let free = names.iter().all(|name| !taken.contains(name));
        if free {
            taken.extend(names);
        }
        free
    };
    match family.kind.as_deref() {
        _ if format == Format::Text => as_is,
        Some("counter") => match family.name.strip_suffix("_total") {
            Some(stem)
                if !stem.is_empty() && free(vec![stem.into(), format!("{stem}_created")]) =>
            {
                vec![(stem.into(), family.kind.clone(), None)]
            }
            _ => unknown(&family.name),
        },
        Some("untyped") => unknown(&family.name),
        Some(kind) if composed(kind) => {
            if family.said.iter().all(|(_, said)| whole(kind, said))
                && free(vec![format!("{}_created", family.name)])
            {
                return as_is;
            }
            let parts: &[&str] = if kind == "histogram" {
                &["_bucket", "_sum", "_count"]
            } else {
                &["", "_sum", "_count"]
            };
            let names = parts.iter().map(|part| format!("{}{part}", family.name));
            let there = |name: &String| {
                family
                    .said
                    .iter()
                    .any(|(_, said)| said.samples.iter().any(|sample| sample.name == *name))
            };
            names
                .filter(there)
                .map(|name| (name.clone(), Some("unknown".to_owned()), Some(name)))
                .collect()
        }
        _ => as_is,
    }
}

/// The labels of the series that a sample of a composed family is of, in which their order does not count.
fn series(kind: &str, sample: &Sample) -> BTreeSet<(String, String)> {
    let bound = if kind == "histogram" {
        "le"
    } else {
        "quantile"
    };
    let labels = sample
        .labels
        .iter()
        .filter(|(name, value)| !value.is_empty() && (name != bound || !is_bound(kind, sample)));
    labels.cloned().collect()
}

/// Whether a sample of a composed family has a bound.
fn is_bound(kind: &str, sample: &Sample) -> bool {
    if kind == "histogram" {
        sample.name.ends_with("_bucket")
    } else {
        !sample.name.ends_with("_sum") && !sample.name.ends_with("_count")
    }
}

/// A source's samples in the order in which they are written: those of a series together.
fn ordered(family: &Merged, said: &Family) -> Vec<Sample> {
    let Some(kind) = family.kind.as_deref().filter(|kind| composed(kind)) else {
        return said.samples.clone();
    };
    let mut out = Vec::new();
    for (_, samples) in all_series(kind, &said.samples) {
        let first = samples[0];
        let bound = if kind == "histogram" {
            "le"
        } else {
            "quantile"
        };
        let mut labels = first.labels.clone();
        if is_bound(kind, first) {
            labels.retain(|(name, _)| name != bound);
        }
        for sample in samples {
            let mut sample = sample.clone();
            let own = sample
                .labels
                .iter()
                .find(|(name, _)| name == bound)
                .cloned();
            let own = own.filter(|_| is_bound(kind, &sample));
            sample.labels = labels.iter().cloned().chain(own).collect();
            out.push(sample);
        }
    }
    out
}

type Series<'s> = (BTreeSet<(String, String)>, Vec<&'s Sample>);

fn all_series<'s>(kind: &str, samples: &'s [Sample]) -> Vec<Series<'s>> {
    let mut all: Vec<Series<'_>> = Vec::new();
    for sample in samples {
        let labels = series(kind, sample);
        match all.iter_mut().find(|(other, _)| *other == labels) {
            Some((_, samples)) => samples.push(sample),
            None => all.push((labels, vec![sample])),
        }
    }
    all
}

/// Whether each of the source's series in the family is one that OpenMetrics allows.
fn whole(kind: &str, said: &Family) -> bool {
    all_series(kind, &said.samples)
        .into_iter()
        .all(|(_, samples)| {
            let float = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
            let (bounds, others): (Vec<&Sample>, Vec<_>) = samples
                .into_iter()
                .partition(|sample| is_bound(kind, sample));
            let of = |suffix: &str| {
                let one = others.iter().find(|sample| sample.name.ends_with(suffix));
                one.map(|sample| float(&sample.value))
            };
            let integer = |value: f64| {
                (0.0..=9_007_199_254_740_992.0).contains(&value) && value.fract() == 0.0
            };
            let label = if kind == "histogram" {
                "le"
            } else {
                "quantile"
            };
            let pairs: Vec<_> = bounds
                .iter()
                .map(|sample| {
                    let bound = sample.labels.iter().find(|(name, _)| name == label);
                    let bound = bound.map_or("", |(_, bound)| bound);
                    (bound, float(bound), float(&sample.value))
                })
                .collect();
            let timed = bounds
                .iter()
                .chain(&others)
                .any(|sample| sample.timestamp.is_some());
            let (count, sum) = (of("_count"), of("_sum"));
            let rising = pairs.windows(2).all(|pair| pair[0].1 < pair[1].1);
            let ends = match (kind, pairs.last()) {
                ("histogram", Some((text, _, value))) => *text == "+Inf" && count == Some(*value),
                ("histogram", None) => false,
                _ => true,
            };
            let each = pairs.iter().all(|(_, bound, value)| {
                if kind == "histogram" {
                    *bound >= 0.0 && integer(*value)
                } else {
                    (0.0..=1.0).contains(bound) && (value.is_nan() || *value >= 0.0)
                }
            });
            let grows = kind != "histogram" || pairs.windows(2).all(|pair| pair[0].2 <= pair[1].2);
            !timed
                && rising
                && each
                && grows
                && ends
                && count.is_some() == sum.is_some()
                && count.is_none_or(integer)
                && sum.is_none_or(|sum| sum >= 0.0)
        })
}

/// Whether no counter can have the sample's value.
fn uncountable(sample: &Sample) -> bool {
    let value: f64 = sample.value.parse().unwrap_or(f64::NAN);
    value.is_nan() || value < 0.0
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
                    let kind = kind.trim_ascii().to_owned();
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
        || written.starts_with('+')
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
