//! The merge, written to be obviously right: whole texts, read anew for each question, kept as trees.

mod family;
mod read;
mod write;

use std::collections::BTreeSet;

use super::format::Format;
use super::kong::known_type;
use super::stats::{MergeStats, SourceStats};
use family::{Merged, composed};
use read::source;
use write::{called, ordered, own_names, written};

/// What one source sent: the labels that go in front, not escaped, and the text.
pub type Sent = (Vec<(String, String)>, Vec<u8>);

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
