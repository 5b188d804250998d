//! tagalong's merge: as many pods as there are copies, each body with its pod's labels in front, made one exposition.

use tagalong_exposition::merge::{Format, MergeSource, Merger};

use super::Job;

const CHUNK: usize = 64 * 1024;

pub(super) fn job(input: Vec<u8>, copies: usize) -> Job {
    let mut out = Vec::with_capacity(4 * CHUNK);
    Box::new(move |emit| {
        let mut merger = Merger::default();
        for pod in 0..copies {
            let labels = [
                ("dataplane", "dataplane-kong"),
                ("dataplane_namespace", "default"),
                ("dataplane_pod", &format!("dataplane-kong-{pod}")),
                ("dataplane_url", &format!("https://10.244.0.{pod}:8444")),
            ];
            let mut source = MergeSource::new(&labels, CHUNK);
            for chunk in input.chunks(CHUNK) {
                source.push(chunk);
            }
            source.finish();
            merger.add(source);
        }
        let mut merged = merger.finish(Format::Text);
        out.clear();
        while merged.next(&mut out) {
            emit(&out);
            out.clear();
        }
        emit(&out);
    })
}
