use serde_json::{Value, json};
use tagalong_crds as crds;

use super::*;
use crate::referents::{Grant, Policy};

/// Namespace `n` has Services `a`, `b` and, balanced by least connections, `c`; `d` names a policy that is not there. In `m`,
/// routes of `n` may use `a` and nothing else.
fn referents() -> Referents {
    let names = &mut Interner::default();
    let mut referents = Referents::default();
    for (key, policy) in [
        ("n/a", None),
        ("n/b", None),
        ("n/c", Some("least")),
        ("n/d", Some("none")),
        ("n/e", Some("round")),
        ("m/a", None),
        ("m/b", None),
    ] {
        let annotations = policy.map_or(
            json!({}),
            |policy| json!({"konghq.com/upstream-policy": policy}),
        );
        let service: crds::Service =
            serde_json::from_value(json!({"metadata": {"annotations": annotations}})).unwrap();
        let service = crate::records::Service::of(&service, names);
        referents.put_service(&key.parse().unwrap(), Some(service));
    }
    for (name, algorithm) in [("least", "least-connections"), ("round", "round-robin")] {
        let policy: crds::KongUpstreamPolicy =
            serde_json::from_value(json!({"spec": {"algorithm": algorithm}})).unwrap();
        referents.put_policy(&Key::new("n", name), Some(Policy::of(&policy)));
    }
    let grant: crds::ReferenceGrant = serde_json::from_value(json!({"spec": {
        "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "n"}],
        "to": [{"group": "", "kind": "Service", "name": "a"}],
    }}))
    .unwrap();
    referents.put_grant(&Key::new("m", "g"), Some(Grant::of(&grant, names)));
    referents
}

fn reach_of(kind: &str, refs: &Value) -> (String, String) {
    let refs: Vec<BackendRef> = serde_json::from_value(refs.clone()).unwrap();
    let destination = Destination::of(&refs, "n", &mut Interner::default());
    let reach = destination.reach(kind, "n", &referents());
    (reach.traffic.to_string(), reach.addresses.to_string())
}

#[test]
fn what_a_rule_reaches() {
    let to = |name: &str| json!({"name": name, "port": 80});
    let weighing = |name: &str, weight: i32| json!({"name": name, "port": 80, "weight": weight});
    let in_m = |name: &str| json!({"name": name, "namespace": "m", "port": 80});
    let bucket = json!({"group": "example.com", "kind": "Bucket", "name": "a"});
    let (a, b) = ("Service n/a", "Service n/b");
    let several = "several Services";
    let drained = "a Service, and addresses of another one that has weight 0";
    let nothing = |why: Nothing| format!("no Service: {why}");
    for (refs, traffic, addresses) in [
        (
            json!([]),
            &*nothing(Nothing::NoBackend),
            &*nothing(Nothing::NoBackend),
        ),
        (json!([to("a")]), a, a),
        (json!([weighing("a", 0)]), a, a),
        (json!([weighing("a", 3), weighing("a", 0)]), a, a),
        (
            json!([to("a"), {"name": "a", "port": 81, "kind": "Service", "group": ""}]),
            a,
            a,
        ),
        (json!([to("a"), to("b")]), several, several),
        (
            json!([to("a"), to("b"), weighing("c", 0)]),
            several,
            several,
        ),
        // Addresses of weight 0 stay in the upstream.
        (json!([to("a"), weighing("b", 0)]), a, drained),
        (
            json!([weighing("a", 2), to("a"), weighing("b", 0)]),
            a,
            drained,
        ),
        (
            json!([weighing("a", 0), weighing("b", 0)]),
            &*nothing(Nothing::NoWeight),
            drained,
        ),
        (json!([to("a"), weighing("e", 0)]), a, drained),
        // Whose algorithm uses them, or is not known.
        (json!([to("a"), weighing("c", 0)]), drained, drained),
        (json!([to("c"), weighing("a", 0)]), drained, drained),
        (json!([to("a"), weighing("d", 0)]), drained, drained),
        // Left out by every version.
        (json!([to("a"), bucket]), a, a),
        (json!([to("a"), to("gone")]), a, a),
        (json!([to("a"), in_m("b")]), a, a),
        (json!([weighing("a", 0), in_m("b")]), a, a),
        (
            json!([bucket]),
            &*nothing(Nothing::NotAService),
            &*nothing(Nothing::NotAService),
        ),
        (
            json!([in_m("b")]),
            &*nothing(Nothing::NotGranted),
            &*nothing(Nothing::NotGranted),
        ),
        (
            json!([to("gone"), to("lost")]),
            &*nothing(Nothing::NoSuchService),
            &*nothing(Nothing::NoSuchService),
        ),
        // Permitted.
        (json!([in_m("a")]), "Service m/a", "Service m/a"),
        (json!([to("b"), in_m("a")]), several, several),
        (
            json!([weighing("b", 1), {"name": "a", "namespace": "m", "weight": 0}]),
            b,
            drained,
        ),
        // A Service that is the only one named may not exist yet.
        (json!([to("gone")]), "Service n/gone", "Service n/gone"),
        (
            json!([{"name": ""}]),
            &*nothing(Nothing::NoName),
            &*nothing(Nothing::NoName),
        ),
        (
            json!([{"name": "a b"}]),
            &*nothing(Nothing::NoName),
            &*nothing(Nothing::NoName),
        ),
    ] {
        let reached = reach_of("HTTPRoute", &refs);
        assert_eq!(
            reached,
            (traffic.to_owned(), addresses.to_owned()),
            "{refs}"
        );
    }
}

#[test]
fn a_grant_is_for_one_kind_of_route() {
    let refs = json!([{"name": "a", "namespace": "m", "port": 80}]);
    assert_eq!(reach_of("HTTPRoute", &refs).0, "Service m/a");
    for kind in ["GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute"] {
        assert!(reach_of(kind, &refs).0.contains("ReferenceGrant"), "{kind}");
    }
}

#[test]
fn only_what_can_change_its_mind_depends_on_anything() {
    let depends = |refs: Value| {
        let refs: Vec<BackendRef> = serde_json::from_value(refs).unwrap();
        Destination::of(&refs, "n", &mut Interner::default()).referents("n")
    };
    let service = |key: &str| Referent::Service(key.parse().unwrap());
    assert_eq!(
        depends(json!([{"name": "a"}, {"name": "a", "port": 1}])),
        []
    );
    assert_eq!(depends(json!([{"name": "a", "kind": "Bucket"}])), []);
    assert_eq!(
        depends(json!([{"name": "a", "namespace": "m"}])),
        [Referent::Grants(Name::from("m"))]
    );
    assert_eq!(
        depends(json!([{"name": "a"}, {"name": "b"}])),
        [service("n/a"), service("n/b")]
    );
}

#[test]
fn algorithms_that_may_use_a_target_of_weight_0() {
    let safe = |algorithm: &str| {
        let mut referents = Referents::default();
        let policy = json!({"spec": {"algorithm": algorithm}});
        let policy: crds::KongUpstreamPolicy = serde_json::from_value(policy).unwrap();
        referents.put_policy(&Key::new("n", "p"), Some(Policy::of(&policy)));
        let service = json!({"metadata": {"annotations": {"konghq.com/upstream-policy": "p"}}});
        let service: crds::Service = serde_json::from_value(service).unwrap();
        let service = crate::records::Service::of(&service, &mut Interner::default());
        let key = Key::new("n", "s");
        referents.put_service(&key, Some(service));
        referents.leaves_weight_zero_out(&key)
    };
    for algorithm in ["round-robin", "consistent-hashing"] {
        assert!(safe(algorithm), "{algorithm}");
    }
    for algorithm in [
        "least-connections",
        "latency",
        "sticky-sessions",
        "a new one",
    ] {
        assert!(!safe(algorithm), "{algorithm}");
    }
}
