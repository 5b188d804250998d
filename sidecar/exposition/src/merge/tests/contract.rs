//! What the merge promises, case by case.

use super::{from, merge};
use crate::merge::{Format, MergeSource, MergeStats, Merger, SourceStats};

pub(super) fn text(sources: &[&str]) -> (String, Vec<SourceStats>, MergeStats) {
    written(Format::Text, sources)
}

pub(super) fn written(format: Format, sources: &[&str]) -> (String, Vec<SourceStats>, MergeStats) {
    let sent: Vec<_> = sources
        .iter()
        .zip(["a", "b", "c"])
        .map(|(text, pod)| from(pod, text.as_bytes()))
        .collect();
    let (out, each, stats) = merge(format, 64 * 1024, &sent, &[64 * 1024]);
    (
        String::from_utf8_lossy(&out).replace("dataplane=\"kong\",", ""),
        each,
        stats,
    )
}

#[test]
fn families_are_contiguous_whatever_their_order() {
    let (out, ..) = text(&[
        "# HELP x about\n# TYPE x counter\nx{l=\"1\"} 1\n# TYPE y gauge\ny 2\n# HELP x about\n# TYPE x counter\nx{l=\"2\"} 3\n",
        "# TYPE y gauge\ny 4\n# TYPE x counter\nx{l=\"1\"} 5\n",
    ]);
    assert_eq!(
        out,
        "# HELP x about\n# TYPE x counter\nx{dataplane_pod=\"a\",l=\"1\"} 1\nx{dataplane_pod=\"a\",l=\"2\"} 3\n\
         x{dataplane_pod=\"b\",l=\"1\"} 5\n# TYPE y gauge\ny{dataplane_pod=\"a\"} 2\ny{dataplane_pod=\"b\"} 4\n"
    );
}

#[test]
fn another_type_costs_the_odd_source_its_family() {
    let (out, _, stats) = text(&[
        "# TYPE x counter\nx 1\n",
        "# TYPE x gauge\nx 2\nz 3\n",
        "x 4\n",
    ]);
    assert_eq!(
        out,
        "# TYPE x counter\nx{dataplane_pod=\"a\"} 1\nx{dataplane_pod=\"c\"} 4\nz{dataplane_pod=\"b\"} 3\n"
    );
    assert_eq!(
        (stats.conflicts, stats.conflicting_samples, stats.samples),
        (1, 1, 3)
    );
}

#[test]
fn a_histograms_lines_are_one_family() {
    let histogram =
        "# TYPE h histogram\nh_bucket{le=\"5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_count 2\nh_sum 7\n";
    let (out, each, _) = text(&[&format!(
        "{histogram}h{{le=\"9\"}} 1\nh_bucket 1\nh_bucket{{le=\"x\"}} 1\nh 1\n"
    )]);
    assert_eq!(
        out,
        histogram
            .replace("{le", "{dataplane_pod=\"a\",le")
            .replace("t 2", "t{dataplane_pod=\"a\"} 2")
            .replace("m 7", "m{dataplane_pod=\"a\"} 7")
    );
    assert_eq!((each[0].samples, each[0].misplaced), (4, 4));
    // A family called as one of the parts would be taken for it.
    let (out, _, stats) = text(&["h_sum 3\n", histogram]);
    assert!(!out.contains("} 3"), "{out}");
    assert_eq!(stats.conflicts, 1);
}

#[test]
fn a_sample_without_a_type_is_no_part_of_anothers_histogram() {
    let histogram = "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 2\nh_count 2\nh_sum 7\n";
    let (out, _, stats) = text(&[histogram, "h 1\n"]);
    assert!(!out.contains("dataplane_pod=\"b\""), "{out}");
    assert_eq!((stats.conflicts, stats.conflicting_samples), (1, 1));
}

#[test]
fn a_series_is_written_once() {
    let (out, each, _) = text(&[
        "x{a=\"1\",b=\"2\"} 1\nx{a=\"1\",b=\"2\"} 2\nx{b=\"2\",a=\"1\"} 3\nx{a=\"1\",b=\"2\",c=\"\"} 4\nx{a=\"1\"} 5\n",
    ]);
    assert_eq!(
        out,
        "x{dataplane_pod=\"a\",a=\"1\",b=\"2\"} 1\nx{dataplane_pod=\"a\",a=\"1\"} 5\n"
    );
    assert_eq!(each[0].duplicates, 3);
}

#[test]
fn a_sources_own_labels_are_not_overwritten() {
    let (out, each, _) = text(&["x{dataplane_pod=\"liar\"} 1\nx{l=\"1\"} 2\n"]);
    assert_eq!(out, "x{dataplane_pod=\"a\",l=\"1\"} 2\n");
    assert_eq!(each[0].labelled, 1);
}

#[test]
fn what_a_strict_reader_refuses_is_left_out() {
    for line in [
        "x{a=\"\\x\"} 1",
        "x{a=\"1\",a=\"2\"} 1",
        "x{__name__=\"y\"} 1",
        "x 1 1.5",
        "x 1 -5",
        "x 1e400",
        "x 1 # {} 1",
        "x{a=\"b\"}",
        "x",
        "{a=\"b\"} 1",
        "x 1 +5",
        "x 1\r",
        "x 1 99999999999999999999",
    ] {
        let (out, each, _) = text(&[&format!("{line}\ny 1\n")]);
        assert_eq!(
            (out.as_str(), each[0].unparsed),
            ("y{dataplane_pod=\"a\"} 1\n", 1),
            "{line}"
        );
    }
    let (_, each, _) = merge(
        Format::Text,
        100,
        &[from("a", b"x{a=\"\xff\"} 1\n# HELP x \xff\n# TYPE x odd\n")],
        &[3],
    );
    assert_eq!(each[0].unparsed, 3);
    // The halves of a sample with a line feed in a value, of which one looks like a sample.
    let (out, each, _) = text(&["x{a=\"b\ny 1\nc\"} 1\nz 1\n"]);
    assert_eq!(
        (out.as_str(), each[0].unparsed),
        ("z{dataplane_pod=\"a\"} 1\n", 3)
    );
}

#[test]
fn lines_are_written_plainly() {
    let (out, ..) = text(&["\t x { a = \"1\" , b=\"2\", }  1  17 \nx{} 2\nx{c=\"3\"} 4"]);
    assert_eq!(
        out,
        "x{dataplane_pod=\"a\",a=\"1\",b=\"2\"} 1 17\nx{dataplane_pod=\"a\"} 2\nx{dataplane_pod=\"a\",c=\"3\"} 4\n"
    );
}

#[test]
fn a_comma_where_the_line_before_had_a_label_goes() {
    let (out, ..) = text(&["x{a=\"1\",b=\"2\"} 1\nx{a=\"1\",} 2\nx{a=\"1\", b=\"3\"} 3\n"]);
    assert_eq!(
        out,
        "x{dataplane_pod=\"a\",a=\"1\",b=\"2\"} 1\nx{dataplane_pod=\"a\",a=\"1\"} 2\nx{dataplane_pod=\"a\",a=\"1\",b=\"3\"} 3\n"
    );
}

#[test]
fn openmetrics_has_its_own_names() {
    let (out, ..) = written(
        Format::OpenMetrics,
        &[
            "# HELP a_total \"About\"\n# TYPE a_total counter\na_total 1 1700000000123\n# TYPE b counter\nb 2 5\n# TYPE c untyped\nc 3\nd 4\n\
           # TYPE e_total counter\ne_total 5\n# TYPE e gauge\ne 6\n",
        ],
    );
    assert_eq!(
        out,
        "# HELP a \\\"About\\\"\n# TYPE a counter\na_total{dataplane_pod=\"a\"} 1 1700000000.123\n# TYPE b unknown\nb{dataplane_pod=\"a\"} 2 0.005\n\
         # TYPE c unknown\nc{dataplane_pod=\"a\"} 3\nd{dataplane_pod=\"a\"} 4\n# TYPE e_total unknown\ne_total{dataplane_pod=\"a\"} 5\n\
         # TYPE e gauge\ne{dataplane_pod=\"a\"} 6\n# EOF\n"
    );
}

#[test]
fn sources_of_the_same_labels_are_one_too_many() {
    let (out, _, stats) = merge(
        Format::Text,
        100,
        &[from("a", b"x 1\n"), from("a", b"x 2\n")],
        &[9],
    );
    assert!(out.ends_with(b"} 1\n"));
    assert_eq!((stats.sources, stats.refused, stats.samples), (1, 1, 1));
    assert_eq!(merge(Format::Text, 100, &[], &[9]).0, b"");
}

#[test]
fn reserved_names_are_left_out_whatever_their_family() {
    let mut source =
        MergeSource::new(&[], 100).without(|name| name == b"up" || name.starts_with(b"own_"));
    source.push(b"up 1\nown_x 1\nupper 1\n# TYPE up summary\nup_sum 1\nup{quantile=\"0.5\"} 1\n# TYPE own histogram\nown_sum 1\nown_x 2\n");
    source.finish();
    let stats = source.stats();
    assert_eq!((stats.reserved, stats.samples, stats.misplaced), (6, 1, 0));
    let mut merger = Merger::default();
    merger.add(source);
    let mut out = Vec::new();
    while merger.clone().finish(Format::Text).next(&mut out) && out.is_empty() {}
    assert_eq!(String::from_utf8_lossy(&out), "upper{} 1\n");
}

#[test]
fn families_without_end_are_left_out() {
    let mut source = MergeSource::new(&[], 100);
    for at in 0..50_000 {
        source.push(format!("# TYPE f{at} gauge\nf{at} 1\n").as_bytes());
    }
    source.finish();
    assert_eq!(source.stats().samples, 20_000);
}
