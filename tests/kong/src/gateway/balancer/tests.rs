use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::*;

fn config(targets: &serde_json::Value) -> Config {
    let document =
        json!({ "_format_version": "3.0", "upstreams": [{ "name": "u", "targets": targets }] });
    Config::load(&document, &BTreeSet::new()).unwrap()
}

fn balancer(targets: &serde_json::Value) -> Arc<Balancer> {
    balancers(&config(targets), &BTreeMap::new())["u"].clone()
}

#[test]
fn traffic_follows_the_weights() {
    let balancer = balancer(&json!([
        { "target": "a:1", "weight": 75 }, { "target": "b:1", "weight": 25 }, { "target": "c:1", "weight": 0 },
    ]));
    let mut counts = BTreeMap::new();
    for _ in 0..400 {
        *counts.entry(balancer.next(&[]).unwrap()).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([("a:1", 300), ("b:1", 100)]));
}

#[test]
fn a_retry_goes_elsewhere_while_it_can() {
    let balancer = balancer(&json!([{ "target": "a:1" }, { "target": "b:1" }]));
    for _ in 0..10 {
        let first = balancer.next(&[]).unwrap().to_owned();
        let second = balancer
            .next(std::slice::from_ref(&first))
            .unwrap()
            .to_owned();
        assert_ne!(first, second);
        assert!(balancer.next(&[first, second]).is_some());
    }
}

#[test]
fn no_target_no_peer() {
    assert_eq!(balancer(&json!([])).next(&[]), None);
    assert_eq!(
        balancer(&json!([{ "target": "a:1", "weight": 0 }])).next(&[]),
        None
    );
}

#[test]
fn an_unchanged_upstream_keeps_its_turn() {
    let targets = json!([{ "target": "a:1" }, { "target": "b:1" }]);
    let before = balancers(&config(&targets), &BTreeMap::new());
    let after = balancers(&config(&targets), &before);
    assert!(Arc::ptr_eq(&before["u"], &after["u"]));
    let changed = balancers(&config(&json!([{ "target": "a:1" }])), &before);
    assert!(!Arc::ptr_eq(&before["u"], &changed["u"]));
}
