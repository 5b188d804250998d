//! Histograms and summaries whose lines come in any order, some of them missing.

use proptest::collection::vec;
use proptest::prelude::*;

use super::contract::{text, written};
use super::{FORMATS, agrees, from, merge_groups, naive, same};
use crate::merge::{Format, MergeSource, Merger};

const KONGS_ORDER: &str = "# HELP h about\n# TYPE h histogram\n\
    h_bucket{s=\"a\",le=\"5\"} 1\nh_bucket{s=\"a\",le=\"+Inf\"} 2\nh_bucket{s=\"b\",le=\"+Inf\"} 3\n\
    h_count{s=\"a\"} 2\nh_count{s=\"b\"} 3\nh_sum{s=\"a\"} 7\nh_sum{s=\"b\"} 9\n";
const BY_SERIES: &str = "# HELP h about\n# TYPE h histogram\n\
    h_bucket{dataplane_pod=\"a\",s=\"a\",le=\"5\"} 1\nh_bucket{dataplane_pod=\"a\",s=\"a\",le=\"+Inf\"} 2\n\
    h_count{dataplane_pod=\"a\",s=\"a\"} 2\nh_sum{dataplane_pod=\"a\",s=\"a\"} 7\n\
    h_bucket{dataplane_pod=\"a\",s=\"b\",le=\"+Inf\"} 3\n\
    h_count{dataplane_pod=\"a\",s=\"b\"} 3\nh_sum{dataplane_pod=\"a\",s=\"b\"} 9\n";

#[test]
fn the_lines_of_a_series_stand_together() {
    assert_eq!(text(&[KONGS_ORDER]).0, BY_SERIES);
    let (out, ..) = written(Format::OpenMetrics, &[KONGS_ORDER]);
    assert_eq!(out, format!("{BY_SERIES}# EOF\n"));
}

#[test]
fn where_the_bound_and_other_labels_stand_makes_no_difference() {
    let (out, each, _) = text(&[
        "# TYPE h histogram\nh_bucket{le=\"5\",a=\"1\",b=\"2\"} 1\nh_count{b=\"2\",a=\"1\",c=\"\"} 3\nh_bucket{ a=\"1\", le=\"+Inf\", b=\"2\" } 3\n\
         h_bucket{b=\"2\",a=\"1\",le=\"5.0\"} 9\nh_count{a=\"1\",b=\"2\"} 9\n",
    ]);
    assert_eq!(
        out,
        "# TYPE h histogram\nh_bucket{dataplane_pod=\"a\",a=\"1\",b=\"2\",le=\"5\"} 1\nh_count{dataplane_pod=\"a\",a=\"1\",b=\"2\"} 3\n\
         h_bucket{dataplane_pod=\"a\",a=\"1\",b=\"2\",le=\"+Inf\"} 3\n"
    );
    assert_eq!((each[0].samples, each[0].duplicates), (3, 2));
}

#[test]
fn what_is_not_whole_is_unknown_to_openmetrics_and_nothing_is_lost() {
    for (what, line) in [
        ("a hole at the end", "h_bucket{s=\"a\",le=\"+Inf\"} 2\n"),
        ("no count", "h_count{s=\"a\"} 2\n"),
        ("no sum", "h_sum{s=\"b\"} 9\n"),
    ] {
        let holed = KONGS_ORDER.replace(line, "");
        let (out, ..) = written(Format::OpenMetrics, &[&holed]);
        let of = |name: &str, out: &str| -> Vec<String> {
            let is = |line: &&str| line.starts_with(name);
            out.lines().filter(is).map(str::to_owned).collect()
        };
        let (text, ..) = text(&[&holed]);
        assert!(text.contains("# TYPE h histogram\n"), "{what}: {text}");
        let mut expected = Vec::new();
        for part in ["h_bucket", "h_sum", "h_count"] {
            expected.push(format!("# HELP {part} about"));
            expected.push(format!("# TYPE {part} unknown"));
            expected.extend(of(part, &text));
        }
        expected.push("# EOF".into());
        assert_eq!(out.lines().collect::<Vec<_>>(), expected, "{what}");
    }
    // One source's series is enough: a family has one type.
    let racing = KONGS_ORDER.replace("h_count{s=\"a\"} 2", "h_count{s=\"a\"} 3");
    let (out, ..) = written(Format::OpenMetrics, &[KONGS_ORDER, &racing]);
    assert!(!out.contains("histogram"), "{out}");
    assert_eq!(out.matches("h_sum{").count(), 4, "{out}");
}

#[test]
fn who_takes_text_can_be_told_to() {
    for (text, whole) in [
        (KONGS_ORDER.to_owned(), true),
        (
            KONGS_ORDER.replace("h_count{s=\"a\"} 2", "h_count{s=\"a\"} 3"),
            false,
        ),
        ("# TYPE g gauge\ng NaN\n".to_owned(), true),
    ] {
        let mut source = MergeSource::new(&[], 1000);
        source.push(text.as_bytes());
        source.finish();
        let mut merger = Merger::default();
        merger.add(source);
        assert_eq!(merger.is_whole(), whole, "{text}");
    }
}

#[test]
fn a_filters_histogram_passes_as_untyped() {
    let filters = "# HELP pw \n# TYPE pw histogram\npw{service=\"s\",le=\"1\"} 1\npw{service=\"s\",le=\"4294967295\"} 2\n";
    let (out, each, stats) = text(&[filters]);
    assert_eq!(
        out,
        "# TYPE pw untyped\npw{dataplane_pod=\"a\",service=\"s\",le=\"1\"} 1\npw{dataplane_pod=\"a\",service=\"s\",le=\"4294967295\"} 2\n"
    );
    assert_eq!((each[0].misplaced, stats.samples), (0, 2));
    let (out, ..) = written(Format::OpenMetrics, &[filters]);
    assert!(out.starts_with("# TYPE pw unknown\npw{"), "{out}");
}

/// A histogram or summary in Kong's order, most of it.
fn composed() -> impl Strategy<Value = String> {
    let keep = || proptest::bool::weighted(0.97);
    let series = (1..5_usize, 0..3_u32, keep(), keep(), keep());
    (
        vec(series, 1..5),
        proptest::bool::weighted(0.8),
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        proptest::bool::weighted(0.3),
    )
        .prop_map(|(series, histogram, one, other, swap)| {
            let (kind, suffix, label) = if histogram {
                ("histogram", "_bucket", "le")
            } else {
                ("summary", "", "quantile")
            };
            let mut lines = Vec::new();
            let (mut counts, mut sums) = (Vec::new(), Vec::new());
            for (at, (bounds, step, ends, count, sum)) in series.iter().enumerate() {
                let labels = format!("a=\"{}\",b=\"{}\"", at / 2, at % 2);
                let mut value = 0;
                for bound in 0..*bounds {
                    value += step;
                    let last = bound + 1 == *bounds;
                    let bound = match (histogram, last && *ends) {
                        (true, true) => "+Inf".to_owned(),
                        (true, false) => (10 * bound).to_string(),
                        (false, _) => format!("0.{bound}"),
                    };
                    lines.push(format!("h{suffix}{{{labels},{label}=\"{bound}\"}} {value}"));
                }
                if *count {
                    counts.push(format!("h_count{{{labels}}} {value}"));
                }
                if *sum {
                    sums.push(format!("h_sum{{{labels}}} {}", 3 * value));
                }
            }
            lines.append(&mut counts);
            lines.append(&mut sums);
            if swap && !lines.is_empty() {
                let (one, other) = (one.index(lines.len()), other.index(lines.len()));
                lines.swap(one, other);
            }
            format!("# TYPE h {kind}\n{}\n", lines.join("\n"))
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fast_is_naive(
        texts in vec(composed(), 1..4),
        others in vec(crate::tests::generated::lines(), 3),
        groups in vec(0..3_usize, 3),
        format in proptest::sample::select(&FORMATS[..]),
        length in 1..200_usize,
    ) {
        let sent: Vec<_> = texts
            .iter()
            .zip(["a", "b", "c"])
            .map(|(text, pod)| from(pod, text.as_bytes()))
            .collect();
        agrees(format, 1000, &sent, &[length]);
        let sent: Vec<_> = others.iter().zip(["a", "b", "c"]).map(|(text, pod)| from(pod, text)).collect();
        let expected = naive::merge_groups(format, 1000, &sent, &groups);
        same(&merge_groups(format, 1000, &sent, Some(&groups), &[length]), &expected, &sent);
    }
}
