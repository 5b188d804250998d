//! How fast the exposition is rewritten in process, and what it allocates.
//!
//! The peers are a plain copy of the same output, and the crate `prometheus-parse` doing the same work: parse, add the
//! labels, print. Each figure's two sides run in turn, and the medians are compared.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Read as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus_parse::{Sample, Scrape, Value};
use tagalong_bench::{Figure, Good, exit, median, print_all};
use tagalong_exposition::{LabelTable, Options, Rewriter};

/// What a sidecar reads at once.
const CHUNK: usize = 64 * 1024;
const ROUNDS: usize = 15;
const CAPTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/kong-metrics");

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// To count allocations is to stand in for the allocator; each method hands its arguments on as they are.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract, which is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps `realloc`'s contract, and `ptr` came from `System`.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract, and `ptr` came from `System`.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn main() -> std::io::Result<ExitCode> {
    let large = capture("large.txt.gz")?;
    let medium = capture("medium.txt.gz")?;
    let ok = print_all([
        against_copy(&large),
        against_parser(&medium),
        allocations(&large),
    ])?;
    Ok(exit(ok))
}

fn against_copy(text: &str) -> Figure {
    let table = table(&services(text));
    let chunks = rewritten(&table, text);
    let mut out = Vec::with_capacity(8 * CHUNK);
    let (mut copy, mut rewrite) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        copy.push(timed(|| {
            for chunk in &chunks {
                out.clear();
                out.extend_from_slice(black_box(chunk));
                black_box(&out);
            }
        }));
        rewrite.push(timed(|| {
            let mut rewriter = Rewriter::new(Options::default());
            for chunk in text.as_bytes().chunks(CHUNK) {
                out.clear();
                rewriter.push(&table, black_box(chunk), &mut out);
                black_box(&out);
            }
            out.clear();
            rewriter.finish(&table, &mut out);
            black_box(&out);
        }));
    }
    Figure {
        figure: "rewrite ÷ memcpy",
        value: median(copy) / median(rewrite),
        unit: "ratio",
        floor: 0.45,
        good: Good::AtLeast,
    }
}

fn against_parser(text: &str) -> Figure {
    let services = services(text);
    let table = table(&services);
    let mut out = Vec::with_capacity(8 * CHUNK);
    let mut printed = String::with_capacity(4 * text.len());
    let (mut parse, mut rewrite) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        parse.push(timed(|| {
            printed.clear();
            parse_and_print(black_box(text), &services, &mut printed);
            black_box(&printed);
        }));
        rewrite.push(timed(|| {
            let mut rewriter = Rewriter::new(Options::default());
            for chunk in text.as_bytes().chunks(CHUNK) {
                out.clear();
                rewriter.push(&table, black_box(chunk), &mut out);
                black_box(&out);
            }
        }));
    }
    Figure {
        figure: "rewrite ÷ prometheus-parse",
        value: median(parse) / median(rewrite),
        unit: "ratio",
        floor: 100.0,
        good: Good::AtLeast,
    }
}

/// What one whole pass allocates once a first pass has warmed the buffers, per chunk.
fn allocations(text: &str) -> Figure {
    let table = table(&services(text));
    let mut rewriter = Rewriter::new(Options::default());
    let mut out = Vec::with_capacity(CHUNK);
    let mut pass = || {
        let mut chunks = 0_u32;
        for chunk in text.as_bytes().chunks(CHUNK) {
            out.clear();
            rewriter.push(&table, chunk, &mut out);
            chunks += 1;
        }
        chunks
    };
    pass();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let chunks = pass();
    let counted = ALLOCATIONS.load(Ordering::Relaxed) - before;
    Figure {
        figure: "allocations per chunk",
        value: counted as f64 / f64::from(chunks),
        unit: "allocations",
        floor: 0.0,
        good: Good::AtMost,
    }
}

/// The same work by a parser that builds a tree: parse, add the contract's labels, print.
fn parse_and_print(text: &str, services: &BTreeMap<&str, (String, String)>, out: &mut String) {
    let lines = text.lines().map(|line| Ok(line.to_owned()));
    let Ok(scrape) = Scrape::parse(lines) else {
        return;
    };
    for sample in &scrape.samples {
        let kong = sample.labels.get("service").unwrap_or_default();
        let labels = sample
            .labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let labels: Vec<_> = match services.get(kong) {
            None => labels.collect(),
            Some((namespace, name)) => [
                ("namespace", namespace.as_str()),
                ("service", name),
                ("kubernetes_apiversion", "v1"),
                ("kubernetes_kind", "service"),
                ("kubernetes_name", name),
                ("kubernetes_namespace", namespace),
                ("kong_service", kong),
            ]
            .into_iter()
            .chain(labels.filter(|(name, _)| *name != "service"))
            .collect(),
        };
        print(sample, &labels, out);
    }
}

fn print(sample: &Sample, labels: &[(&str, &str)], out: &mut String) {
    let joined = |labels: &[(&str, &str)]| {
        let quoted: Vec<_> = labels
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        quoted.join(",")
    };
    let metric = &sample.metric;
    // Writing to a string cannot fail.
    let _ = match &sample.value {
        Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => {
            writeln!(out, "{metric}{{{}}} {value}", joined(labels))
        }
        Value::Histogram(buckets) => {
            let labels = joined(labels);
            buckets.iter().try_for_each(|bucket| {
                writeln!(
                    out,
                    "{metric}_bucket{{{labels},le=\"{}\"}} {}",
                    bucket.less_than, bucket.count
                )
            })
        }
        Value::Summary(_) => Ok(()),
    };
}

fn rewritten(table: &LabelTable, text: &str) -> Vec<Vec<u8>> {
    let mut rewriter = Rewriter::new(Options::default());
    let mut chunks: Vec<Vec<u8>> = text
        .as_bytes()
        .chunks(CHUNK)
        .map(|chunk| {
            let mut out = Vec::new();
            rewriter.push(table, chunk, &mut out);
            out.shrink_to_fit();
            out
        })
        .collect();
    let mut last = Vec::new();
    rewriter.finish(table, &mut last);
    chunks.push(last);
    chunks
}

/// Every service that the text names, with the namespace and name that its dots suggest. What they are does not matter, only that
/// they are as long as real ones.
fn services(text: &str) -> BTreeMap<&str, (String, String)> {
    let values = text
        .match_indices("{service=\"")
        .map(|(at, found)| &text[at + found.len()..]);
    values
        .filter_map(|rest| rest.split_once('"'))
        .map(|(kong, _)| {
            let mut parts = kong.split('.').filter(|part| *part != "httproute");
            let namespace = parts.next().unwrap_or_default().to_owned();
            (
                kong,
                (namespace, parts.next().unwrap_or_default().to_owned()),
            )
        })
        .collect()
}

fn table(services: &BTreeMap<&str, (String, String)>) -> LabelTable {
    let builder = LabelTable::builder();
    services
        .iter()
        .fold(builder, |builder, (kong, (namespace, name))| {
            builder.service(kong, namespace, name)
        })
        .build()
}

fn capture(name: &str) -> std::io::Result<String> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(format!("{CAPTURES}/{name}"))?)
        .read_to_string(&mut text)?;
    Ok(text)
}

#[allow(clippy::disallowed_methods, reason = "what is measured is real time")]
fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    Duration::as_secs_f64(&start.elapsed())
}
