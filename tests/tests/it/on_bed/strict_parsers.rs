//! Prometheus' Python parsers, the strictest there are, take the merge of every capture, in both formats.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

use crate::root;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;
use tagalong_exposition::merge::{Format, MergeSource, Merger};
use tagalong_kong::captures;

/// What the parser makes of an exposition.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Read {
    pub refused: Option<String>,
    pub types: BTreeMap<String, String>,
    pub samples: usize,
}

/// Each text by its name: captures of Kong, and small ones that are hard to read.
fn texts() -> Vec<(String, Vec<u8>)> {
    let mut texts = Vec::new();
    for name in captures::names().expect("the captures are there") {
        // Python needs half a minute for it, and it holds nothing that the others do not.
        if !name.starts_with("large") {
            let text = captures::text(&name).expect("the capture can be read");
            texts.push((name, text.to_vec()));
        }
    }
    let dir = root().join("tests/data/expositions");
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let name = entry.file_name().into_string().expect("a name");
        if name.ends_with(".txt") {
            texts.push((name, std::fs::read(entry.path()).expect("a file")));
        }
    }
    assert!(texts.len() > 20, "{} texts", texts.len());
    texts
}

/// The merge of what these pods send, and whether each series in it is whole.
fn merged(format: Format, pods: &[&[u8]]) -> (Vec<u8>, bool) {
    let mut merger = Merger::default();
    for (number, text) in pods.iter().enumerate() {
        let pod = format!("kong-{number}");
        let mut source = MergeSource::new(&[("dataplane_pod", &pod)], 64 * 1024);
        text.chunks(16 * 1024).for_each(|chunk| source.push(chunk));
        source.finish();
        assert!(merger.add(source).is_some());
    }
    let whole = merger.is_whole();
    let mut merged = merger.finish(format);
    let mut out = Vec::new();
    while merged.next(&mut out) {}
    (out, whole)
}

/// What the parsers make of the files `FORMAT.*`.
pub fn read(files: &[PathBuf]) -> BTreeMap<String, Read> {
    let output = Command::new(root().join("tests/prometheus-client/run"))
        .args(files)
        .output()
        .expect("the parsers run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn strict_parsers_take_the_merge_of_everything() {
    let texts = texts();
    let dir = tempfile::tempdir().expect("a directory");
    let mut files = Vec::new();
    let mut expected = BTreeMap::new();
    let all: Vec<&[u8]> = texts.iter().map(|(_, text)| text.as_slice()).collect();
    let pairs = texts
        .iter()
        .map(|(name, text)| (name.as_str(), vec![text.as_slice(); 2]));
    for (name, pods) in pairs.chain([("all", all)]) {
        for (called, format) in [("text", Format::Text), ("openmetrics", Format::OpenMetrics)] {
            let (out, whole) = merged(format, &pods);
            let samples = out
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
                .count();
            let file = dir.path().join(format!("{called}.{name}"));
            std::fs::write(&file, out).expect("written");
            expected.insert(format!("{called}.{name}"), (samples, whole));
            files.push(file);
        }
    }
    let found = read(&files);
    assert_eq!(found.len(), expected.len());
    let (mut samples, mut split) = (0, 0);
    for (name, (expected, whole)) in &expected {
        let read = &found[name];
        assert_eq!(read.refused, None, "{name}");
        // A form feed or the like in a value is the end of a line for some.
        assert_eq!(read.samples, *expected, "{name}");
        samples += read.samples;
        let histogram = read.types.get("kong_upstream_latency_ms");
        let openmetrics = name.starts_with("openmetrics");
        if let Some(kind) = histogram {
            assert_eq!(kind, "histogram", "{name}");
            assert!(*whole || !openmetrics, "{name}");
        } else if !*whole && openmetrics {
            assert_eq!(
                read.types["kong_upstream_latency_ms_bucket"], "unknown",
                "{name}"
            );
            split += 1;
        }
    }
    // Kong's with a full memory, the one made of such, and all together.
    assert_eq!(split, 3);
    assert!(samples > 100_000, "{samples}");
}

/// What is tried here can fail: Kong's own order is refused.
#[test]
fn kongs_own_order_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let body = std::fs::read(root().join("tests/data/expositions/histogram-two-services.txt"));
    let mut body = body.expect("a file");
    body.extend_from_slice(b"# EOF\n");
    let file = dir.path().join("openmetrics.kong");
    std::fs::write(&file, body).expect("written");
    let read = read(&[file]);
    let refused = read["openmetrics.kong"].refused.as_deref();
    assert!(
        refused.is_some_and(|why| why.starts_with("Invalid metric grouping")),
        "{refused:?}"
    );
}
