//! Series by their full key, as in Kong's shared dictionary `prometheus_metrics`.
//!
//! The key is `name{labels}` without `kong_`, and the map's order of keys is the exposition's. A histogram's bounds are
//! padded with zeros, so that they sort by size (`kong/plugins/prometheus/prometheus.lua`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::family::Family;

#[derive(Debug, Default)]
pub(super) struct Store {
    series: BTreeMap<String, (&'static Family, u64)>,
}

/// Label names and values, in the order in which they are printed.
pub(super) type Labels<'a> = [(&'a str, &'a str)];

impl Store {
    pub(super) fn add(&mut self, family: &'static Family, labels: &Labels<'_>, value: u64) {
        let key = key(family.name, &join(labels));
        self.slot(key, family).1 += value;
    }

    pub(super) fn set(&mut self, family: &'static Family, labels: &Labels<'_>, value: u64) {
        let key = key(family.name, &join(labels));
        self.slot(key, family).1 = value;
    }

    /// Counts a value in the buckets that hold it, and in no other: none is filled with zero.
    pub(super) fn observe(&mut self, family: &'static Family, labels: &Labels<'_>, value: u64) {
        let (name, labels) = (family.name, join(labels));
        let width = family
            .bounds
            .last()
            .map_or(0, |most| most.to_string().len());
        for bound in family
            .bounds
            .iter()
            .filter(|bound| value <= u64::from(**bound))
        {
            let key = format!("{name}_bucket{{{labels},le=\"{bound:0width$}.0\"}}");
            self.slot(key, family).1 += 1;
        }
        self.slot(format!("{name}_bucket{{{labels},le=\"Inf\"}}"), family)
            .1 += 1;
        self.slot(format!("{name}_count{{{labels}}}"), family).1 += 1;
        self.slot(format!("{name}_sum{{{labels}}}"), family).1 += value;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.series.extend(
            other
                .series
                .iter()
                .map(|(key, value)| (key.clone(), *value)),
        );
    }

    /// Key, family and value, sorted by key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'static Family, u64)> {
        self.series
            .iter()
            .map(|(key, (family, value))| (key.as_str(), *family, *value))
    }

    fn slot(&mut self, key: String, family: &'static Family) -> &mut (&'static Family, u64) {
        self.series.entry(key).or_insert((family, 0))
    }
}

fn key(name: &str, labels: &str) -> String {
    if labels.is_empty() {
        name.to_owned()
    } else {
        format!("{name}{{{labels}}}")
    }
}

/// `a="1",b="2"`: `\` and `"` are escaped; a line feed is not, in Kong neither.
fn join(labels: &Labels<'_>) -> String {
    let mut joined = String::new();
    for (label, value) in labels {
        if !joined.is_empty() {
            joined.push(',');
        }
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = write!(joined, "{label}=\"{value}\"");
    }
    joined
}
