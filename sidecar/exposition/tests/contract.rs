//! The label contract, line by line: what goes in, and what must come out.

#![allow(clippy::expect_used, reason = "what fails here fails the test")]

use tagalong_exposition::{Keep, LabelTable, Options, Rewriter, Stats};

/// The labels of the Kubernetes Service `default`/`echo`.
const ECHO: &str = "namespace=\"default\",service=\"echo\",kubernetes_apiversion=\"v1\",kubernetes_kind=\"service\",\
                    kubernetes_name=\"echo\",kubernetes_namespace=\"default\",";

fn table() -> LabelTable {
    LabelTable::builder()
        .service("httproute.default.echo.0", "default", "echo")
        .service("s", "default", "echo")
        .service("a\"b\\c", "default", "echo")
        .service("сервис", "default", "echo")
        .upstream("echo.default.80.svc", "default", "echo")
        .build()
}

fn rewrite_with(options: Options, text: &str) -> (String, Stats) {
    let table = table();
    let mut rewriter = Rewriter::new(options);
    let mut out = Vec::new();
    rewriter.push(&table, text.as_bytes(), &mut out);
    rewriter.finish(&table, &mut out);
    (String::from_utf8_lossy(&out).into_owned(), rewriter.stats())
}

fn rewrite(text: &str) -> (String, Stats) {
    rewrite_with(Options::default(), text)
}

/// `line` becomes what it is with the labels of echo put in at the `^`.
#[track_caller]
fn enriches(marked: &str, prefix: &str) {
    let line = marked.replacen('^', "", 1);
    let (out, stats) = rewrite(&line);
    assert_eq!(out, marked.replacen('^', &format!("{ECHO}{prefix}"), 1));
    assert_eq!((stats.samples, stats.enriched), (1, 1), "{line:?}");
}

#[track_caller]
fn passes(line: &str) -> Stats {
    let (out, stats) = rewrite(line);
    assert_eq!(out, line);
    assert_eq!(stats.enriched, 0, "{line:?}");
    stats
}

#[test]
fn the_published_example() {
    let (out, _) = rewrite(
        "kong_upstream_latency_ms_bucket{service=\"httproute.default.echo.0\",route=\"r\",workspace=\"default\",le=\"25\"} 3\n",
    );
    assert_eq!(
        out,
        "kong_upstream_latency_ms_bucket{namespace=\"default\",service=\"echo\",kubernetes_apiversion=\"v1\",\
         kubernetes_kind=\"service\",kubernetes_name=\"echo\",kubernetes_namespace=\"default\",\
         kong_service=\"httproute.default.echo.0\",route=\"r\",workspace=\"default\",le=\"25\"} 3\n"
    );
}

#[test]
fn the_labels_stand_where_the_service_stood_and_nothing_else_moves() {
    for marked in [
        "m{^service=\"s\"} 1\n",
        "m{^service=\"s\",} 1\n",
        "m{route=\"r\",^service=\"s\"} 1\n",
        "m{route=\"r\",^service=\"s\",le=\"+Inf\"} 1\n",
        "m { ^service = \"s\" , le = \"5\" } 1 \n",
        "\tm{\t^service\t=\t\"s\"\t}\t1\t\n",
        "m{^service=\"s\"}1\n",
        "m{^service=\"s\"} 1",
        "m:x_9{^service=\"s\"} 1\n",
        "m{^service=\"a\\\"b\\\\c\"} 1\n",
        "m{^service=\"сервис\"} 1\n",
        "kong_latency{^service=\"s\",route=\"r\",type=\"kong\"} 1\n",
        "kong_http_status{^service=\"s\",route=\"r\",code=\"200\"} 1\n",
        "kong_http_consumer_status{^service=\"s\",route=\"r\",code=\"200\",consumer=\"c\"} 1\n",
        "wasm{^service=\"s\",le=\"5\"} 1\n",
    ] {
        enriches(marked, "kong_");
    }
}

#[test]
fn every_number_counts() {
    for value in [
        "0",
        "-1",
        "+1",
        "1.5",
        ".5",
        "5.",
        "1e+15",
        "1E-3",
        "3.5512300986528e+40",
        "NaN",
        "nan",
        "+Inf",
        "-Inf",
        "inf",
        "Infinity",
        "-infinity",
    ] {
        enriches(&format!("m{{^service=\"s\"}} {value}\n"), "kong_");
    }
    for value in [
        "", "x", "1x", "0x1p-2", "1_000", "1e", "+", ".", "-nan", "1,5", "1\u{a0}", "infinit",
    ] {
        assert_eq!(
            passes(&format!("m{{service=\"s\"}} {value}\n")).unparsed,
            1,
            "{value:?}"
        );
    }
}

#[test]
fn timestamps_and_exemplars_stay() {
    for rest in [
        "1 1700000000000",
        "1 -5",
        "1 1700000000.123",
        "1 # {} 1",
        "1 # {trace_id=\"a\",span_id=\"b,service=\"} 0.5",
        "1 17 # {service=\"s\"} 0.5 1700000000.1",
    ] {
        enriches(&format!("m{{^service=\"s\"}} {rest}\n"), "kong_");
    }
    for rest in [
        "1 2 3",
        "1 x",
        "1 #",
        "1 # x",
        "1 # {a}",
        "1 # {a=\"b\"}",
        "1 # {a=\"b\"} 1 2 3",
        "1# {} 1",
        "1 NaN",
    ] {
        assert_eq!(
            passes(&format!("m{{service=\"s\"}} {rest}\n")).unparsed,
            1,
            "{rest:?}"
        );
    }
}

#[test]
fn upstream_health_is_known_by_its_upstream() {
    enriches(
        "kong_upstream_target_health{^upstream=\"echo.default.80.svc\",target=\"t\",state=\"healthy\"} 1\n",
        "",
    );
    // Another family's upstream is another thing, and a Kong service is not an upstream.
    passes("kong_other{upstream=\"echo.default.80.svc\"} 1\n");
    passes("kong_upstream_target_health{upstream=\"s\"} 1\n");
    let stats =
        passes("kong_upstream_target_health{upstream=\"echo.default.80.svc\",service=\"s\"} 1\n");
    assert_eq!(stats.already_labelled, 1);
    enriches(
        "kong_upstream_target_health{^upstream=\"echo.default.80.svc\",kong_service=\"x\"} 1\n",
        "",
    );
}

/// The names of the labels on a line that the rewriter wrote.
fn label_names(line: &str) -> Vec<&str> {
    let labels = line.split(['{', '}']).nth(1).expect("labels");
    labels
        .split(',')
        .map(|label| label.split('=').next().expect("a name"))
        .collect()
}

#[test]
fn no_label_is_written_twice() {
    for key in [
        "m{service=\"s\"",
        "kong_upstream_target_health{upstream=\"echo.default.80.svc\"",
    ] {
        let enriched = rewrite(&format!("{key}}} 1\n")).0;
        let labels = label_names(&enriched);
        assert!(labels.len() > 6, "{labels:?}");
        let (name, own) = key.split_once('{').expect("a brace");
        // Whatever stands in the output must not have stood in the input, Kong's own label included.
        for label in labels {
            for line in [
                format!("{key},{label}=\"\"}} 1\n"),
                format!("{name}{{{label}=\"x\",{own}}} 1\n"),
                // The second line begins as the first does, which must not make it forget what is new.
                format!("m{{service=\"zzz\",le=\"1\"}} 1\nm{{service=\"zzz\",{label}=\"1\"}} 1\n"),
            ] {
                if line.contains("zzz") && key.starts_with("kong") {
                    continue;
                }
                assert_eq!(passes(&line).already_labelled, 1, "{line:?}");
            }
        }
        assert_eq!(passes(&enriched).already_labelled, 1);
    }
}

#[test]
fn only_a_real_label_is_a_label() {
    for line in [
        "m{x=\"a,service=\"} 1\n",
        "m{x=\"service=\\\"s\\\"\"} 1\n",
        "m{consumer=\"le-spoof\\\",service=\\\"s\"} 1\n",
        "m{xservice=\"s\"} 1\n",
        "m{service_=\"s\"} 1\n",
        "m{Service=\"s\"} 1\n",
        "m{service=\" s\"} 1\n",
        "m{service=\"\"} 1\n",
        "service 1\n",
        "m 1\n",
        "m{} 1\n",
    ] {
        assert_eq!(passes(line).unparsed, 0, "{line:?}");
    }
}

#[test]
fn what_does_not_parse_passes() {
    for line in [
        "m{service=\"s\"}\n",
        "m{service=\"s\" 1\n",
        "m{service=\"s} 1\n",
        "m{service=\"s\\\"} 1\n",
        "m{service=s} 1\n",
        "m{service=\'s\'} 1\n",
        "m{service\"s\"} 1\n",
        "m{,service=\"s\"} 1\n",
        "m{service=\"s\",,} 1\n",
        "m{service=\"s\"route=\"r\"} 1\n",
        "m{a:b=\"c\",service=\"s\"} 1\n",
        "m{9=\"c\",service=\"s\"} 1\n",
        "m{\"quoted\"=\"c\",service=\"s\"} 1\n",
        "{\"m\",service=\"s\"} 1\n",
        "{service=\"s\"} 1\n",
        "9m{service=\"s\"} 1\n",
        "m-x{service=\"s\"} 1\n",
        "m{service=\"s\"} 1\r\n",
        "m\r{service=\"s\"} 1\n",
        "m\0{service=\"s\"} 1\n",
        "\u{feff}m{service=\"s\"} 1\n",
        "m\n",
        "{\"message\":\"An unexpected error occurred\"}",
    ] {
        assert_eq!(passes(line).unparsed, 1, "{line:?}");
    }
    for line in [
        "",
        "\n",
        " \t\n",
        "#\n",
        "# HELP m\n",
        "# HELP m text\n",
        "# TYPE m gauge\n",
        "# EOF\n",
        " # m{service=\"s\"} 1\n",
    ] {
        assert_eq!(passes(line).unparsed, 0, "{line:?}");
    }
}

#[test]
fn control_characters_in_a_value_are_a_value() {
    enriches(
        "m{^service=\"s\",consumer=\"cr\rtab\tnul\0del\u{7f}sep\u{2028}\"} 1\n",
        "kong_",
    );
}

#[test]
fn a_line_feed_in_a_value_makes_every_line_of_the_sample_pass() {
    let stats = passes("m{service=\"s\",consumer=\"a\nm{service=\\\"s\\\"} 1\nb\"} 88\n");
    assert_eq!((stats.lines, stats.samples, stats.unparsed), (3, 0, 3));
    // A sample as seen from outside of the quotes, but not in truth.
    let stats = passes("m{x=\"1\nm{y=\",service=\"s\"} 1\n");
    assert_eq!((stats.lines, stats.unparsed), (2, 2));
    // A second value opens where the first one closed.
    passes("m{a=\"1\nx\",b=\"2\nm{service=\"s\"} 1\n");
    // A backslash before the line feed.
    passes("m{a=\"1\\\nm{service=\"s\"} 1\n");
}

#[test]
fn a_value_that_never_ends_costs_the_lines_up_to_the_next_quote() {
    let text = "m{service=\"s\n# HELP n\nn 1\nm{service=\"s\"} 1\nm{service=\"s\"} 2\n";
    let (out, stats) = rewrite(text);
    assert_eq!(
        out,
        text.replace(
            "m{service=\"s\"} 2",
            &format!("m{{{ECHO}kong_service=\"s\"}} 2")
        )
    );
    assert_eq!((stats.unparsed, stats.enriched), (4, 1));
}

#[test]
fn an_over_long_line_passes_and_is_counted() {
    let line = "m{service=\"s\"} 1\n";
    let options = Options {
        max_line: line.len() - 1,
        ..Options::default()
    };
    assert_eq!(rewrite_with(options, line).1.enriched, 1);
    let text = "m{service=\"s\"} 12\nm{service=\"s\"} 3\n";
    let (out, stats) = rewrite_with(options, text);
    assert_eq!(
        out,
        text.replace(
            "m{service=\"s\"} 3",
            &format!("m{{{ECHO}kong_service=\"s\"}} 3")
        )
    );
    assert_eq!(
        (stats.lines, stats.over_long, stats.enriched, stats.unparsed),
        (2, 1, 1, 0)
    );
    // Its quotes count all the same.
    let (out, stats) = rewrite_with(options, "m{x=\"too long, too long\nm{service=\"s\"} 3\n");
    assert_eq!(out, "m{x=\"too long, too long\nm{service=\"s\"} 3\n");
    assert_eq!((stats.over_long, stats.unparsed), (1, 1));
}

#[test]
fn enriched_only_keeps_metadata_of_what_stays() {
    let (out, _) = rewrite_with(
        Options {
            keep: Keep::Enriched,
            ..Options::default()
        },
        "# HELP a about\n# TYPE a histogram\na_bucket{service=\"no\"} 1\na_bucket{service=\"s\"} 2\n\n# comment\na_sum{service=\"s\"} 3\n\
         # HELP b\n# TYPE b counter\nb 1\nnonsense\n# TYPE c counter\n# TYPE c gauge\n# UNIT c s\nc{service=\"s\"} 4\nd{service=\"s\"} 5\n# EOF\n",
    );
    assert_eq!(
        out,
        format!(
            "# HELP a about\n# TYPE a histogram\na_bucket{{{ECHO}kong_service=\"s\"}} 2\na_sum{{{ECHO}kong_service=\"s\"}} 3\n\
             # TYPE c counter\n# UNIT c s\nc{{{ECHO}kong_service=\"s\"}} 4\nd{{{ECHO}kong_service=\"s\"}} 5\n# EOF\n"
        )
    );
}

#[test]
fn an_unfinished_line_left_out_leaves_nothing() {
    let (out, _) = rewrite_with(
        Options {
            keep: Keep::Enriched,
            ..Options::default()
        },
        "m{service=\"s\"} 1\nm 2",
    );
    assert_eq!(out, format!("m{{{ECHO}kong_service=\"s\"}} 1\n"));
}

#[test]
fn the_last_entry_for_a_name_stands() {
    let table = LabelTable::builder()
        .service("s", "default", "gone")
        .service("s", "default", "echo")
        .build();
    let mut out = Vec::new();
    let mut rewriter = Rewriter::new(Options::default());
    rewriter.push(&table, b"m{service=\"s\"} 1\n", &mut out);
    let wanted = format!("m{{{ECHO}kong_service=\"s\"}} 1\n");
    assert_eq!(String::from_utf8_lossy(&out), wanted);
}

#[test]
fn ambiguous_names_pass_and_are_told_of_as_they_were_seen() {
    let mut table = LabelTable::builder().service("s", "default", "echo");
    table.set_ambiguous_service("a\"b");
    table.set_ambiguous_upstream("u");
    table.set_ambiguous_service("never seen");
    for at in 0..9 {
        table.set_ambiguous_service(&format!("more {at}"));
    }
    let table = table.build();
    let mut text = String::from(
        "m{service=\"a\\\"b\"} 1\nm{service=\"u\"} 1\nm{service=\"s\",service=\"a\\\"b\"} 1\n\
         kong_upstream_target_health{upstream=\"u\"} 1\nm{service=\"a\\\"b\"} 2\n",
    );
    for at in 0..9 {
        text += &format!("m{{service=\"more {at}\"}} 1\n");
    }
    let mut rewriter = Rewriter::new(Options::default());
    let mut out = Vec::new();
    rewriter.push(&table, text.as_bytes(), &mut out);
    assert_eq!(String::from_utf8_lossy(&out), text);
    let stats = rewriter.stats();
    assert_eq!((stats.ambiguous, stats.unknown), (12, 1));
    let seen: Vec<(String, u64)> = rewriter
        .ambiguous()
        .iter()
        .map(|(name, samples)| (String::from_utf8_lossy(name).into_owned(), samples))
        .collect();
    let mut expected = vec![("a\\\"b".to_owned(), 2), ("u".to_owned(), 1)];
    expected.extend((0..6).map(|at| (format!("more {at}"), 1)));
    assert_eq!(seen, expected);
}
