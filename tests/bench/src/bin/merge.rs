//! How fast the expositions of many pods are made one, in process, and what they take meanwhile.

use std::hint::black_box;
use std::io::Read as _;
use std::process::ExitCode;
use std::time::Instant;

use tagalong_bench::{Figure, Good, exit, median};
use tagalong_exposition::merge::{Format, MergeSource, Merger};

const PODS: usize = 100;
const CHUNK: usize = 64 * 1024;
const ROUNDS: usize = 5;
const CAPTURE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../data/kong-metrics/medium.txt.gz"
);

fn main() -> std::io::Result<ExitCode> {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(CAPTURE)?).read_to_end(&mut text)?;

    let mut pieces = Vec::new();
    let held = merge(&text, |piece| pieces.push(piece.to_vec()));
    let (mut copy, mut merged) = (Vec::new(), Vec::new());
    let mut out = Vec::with_capacity(2 * CHUNK);
    for _ in 0..ROUNDS {
        copy.push(timed(|| {
            for piece in &pieces {
                out.clear();
                out.extend_from_slice(black_box(piece));
                black_box(&out);
            }
        }));
        merged.push(timed(|| {
            merge(black_box(&text), |piece| {
                black_box(piece);
            });
        }));
    }
    let speed = Figure {
        figure: "merge of 100 × medium ÷ memcpy",
        value: median(copy) / median(merged),
        unit: "ratio",
        floor: 0.15,
        good: Good::AtLeast,
    };
    let memory = Figure {
        figure: "merge of 100 × medium, samples held",
        value: held as f64 / 1024.0 / 1024.0,
        unit: "MiB",
        floor: 150.0,
        good: Good::AtMost,
    };
    let ok = speed.print()? & memory.print()?;
    Ok(exit(ok))
}

/// Reads the text once for each pod and writes the merge; returns what the pods' samples took before the first was written.
fn merge(text: &[u8], mut write: impl FnMut(&[u8])) -> usize {
    let mut merger = Merger::default();
    let mut held = 0;
    for pod in 0..PODS {
        let name = format!("dataplane-kong-7d9f8b6c5-{pod:05}");
        let url = format!("http://10.244.{}.{}:9542/metrics", pod / 250, pod % 250);
        let labels = [
            ("dataplane", "kong"),
            ("dataplane_namespace", "kong-system"),
            ("dataplane_pod", name.as_str()),
            ("dataplane_url", url.as_str()),
        ];
        let mut source = MergeSource::new(&labels, CHUNK);
        text.chunks(CHUNK).for_each(|chunk| source.push(chunk));
        source.finish();
        held += source.held();
        merger.add(source);
    }
    let mut merged = merger.finish(Format::Text);
    let mut out = Vec::with_capacity(2 * CHUNK);
    while merged.next(&mut out) {
        write(&out);
        out.clear();
    }
    held
}

#[allow(clippy::disallowed_methods, reason = "what is measured is real time")]
fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}
