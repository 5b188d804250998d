//! Input that no Kong has sent, but that is made of what one sends.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{KEEPS, agrees};
use crate::Options;
use crate::naive::NaiveTable;

/// Names as they may stand in a table, unescaped; the first ones are those that the lines use.
const NAMES: [&str; 8] = [
    "s",
    "a\"b",
    "back\\slash",
    "n\nl",
    "",
    "сервис",
    "a,service=",
    "tail\\",
];

fn tables() -> impl Strategy<Value = NaiveTable> {
    let name = || prop_oneof![4 => proptest::sample::select(&NAMES[..]).prop_map(str::to_owned), 1 => ".*"];
    let entries = || proptest::collection::btree_map(name(), (name(), name()), 0..6);
    let ambiguous = || proptest::collection::btree_set(name(), 0..2);
    (entries(), entries(), ambiguous(), ambiguous()).prop_map(
        |(services, upstreams, ambiguous_services, ambiguous_upstreams)| NaiveTable {
            services,
            upstreams,
            ambiguous_services,
            ambiguous_upstreams,
        },
    )
}

fn pick(from: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(from).prop_map(str::to_owned)
}

fn blank() -> impl Strategy<Value = String> {
    prop_oneof![12 => Just(String::new()), 1 => pick(&[" ", "\t", "  \t"])]
}

fn label() -> impl Strategy<Value = String> {
    let name = pick(&[
        "service",
        "service",
        "service",
        "upstream",
        "route",
        "le",
        "le",
        "quantile",
        "consumer",
        "namespace",
        "kong_service",
        "kubernetes_name",
        "kubernetes_kind",
        "_",
        "x9",
        "a:b",
        "9",
        "",
    ]);
    let value = prop_oneof![
        4 => pick(&["s", "s", "zzz", "", "a\\\"b", "back\\\\slash", "n\\nl", "сервис", "tail\\\\", "+Inf", "25", "10000"]),
        1 => pick(&[
            "le-spoof\\\",le=\\\"5", "a,service=", "brace}{x", "cr\r", "nul\0", "lf\nx", "lf\nm{service=\\\"s\\\"} 1\nx",
            "\\", "\\x", "x\n", "longer than a word", "\u{2028}",
        ]),
    ];
    let opening = prop_oneof![30 => Just("\""), 1 => Just("")];
    let closing = prop_oneof![30 => Just("\""), 1 => Just("")];
    (name, blank(), blank(), opening, value, closing).prop_map(
        |(name, a, b, opening, value, closing)| format!("{name}{a}={b}{opening}{value}{closing}"),
    )
}

fn sample() -> impl Strategy<Value = String> {
    let name = pick(&[
        "m",
        "m_bucket",
        "m_sum",
        "m_count",
        "kong_upstream_target_health",
        "kong_upstream_target_health",
        "n:x",
        "",
        "9",
        "a-b",
    ]);
    let brace = prop_oneof![20 => Just("{"), 1 => Just("")];
    let close = prop_oneof![20 => Just("}"), 1 => Just(",}"), 1 => Just(",,}"), 1 => Just("")];
    let labels =
        (vec((label(), blank(), blank()), 0..5), any::<bool>()).prop_map(|(labels, once)| {
            let mut text = String::new();
            for (i, (label, before, after)) in labels.iter().enumerate() {
                if once && i > 0 && label.starts_with("service") {
                    continue;
                }
                text.push_str(if text.is_empty() { "" } else { "," });
                text.push_str(before);
                text.push_str(label);
                text.push_str(after);
            }
            text
        });
    let rest = prop_oneof![
        6 => pick(&[" 1", " 123", " 12345678", " 1.5e+3", " NaN", " +Inf", "1", " 3 ", "\t7"]),
        1 => pick(&[
            "", " ", " x", " 1 1700000000", " 1 2 3", " 1 # {} 2", " 1 # {a=\"b\"} 2 3.5", " 1 4 # {a=\"b\nc\"} 2", " 1#",
            " 1\r", " 1 # {a=\"b\"}", " -nan", " 1\u{a0}", " -1", " -0", " 1e400", " 1e0000000001", " -Inf",
        ]),
    ];
    (blank(), name, blank(), brace, labels, close, rest).prop_map(
        |(a, name, b, brace, labels, close, rest)| {
            format!("{a}{name}{b}{brace}{labels}{close}{rest}")
        },
    )
}

/// A histogram as Kong writes it, so that lines follow each other that begin alike, with an odd one here and there.
fn histogram() -> impl Strategy<Value = String> {
    let bound = prop_oneof![
        6 => pick(&["1", "25", "+Inf", "60000"]),
        1 => pick(&["1.0", "25.0", "0.5", "-1", "NaN", "inf", "1e400", "12345678", "x\n1", "\\\"", "a\\\\", "", "\n\"} 1"]),
    ];
    let count = prop_oneof![6 => pick(&["1", "12", "1234567"]), 1 => pick(&["", "x", "12345678", "1 2", " 1", "1.5", "1\r"])];
    (pick(&["s", "s", "zzz"]), vec((bound, count, label()), 1..8)).prop_map(|(service, buckets)| {
        let line = |(i, (le, count, label)): (usize, &(String, String, String))| {
            let extra = if i % 3 == 2 {
                format!("{label},")
            } else {
                String::new()
            };
            format!("m_bucket{{service=\"{service}\",{extra}le=\"{le}\"}} {count}")
        };
        buckets
            .iter()
            .enumerate()
            .map(line)
            .collect::<Vec<_>>()
            .join("\n")
    })
}

pub(crate) fn lines() -> impl Strategy<Value = Vec<u8>> {
    let other = pick(&[
        "",
        " ",
        "# HELP m text",
        "# TYPE m histogram",
        "# TYPE m histogram",
        "# TYPE m summary",
        "# TYPE m counter",
        "# TYPE m_sum gauge",
        "# TYPE kong_upstream_target_health histogram",
        "# UNIT m s",
        "# HELP n",
        "# TYPE kong_upstream_target_health gauge",
        "#",
        "# EOF",
        "# comment",
        "#HELP m",
        " # TYPE m gauge",
        "line\"} 88",
        "\"",
        "{",
        "m",
        "{\"message\":\"no\"}",
        "m 1",
        "\r",
    ]);
    let line = prop_oneof![5 => sample(), 2 => histogram(), 2 => other];
    let change = (
        any::<prop::sample::Index>(),
        0..4_u8,
        proptest::sample::select(&b"\"\\\n,={} \t#sx1\r\0\xff"[..]),
    );
    (vec(line, 0..12), any::<bool>(), vec(change, 0..3)).prop_map(|(lines, ended, changes)| {
        let mut text = lines.join("\n").into_bytes();
        if ended {
            text.push(b'\n');
        }
        for (at, how, byte) in changes {
            if text.is_empty() {
                break;
            }
            let at = at.index(text.len());
            match how {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                2 => drop(text.remove(at)),
                _ => {}
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fast_is_naive(
        table in tables(),
        text in lines(),
        keep in proptest::sample::select(&KEEPS[..]),
        max_line in prop_oneof![4 => Just(64 * 1024), 1 => 0..120_usize],
        lengths in vec(0..40_usize, 1..6).prop_filter("ends", |lengths| lengths.iter().any(|l| *l > 0)),
    ) {
        agrees(Options { max_line, keep }, &table, &text, &lengths);
    }

    #[test]
    fn every_split_is_the_same(table in tables(), line in sample(), other in sample()) {
        let text = format!("{line}\n{other}\n{line}");
        for split in 1..text.len() {
            agrees(Options::default(), &table, text.as_bytes(), &[split, text.len()]);
        }
    }
}
