use super::*;
use tagalong_exposition::merge::{Format, MergeSource, Merger};

#[test]
fn plain_text_passes_the_strict_merge_whole() {
    let metrics = Metrics::default();
    metrics.push.reviews.inc();
    metrics
        .push
        .refused
        .get_or_create(&Reason { reason: "no_token" })
        .inc();
    let plain = metrics.plain();
    let mut source = MergeSource::new(&[], 1 << 16);
    source.push(plain.as_bytes());
    source.finish();
    let stats = source.stats();
    assert_eq!(
        stats.unparsed + stats.duplicates + stats.misplaced + stats.conflicts,
        0,
        "{plain}"
    );
    let mut merger = Merger::default();
    merger.add(source);
    let mut merged = merger.finish(Format::Text);
    let mut out = Vec::new();
    while merged.next(&mut out) {}
    let out = String::from_utf8(out).expect("text");
    assert!(out.contains("# TYPE tagalong_push_token_reviews_total counter\ntagalong_push_token_reviews_total{} 1\n"), "{out}");
    assert!(
        out.contains("tagalong_push_refused_total{reason=\"no_token\"} 1\n"),
        "{out}"
    );
}
