//! An independent judge: what another parser reads before and after.

use std::collections::BTreeMap;

use prometheus_parse::{Sample, Scrape};

use super::captures::{captures, table};
use super::{built, rewrite};
use crate::Options;
use crate::naive::NaiveTable;

/// How many samples there are of each: metric, labels, value.
type Samples = BTreeMap<(String, BTreeMap<String, String>, String), usize>;

/// Reads sample by sample, that is without the types: with them the judge puts a histogram's lines together by labels that it
/// does not unescape, and two may become one.
fn read(text: &[u8]) -> Vec<Sample> {
    let text = String::from_utf8_lossy(text);
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    Scrape::parse(samples.map(|line| Ok(line.to_owned())))
        .unwrap()
        .samples
}

fn counted(samples: &[Sample], labels: impl Fn(&Sample) -> BTreeMap<String, String>) -> Samples {
    let mut counted = Samples::new();
    for sample in samples {
        *counted
            .entry((
                sample.metric.clone(),
                labels(sample),
                format!("{:?}", sample.value),
            ))
            .or_default() += 1;
    }
    counted
}

fn own(sample: &Sample) -> BTreeMap<String, String> {
    sample
        .labels
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The labels that the contract gives to a sample.
fn promised(sample: &Sample, table: &NaiveTable) -> BTreeMap<String, String> {
    let mut labels = own(sample);
    let service = if sample.metric == "kong_upstream_target_health" {
        labels
            .get("upstream")
            .and_then(|kong| table.upstreams.get(kong))
    } else {
        labels
            .get("service")
            .and_then(|kong| table.services.get(kong))
    };
    let Some((namespace, name)) = service else {
        return labels;
    };
    if let Some(kong) = labels.remove("service") {
        labels.insert("kong_service".into(), kong);
    }
    for (label, value) in [
        ("namespace", namespace.as_str()),
        ("service", name),
        ("kubernetes_apiversion", "v1"),
        ("kubernetes_kind", "service"),
        ("kubernetes_name", name),
        ("kubernetes_namespace", namespace),
    ] {
        assert_eq!(labels.insert(label.into(), value.into()), None);
    }
    labels
}

#[test]
fn another_parser_finds_the_promised_labels_and_no_other_change() {
    for (name, text) in captures() {
        // The judge needs a minute for the large one, and reads lines, so that a line feed in a value is beyond it.
        if name.starts_with("large") || name.contains("newline") || name.contains(".http") {
            continue;
        }
        let table = table(&text, 2);
        let (out, stats) = rewrite(Options::default(), &built(&table), [text.as_slice()]);
        let (before, after) = (read(&text), read(&out));
        let expected = counted(&before, |sample| promised(sample, &table));
        assert!(counted(&after, own) == expected, "{name}");
        let enriched = after
            .iter()
            .filter(|sample| sample.labels.contains_key("kubernetes_name"))
            .count();
        if !name.starts_with("edge") {
            assert_eq!(enriched as u64, stats.enriched, "{name}");
        }
    }
}
