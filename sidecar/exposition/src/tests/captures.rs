//! Every capture of a real Kong.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::{KEEPS, agrees, built, cut, rewrite, same};
use crate::naive::{self, NaiveTable};
use crate::{LabelTable, Options};

/// Name and text of each capture, unzipped, those of raw HTTP with headers and chunk sizes as they are.
pub(crate) fn captures() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/kong-metrics");
    let mut captures = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut text = std::fs::read(&path).unwrap();
        if name.ends_with(".gz") {
            let zipped = std::mem::take(&mut text);
            flate2::read::GzDecoder::new(zipped.as_slice())
                .read_to_end(&mut text)
                .unwrap();
        }
        if name.contains(".txt") || name.contains(".http") {
            captures.push((name, text));
        }
    }
    assert!(captures.len() >= 20, "{} captures", captures.len());
    captures.sort();
    captures
}

/// A table with the values of `label` that a text names, each with a Service of its own.
fn values(text: &[u8], label: &str) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(text);
    text.match_indices(&format!("{{{label}=\""))
        .filter_map(|(at, found)| text[at + found.len()..].split_once('"'))
        .map(|(value, _)| value.to_owned())
        .collect()
}

/// A table with every `nth` service and upstream that a text names.
pub(super) fn table(text: &[u8], nth: usize) -> NaiveTable {
    let service =
        |(i, kong): (usize, String)| (kong, (format!("team-{}", i % 7), format!("svc-{i}")));
    NaiveTable {
        services: values(text, "service")
            .into_iter()
            .enumerate()
            .step_by(nth)
            .map(service)
            .collect(),
        upstreams: values(text, "upstream")
            .into_iter()
            .enumerate()
            .step_by(nth)
            .map(service)
            .collect(),
        ..NaiveTable::default()
    }
}

#[test]
fn fast_is_naive_for_every_capture() {
    for (name, text) in captures() {
        let table = table(&text, if name.starts_with("medium") { 3 } else { 1 });
        for keep in KEEPS {
            let options = Options {
                keep,
                ..Options::default()
            };
            let expected = naive::rewrite(options, &table, &text);
            same(
                &rewrite(options, &built(&table), text.chunks(64 * 1024)),
                &expected,
            );
            let stats = expected.1;
            let names_services = !table.services.is_empty();
            assert_eq!(stats.enriched > 0, names_services, "{name}: {stats:?}");
            assert_eq!(stats.already_labelled, 0, "{name}");
            let broken =
                name.contains("newline") || name.contains(".http") || name.contains("headers");
            assert_eq!(stats.unparsed > 0, broken, "{name}: {stats:?}");
        }
    }
}

#[test]
fn without_a_table_every_capture_passes() {
    for (name, text) in captures() {
        let (out, stats) = rewrite(
            Options::default(),
            &LabelTable::default(),
            text.chunks(64 * 1024),
        );
        assert!(out == text, "{name}");
        assert_eq!(
            (stats.bytes_in, stats.bytes_out),
            (text.len() as u64, text.len() as u64)
        );
    }
}

#[test]
fn the_cut_makes_no_difference_for_captures() {
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    for (name, text) in captures() {
        if name.starts_with("large") {
            continue;
        }
        let table = table(&text, 2);
        for (keep, max) in KEEPS.into_iter().zip([300, 4096]) {
            let lengths: Vec<usize> = (0..997).map(|_| (rng.next_u32() % max) as usize).collect();
            agrees(
                Options {
                    keep,
                    ..Options::default()
                },
                &table,
                &text,
                &lengths,
            );
        }
    }
}

#[test]
fn single_bytes_and_every_split_make_no_difference() {
    for (name, text) in captures() {
        if !name.starts_with("edge") && !name.starts_with("small.") {
            continue;
        }
        let table = table(&text, 1);
        for keep in KEEPS {
            agrees(
                Options {
                    keep,
                    max_line: 200,
                },
                &table,
                &text,
                &[1],
            );
        }
        // Each split of one stretch that holds all kinds of lines.
        let stretch = &text[..3000];
        let expected = naive::rewrite(Options::default(), &table, stretch);
        let table = built(&table);
        for split in 0..stretch.len() {
            same(
                &rewrite(
                    Options::default(),
                    &table,
                    [&stretch[..split], &stretch[split..]],
                ),
                &expected,
            );
        }
        assert_eq!(cut(stretch, &[1]).count(), stretch.len());
    }
}
