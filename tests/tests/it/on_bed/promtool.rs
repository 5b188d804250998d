//! Prometheus' own checker accepts each enriched capture that it accepts unenriched.

#![allow(clippy::expect_used, reason = "what fails here fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tagalong_cluster::binaries::{self, Tool};
use tagalong_exposition::{LabelTable, Options, Rewriter};
use tagalong_kong::captures;

/// What `promtool check metrics` has to say against the text: `None` when it takes it. Its advice on names ("counter
/// metrics should have …") is about Kong's choice of words and comes with exit code 3.
fn complaint(promtool: &Path, text: &[u8]) -> Option<String> {
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // promtool stops reading at the first error.
            let _ = stdin.write_all(text);
        });
        let output = child.wait_with_output().expect("promtool ends");
        match output.status.code() {
            Some(0 | 3) => None,
            _ => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    })
}

/// The values of a label, as they stand in the text.
fn values<'a>(text: &'a str, label: &str) -> BTreeSet<&'a str> {
    let start = format!("{{{label}=\"");
    text.lines()
        .filter_map(|line| line.split_once(&start)?.1.split('"').next())
        .collect()
}

fn enriched(text: &[u8]) -> (Vec<u8>, u64) {
    let readable = String::from_utf8_lossy(text);
    let mut table = LabelTable::builder();
    for (number, kong) in values(&readable, "service").into_iter().enumerate() {
        table = table.service(kong, "default", &format!("service-{number}"));
    }
    for (number, kong) in values(&readable, "upstream").into_iter().enumerate() {
        table = table.upstream(kong, "default", &format!("upstream-{number}"));
    }
    let table = table.build();
    let mut rewriter = Rewriter::new(Options::default());
    let mut out = Vec::new();
    for chunk in text.chunks(16 * 1024) {
        rewriter.push(&table, chunk, &mut out);
    }
    rewriter.finish(&table, &mut out);
    (out, rewriter.stats().enriched)
}

/// promtool's time grows with the square of a family's samples: half an hour for the large capture. So a large text is
/// cut into texts with all metadata and every sample of some of the services; what is wrong in the whole, duplicates
/// included, is wrong in one of them.
fn parts(text: &[u8]) -> Vec<Vec<u8>> {
    let count = text.len().div_ceil(1 << 20);
    if count <= 1 {
        return vec![text.to_vec()];
    }
    let mut parts = vec![Vec::new(); count];
    let mut numbers = BTreeMap::new();
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b"#") {
            parts
                .iter_mut()
                .for_each(|part| part.extend_from_slice(line));
            continue;
        }
        let name = line.split(|&byte| byte == b'"').nth(1).unwrap_or_default();
        let next = numbers.len() % count;
        if let Some(part) = parts.get_mut(*numbers.entry(name).or_insert(next)) {
            part.extend_from_slice(line);
        }
    }
    parts
}

#[test]
fn promtool_takes_enriched_what_it_takes_unenriched() {
    let promtool = binaries::ensure(Tool::Promtool).expect("promtool is built or found");
    let names = captures::names().expect("the captures are there");
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for name in names {
        let text = captures::text(&name).expect("the capture can be read");
        for part in parts(&text) {
            let (out, count) = enriched(&part);
            if let Some(complaint) = complaint(&promtool, &part) {
                refused.push((name.clone(), complaint));
            } else if let Some(complaint) = complaint(&promtool, &out) {
                panic!("{name}: taken as Kong says it, refused with {count} enriched: {complaint}");
            } else {
                taken.push((name.clone(), count));
            }
        }
    }
    println!("taken: {taken:?}\nrefused already as Kong says it: {refused:?}");
    assert!(
        taken.iter().filter(|(_, count)| *count > 0).count() >= 4,
        "{taken:?}"
    );
    assert!(
        refused
            .iter()
            .any(|(name, _)| name.contains("broken-newline")),
        "promtool takes everything, so this test shows nothing: {refused:?}",
    );
}
