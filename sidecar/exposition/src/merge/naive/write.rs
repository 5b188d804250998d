//! Writes families.

use std::collections::BTreeSet;

use super::family::{Family, Merged, Sample, composed};
use crate::merge::format::Format;
use crate::naive::escape;

/// The names that a family's samples have, whatever it is called.
pub(super) fn own_names(family: &Merged) -> Vec<String> {
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
pub(super) fn called(
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
pub(super) fn ordered(family: &Merged, said: &Family) -> Vec<Sample> {
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

pub(super) fn written(format: Format, front: &[(String, String)], sample: &Sample) -> String {
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
            let digits = format!("{:0>4}", sample.written);
            let (seconds, millis) = digits.split_at(digits.len() - 3);
            format!(" {seconds}.{millis}")
        }
    };
    format!(
        "{}{{{}}} {}{timestamp}\n",
        sample.name,
        labels.join(","),
        sample.value
    )
}
