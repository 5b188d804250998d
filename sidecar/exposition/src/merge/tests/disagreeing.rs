//! Sources that do not agree what a family is.

use crate::merge::{Disagreement, Format, MergeSource, Merger, Types};

/// What comes of the texts, each of a group, after another merge.
fn merged(last: Types, sent: &[(&str, &str)]) -> (String, Vec<Disagreement>, Types) {
    let mut merger = Merger::after(last);
    for (number, (group, text)) in sent.iter().enumerate() {
        let pod = number.to_string();
        let mut source = MergeSource::new(&[("pod", &pod)], 1000).of_group(group);
        source.push(text.as_bytes());
        source.finish();
        assert_eq!(merger.add(source), Some(number));
    }
    let (disagreements, types) = (merger.disagreements(), merger.types());
    let mut merged = merger.finish(Format::Text);
    let mut out = Vec::new();
    while merged.next(&mut out) {}
    let samples: u64 = disagreements.iter().map(|one| one.samples).sum();
    assert_eq!(merged.stats().conflicting_samples, samples);
    assert_eq!(merged.stats().conflicts, disagreements.len() as u64);
    (
        String::from_utf8_lossy(&out).into_owned(),
        disagreements,
        types,
    )
}

fn typed(family: &str, kind: &str) -> String {
    let samples = match kind {
        "histogram" => {
            format!("{family}_bucket{{le=\"+Inf\"}} 1\n{family}_count 1\n{family}_sum 1\n")
        }
        "summary" => format!("{family}{{quantile=\"0.5\"}} 1\n"),
        _ => format!("{family} 1\n"),
    };
    format!("# TYPE {family} {kind}\n{samples}")
}

/// Of which sources samples are in the output.
fn taken(out: &str) -> Vec<&str> {
    let mut taken: Vec<_> = out
        .lines()
        .filter_map(|line| line.split("pod=\"").nth(1)?.split('"').next())
        .collect();
    taken.dedup();
    taken
}

#[test]
fn kongs_own_families_have_the_type_that_kong_gives_them() {
    for (family, kind, lie) in [
        ("kong_http_requests_total", "counter", "gauge"),
        ("kong_upstream_latency_ms", "histogram", "summary"),
        ("kong_upstream_latency_ms", "histogram", "untyped"),
        ("kong_nginx_timers", "gauge", "histogram"),
    ] {
        let (lies, honest) = (typed(family, lie), typed(family, kind));
        let sent = [("aaa/a", lies.as_str()), ("bbb/b", &lies), ("z/z", &honest)];
        let (out, left_out, _) = merged(Types::default(), &sent);
        assert_eq!(taken(&out), ["2"], "{out}");
        assert_eq!(left_out.len(), 2, "{left_out:?}");
        assert_eq!((left_out[0].said, left_out[0].agreed), (lie, Some(kind)));
        assert_eq!(
            (left_out[0].source, left_out[0].family.as_str()),
            (0, family)
        );
    }
}

#[test]
fn a_type_that_the_next_kong_changes_everywhere_is_not_lost() {
    let next = typed("kong_http_requests_total", "gauge");
    let (out, left_out, _) = merged(Types::default(), &[("a/a", &next), ("b/b", &next)]);
    assert!(
        out.starts_with("# TYPE kong_http_requests_total gauge\n"),
        "{out}"
    );
    assert_eq!((taken(&out), left_out), (vec!["0", "1"], vec![]));
}

#[test]
fn more_pods_are_not_more_votes() {
    let (lie, honest) = (typed("x", "gauge"), typed("x", "histogram"));
    let sent = [
        ("a/liar", lie.as_str()),
        ("a/liar", &lie),
        ("a/liar", &lie),
        ("b/kong", &honest),
        ("c/kong", &honest),
    ];
    let (out, left_out, _) = merged(Types::default(), &sent);
    assert_eq!((taken(&out), left_out.len()), (vec!["3", "4"], 3), "{out}");
    // Within a group most decide.
    let sent = [("a/a", lie.as_str()), ("a/a", &honest), ("a/a", &honest)];
    assert_eq!(taken(&merged(Types::default(), &sent).0), ["1", "2"]);
}

#[test]
fn a_tie_goes_to_what_the_last_merge_had() {
    let (lie, honest) = (typed("x", "gauge"), typed("x", "counter"));
    let (.., types) = merged(Types::default(), &[("b/kong", &honest)]);
    let both = [("a/liar", lie.as_str()), ("b/kong", &honest)];
    for _ in 0..3 {
        let (out, _, next) = merged(types.clone(), &both);
        assert_eq!(taken(&out), ["1"], "{out}");
        let (out, ..) = merged(next, &both);
        assert_eq!(taken(&out), ["1"], "and stays there: {out}");
    }
    assert_eq!(
        taken(&merged(Types::default(), &both).0),
        ["0"],
        "nobody knows"
    );
}

#[test]
fn samples_of_no_type_are_not_taken_from_by_a_type() {
    let (lie, honest) = (typed("x", "histogram"), "x 1\n");
    let sent = [
        ("a/liar", lie.as_str()),
        ("b/kong", honest),
        ("c/kong", honest),
    ];
    assert_eq!(taken(&merged(Types::default(), &sent).0), ["1", "2"]);
}

#[test]
fn a_family_called_as_anothers_part_is_not_lost_to_it() {
    // Whoever invents a histogram `x` would take `x_count` from all others.
    let (lie, honest) = (typed("x", "histogram"), typed("x_count", "counter"));
    let sent = [
        ("a/liar", lie.as_str()),
        ("b/kong", &honest),
        ("c/kong", &honest),
    ];
    let (out, left_out, types) = merged(Types::default(), &sent);
    assert_eq!(taken(&out), ["1", "2"], "{out}");
    assert_eq!((left_out[0].source, left_out[0].agreed), (0, None));
    // Nor is Kong's histogram to a family called as one of its parts.
    let (lie, honest) = (
        typed("kong_latency_sum", "gauge"),
        typed("kong_latency", "histogram"),
    );
    let sent = [
        ("a/liar", lie.as_str()),
        ("b/liar", &lie),
        ("c/kong", &honest),
    ];
    assert_eq!(taken(&merged(Types::default(), &sent).0), ["2"]);
    // One against one goes to what was there before.
    let (lie, honest) = (typed("x", "histogram"), typed("x_count", "counter"));
    let sent = [("a/liar", lie.as_str()), ("b/kong", honest.as_str())];
    assert_eq!(taken(&merged(types, &sent).0), ["1"]);
}

#[test]
fn a_liars_families_do_not_fill_the_memory_of_types() {
    let many: String = (0..1000)
        .map(|at| typed(&format!("f{at}"), "gauge"))
        .collect();
    let (lie, honest) = (typed("x", "gauge"), typed("x", "counter"));
    let (.., types) = merged(Types::default(), &[("a/liar", &many), ("b/kong", &honest)]);
    let (out, ..) = merged(types, &[("a/liar", lie.as_str()), ("b/kong", &honest)]);
    assert_eq!(taken(&out), ["1"], "{out}");
}

#[test]
fn what_no_counter_can_have_is_left_out() {
    let (out, left_out, _) = merged(
        Types::default(),
        &[
            (
                "a/a",
                "# TYPE x counter\nx{i=\"1\"} NaN\nx{i=\"2\"} -1\nx{i=\"3\"} 1\n# TYPE g gauge\ng NaN\n",
            ),
            ("b/b", "x{i=\"4\"} NaN\n"),
        ],
    );
    assert_eq!(
        out,
        "# TYPE x counter\nx{pod=\"0\",i=\"3\"} 1\n# TYPE g gauge\ng{pod=\"0\"} NaN\n"
    );
    assert_eq!(left_out.len(), 1);
}
