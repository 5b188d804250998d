//! Prometheus' own parser takes the merge of whatever pods send, in both formats: it refuses a whole answer for one value,
//! name or timestamp that it does not know.
//!
//! `TAGALONG_BODIES=N` tries so many random merges (2,000 if not given), `TAGALONG_BODY=SEED` that one.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod random;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use tagalong_cluster::binaries::{self, Tool};
use tagalong_exposition::merge::{Format, MergeSource, Merger};

use self::random::Random;

const FORMATS: [(&str, Format); 2] = [("text", Format::Text), ("openmetrics", Format::OpenMetrics)];

/// What the parser makes of an exposition.
#[derive(Debug, Deserialize)]
struct Parsed {
    file: String,
    refused: String,
    samples: usize,
}

/// In the order of the files. At most some thousand of them.
fn parsed(files: &[PathBuf]) -> Vec<Parsed> {
    let program = binaries::ensure(Tool::TextParse).expect("Prometheus' parser is built or found");
    let output = Command::new(program).args(files).output();
    let output = output.expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    let read = |line| serde_json::from_str(line).expect("JSON");
    text.lines().map(read).collect()
}

fn merged(format: Format, pods: &[Vec<u8>]) -> Vec<u8> {
    let mut merger = Merger::default();
    for (number, text) in pods.iter().enumerate() {
        let pod = format!("kong-{number}");
        let mut source = MergeSource::new(&[("dataplane_pod", &pod)], 64 * 1024);
        text.chunks(1000).for_each(|chunk| source.push(chunk));
        source.finish();
        assert!(merger.add(source).is_some());
    }
    let mut merged = merger.finish(format);
    let mut out = Vec::new();
    while merged.next(&mut out) {}
    out
}

fn samples(text: &[u8]) -> usize {
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .count()
}

/// Fails for each merge that Prometheus would refuse, or of which it would miss a sample. Returns how many there are.
fn assert_taken(worlds: impl Iterator<Item = (String, Vec<Vec<u8>>)>) -> usize {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut files, mut written) = (Vec::new(), Vec::new());
    for (name, pods) in worlds {
        for (called, format) in FORMATS {
            let text = merged(format, &pods);
            let file = dir.path().join(format!("{called}.{name}"));
            std::fs::write(&file, &text).expect("written");
            written.push(samples(&text));
            files.push(file);
        }
    }
    let found = parsed(&files);
    assert_eq!(found.len(), files.len());
    for (parsed, samples) in found.iter().zip(&written) {
        assert_eq!(parsed.refused, "", "{}", parsed.file);
        assert_eq!(parsed.samples, *samples, "{}", parsed.file);
    }
    written.iter().sum()
}

fn data(folder: &str) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data")
        .join(folder);
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let name = entry.file_name().into_string().expect("a name");
        if name.ends_with(".txt") {
            all.push((name, std::fs::read(entry.path()).expect("a file")));
        }
    }
    assert!(!all.is_empty(), "no texts in {folder}");
    all
}

#[test]
fn prometheus_takes_the_merge_of_texts_that_are_hard_to_read() {
    let mut texts = data("hostile");
    texts.extend(data("expositions"));
    let honest = texts.iter().find(|(name, _)| name == "honest.txt");
    let honest = honest.expect("a pod that is well").1.clone();
    let all: Vec<Vec<u8>> = texts.iter().map(|(_, text)| text.clone()).collect();
    let pairs = texts
        .into_iter()
        .map(|(name, text)| (name, vec![text, honest.clone()]));
    let samples = assert_taken(pairs.chain([("all".to_owned(), all)]));
    assert!(samples > 300, "{samples}");
}

#[test]
fn prometheus_takes_the_merge_of_whatever_pods_send() {
    let number = |variable: &str| std::env::var(variable).ok()?.parse::<u64>().ok();
    let bodies = number("TAGALONG_BODIES").unwrap_or(2_000);
    let seeds = number("TAGALONG_BODY").map_or(0..bodies, |seed| seed..seed + 1);
    let one = seeds.end - seeds.start == 1;
    let worlds = seeds.map(|seed| (seed.to_string(), Random::new(seed).pods()));
    let samples = assert_taken(worlds);
    assert!(
        one || samples > 5_000,
        "{samples}: it makes too few that pass"
    );
}

/// What is tried here can fail.
#[test]
fn prometheus_refuses_what_a_pod_may_send() {
    let dir = tempfile::tempdir().expect("a directory");
    let bodies: [(&str, &[u8]); 5] = [
        ("text.value", b"a 1e400\n"),
        ("text.twice", b"a{b=\"1\",b=\"2\"} 1\n"),
        ("text.timestamp", b"a 1 1.5\n"),
        (
            "openmetrics.nan",
            b"# TYPE a counter\na_total 1 # {x=\"y\" 1\n# EOF\n",
        ),
        ("openmetrics.end", b"a 1\n"),
    ];
    let files = bodies.map(|(name, body)| {
        let file = dir.path().join(name);
        std::fs::write(&file, body).expect("written");
        file
    });
    for parsed in parsed(&files) {
        assert_ne!(parsed.refused, "", "{}", parsed.file);
    }
    let liars = data("hostile");
    let refused = liars.iter().find(|(name, _)| name == "value-1e400.txt");
    let file = dir.path().join("text.liar");
    std::fs::write(&file, &refused.expect("it is there").1).expect("written");
    assert_ne!(parsed(&[file])[0].refused, "");
}
