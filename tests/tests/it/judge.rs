//! What the judge calls wrong and missed.

#![expect(clippy::unwrap_used, reason = "a test may fail so")]

use std::collections::BTreeMap;

use serde_json::json;
use tagalong_tests::judge::{Answer, Table, Verdict, Why};

/// The service and upstream `httproute.a.r.0` with these targets, made of these Services, labelled `b/x` if `label` says so.
fn verdict(
    targets: &serde_json::Value,
    algorithm: &str,
    backends: &[&str],
    label: bool,
) -> Verdict {
    let name = "httproute.a.r.0";
    let answer: Answer = serde_json::from_value(json!({
        "world": "1", "translator": "t", "flags": "ids",
        "services": {name: {"upstream": name, "backends": backends}},
        "upstreams": {name: {"targets": targets, "algorithm": algorithm}},
    }))
    .unwrap();
    let names: BTreeMap<_, _> = label
        .then(|| (name.to_owned(), "b/x".to_owned()))
        .into_iter()
        .collect();
    answer.judge(
        &Table {
            services: names.clone(),
            upstreams: names,
        },
        |service| service == "b/x",
    )
}

fn why(targets: &serde_json::Value, algorithm: &str, backends: &[&str]) -> Vec<Why> {
    let verdict = verdict(targets, algorithm, backends, true);
    assert_eq!((verdict.made, verdict.labelled), (1, 1));
    verdict.wrong.iter().map(|wrong| wrong.why).collect()
}

#[test]
fn a_label_is_right_where_all_requests_go_to_its_service() {
    let none: [Why; 0] = [];
    assert_eq!(why(&json!({"b/x": 1}), "latency", &["b/x"]), none);
    assert_eq!(why(&json!({}), "latency", &["b/x"]), none);
}

#[test]
fn another_services_target_makes_it_wrong() {
    let both = ["b/x", "a/y"];
    assert_eq!(
        why(&json!({"b/x": 1, "a/y": 1}), "round-robin", &both),
        [Why::Traffic, Why::Target]
    );
    assert_eq!(
        why(&json!({"b/x": 1, "a/y": 0}), "consistent-hashing", &both),
        [Why::Target]
    );
    for algorithm in ["least-connections", "latency", "sticky-sessions"] {
        let found = why(&json!({"b/x": 1, "a/y": 0}), algorithm, &both);
        assert_eq!(found, [Why::Weightless, Why::Target], "{algorithm}");
    }
}

#[test]
fn a_dropped_reference_makes_it_wrong() {
    assert_eq!(why(&json!({}), "round-robin", &[]), [Why::NotGranted]);
}

#[test]
fn a_name_without_a_label_is_missed_where_one_service_is_behind_it() {
    let missed = |targets: &serde_json::Value| {
        let verdict = verdict(targets, "round-robin", &["b/x"], false);
        assert_eq!(verdict.missed, verdict.missed_upstreams);
        verdict.missed.into_values().collect::<Vec<_>>()
    };
    assert_eq!(missed(&json!({"b/x": 0})), ["b/x"]);
    assert!(missed(&json!({"b/x": 1, "a/y": 0})).is_empty());
    assert!(missed(&json!({})).is_empty());
}
