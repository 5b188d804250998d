use super::*;
use crate::collect::merge::{Merge, Source};

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
    let mut merge = Merge::default();
    let body = plain.as_bytes();
    merge.add(&Source {
        body,
        labels: &[],
        limit: usize::MAX,
    });
    let (out, left_out) = merge.finish();
    assert_eq!(left_out, []);
    let out = String::from_utf8(out).expect("text");
    assert!(out.contains("# TYPE tagalong_push_token_reviews_total counter\ntagalong_push_token_reviews_total 1\n"), "{out}");
    assert!(
        out.contains("tagalong_push_refused_total{reason=\"no_token\"} 1\n"),
        "{out}"
    );
}
