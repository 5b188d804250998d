//! The merge against the naive one, for real and for generated input.

mod contract;
mod disagreeing;
mod grouped;

use proptest::collection::vec;
use proptest::prelude::*;

use super::naive::{self, Sent};
use super::{Format, MergeSource, MergeStats, Merger, SourceStats};
use crate::tests::captures::captures;
use crate::tests::cut;
use crate::tests::generated::lines;

const FORMATS: [Format; 2] = [Format::Text, Format::OpenMetrics];

fn merge(
    format: Format,
    max_line: usize,
    sent: &[Sent],
    lengths: &[usize],
) -> (Vec<u8>, Vec<SourceStats>, MergeStats) {
    merge_groups(format, max_line, sent, None, lengths)
}

/// Merges, each source in the group of its number.
fn merge_groups(
    format: Format,
    max_line: usize,
    sent: &[Sent],
    groups: Option<&[usize]>,
    lengths: &[usize],
) -> (Vec<u8>, Vec<SourceStats>, MergeStats) {
    let mut merger = Merger::default();
    let mut each = Vec::new();
    for (number, (labels, text)) in sent.iter().enumerate() {
        let labels: Vec<_> = labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let mut source = MergeSource::new(&labels, max_line);
        if let Some(groups) = groups {
            source = source.of_group(&groups[number].to_string());
        }
        cut(text, lengths).for_each(|chunk| source.push(chunk));
        source.finish();
        each.push(source.stats());
        merger.add(source);
    }
    let mut merged = merger.finish(format);
    let mut out = Vec::new();
    while merged.next(&mut out) {}
    (out, each, merged.stats())
}

#[track_caller]
fn agrees(format: Format, max_line: usize, sent: &[Sent], lengths: &[usize]) {
    let expected = naive::merge(format, max_line, sent);
    same(&merge(format, max_line, sent, lengths), &expected, sent);
}

#[track_caller]
fn same(
    actual: &(Vec<u8>, Vec<SourceStats>, MergeStats),
    expected: &(Vec<u8>, Vec<SourceStats>, MergeStats),
    sent: &[Sent],
) {
    if actual.0 != expected.0 {
        let (actual, expected) = (
            String::from_utf8_lossy(&actual.0),
            String::from_utf8_lossy(&expected.0),
        );
        let first = actual
            .lines()
            .zip(expected.lines())
            .take_while(|(a, b)| a == b)
            .count();
        let sent: Vec<_> = sent
            .iter()
            .map(|(labels, text)| (labels, String::from_utf8_lossy(text)))
            .collect();
        panic!(
            "line {first}: {:?}, expected {:?}, of {sent:?}",
            actual.lines().nth(first),
            expected.lines().nth(first)
        );
    }
    assert_eq!(actual.1, expected.1);
    assert_eq!(actual.2, expected.2);
}

pub(super) fn from(pod: &str, text: &[u8]) -> Sent {
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    (
        vec![label("dataplane", "kong"), label("dataplane_pod", pod)],
        text.to_vec(),
    )
}

#[test]
fn fast_is_naive_for_captures() {
    let captures: Vec<_> = captures()
        .into_iter()
        .filter(|(name, _)| !name.contains("large") && !name.contains(".http"))
        .collect();
    let sent: Vec<_> = captures
        .iter()
        .map(|(name, text)| from(name, text))
        .collect();
    for format in FORMATS {
        agrees(format, 64 * 1024, &sent, &[64 * 1024]);
    }
    let small: Vec<_> = sent
        .into_iter()
        .filter(|(_, text)| text.len() < 200_000)
        .collect();
    assert!(small.len() >= 8, "{}", small.len());
    agrees(Format::Text, 64 * 1024, &small, &[1]);
    agrees(Format::Text, 200, &small, &[7, 300, 1, 0]);
}

#[test]
fn every_sample_of_a_whole_capture_comes_out() {
    for (name, text) in captures() {
        if name.starts_with("medium.txt") {
            let (out, each, stats) = merge(
                Format::Text,
                64 * 1024,
                &[from("a", &text), from("b", &text)],
                &[4096],
            );
            assert_eq!(each[0].samples, 41_843);
            assert_eq!((stats.samples, stats.conflicts), (2 * each[0].samples, 0));
            let out = String::from_utf8_lossy(&out);
            let samples = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
            assert_eq!(samples(&out), 2 * samples(&String::from_utf8_lossy(&text)));
        }
    }
}

/// Also where it is the last value that is long, and differs at its end.
#[test]
fn only_what_is_new_in_a_line_is_held() {
    let route = "r".repeat(250);
    let mut text = "# TYPE k counter\n".to_owned();
    for number in 0..1_000 {
        text += &format!("k{{kubernetes_name=\"echo\",route=\"{route}-{number}\"}} 1\n");
    }
    let mut source = MergeSource::new(&[], 64 * 1024);
    source.push(text.as_bytes());
    source.finish();
    assert_eq!(source.stats().samples, 1_000);
    assert!(source.held() <= 1_000 * 12, "{} bytes", source.held());
    agrees(
        Format::Text,
        64 * 1024,
        &[from("a", text.as_bytes())],
        &[4096],
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fast_is_naive(
        texts in vec(lines(), 1..4),
        labels in vec(
            vec((proptest::sample::select(&["dataplane", "pod", "consumer"][..]), "[a-b\"\\\\\n]{0,2}"), 0..3), 4,
        ),
        format in proptest::sample::select(&FORMATS[..]),
        max_line in prop_oneof![4 => Just(64 * 1024), 1 => 0..120_usize],
        lengths in vec(1..40_usize, 1..6),
    ) {
        let sent: Vec<Sent> = texts
            .into_iter()
            .zip(labels)
            .map(|(text, labels)| {
                let mut labels: Vec<_> = labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                labels.sort();
                labels.dedup_by(|a, b| a.0 == b.0);
                (labels, text)
            })
            .collect();
        agrees(format, max_line, &sent, &lengths);
    }
}
