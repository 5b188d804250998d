//! Small worlds for each way in which a label was once wrong or missed, with what is right.

use std::path::Path;

use serde_json::Value;
use tagalong_index::{Index, Key, Manifests, ObjectKind, Settings};
use tagalong_wire::{Names, Snapshot};

fn index(world: &str) -> Index {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/data/names")
        .join(format!("{world}.yaml"));
    let text = std::fs::read_to_string(path).expect(world);
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    let manifests = Manifests::read(documents).with_operators();
    assert!(manifests.problems.is_empty(), "{:?}", manifests.problems);
    let mut index = Index::new(Settings::default());
    for object in manifests.objects {
        index.apply(object);
    }
    index
}

fn table(index: &Index) -> Snapshot {
    index.snapshot(&Key::new("kong", "g1")).expect("a table")
}

fn label(names: &Names, name: &str) -> Option<String> {
    names.0.get(name).map(ToString::to_string)
}

#[test]
fn what_is_right() {
    let (a, none) = (Some("ns/a"), None);
    for (world, name, service, upstream) in [
        // Every version drops the other backend.
        ("missing-backend", "httproute.ns.r.0", a, a),
        ("other-kind", "httproute.ns.r.0", a, a),
        ("no-grant", "httproute.ns.r.0", a, a),
        // It may get endpoints, or a port.
        ("no-endpoints", "httproute.ns.r.0", none, none),
        ("no-port", "httproute.ns.r.0", none, none),
        // Nobody permitted it.
        ("no-grant-alone", "httproute.evil.r.0", none, none),
        (
            "no-grant-alone",
            "httproute.evil.q.0",
            Some("evil/mine"),
            Some("evil/mine"),
        ),
        ("no-grant-tcp", "tcproute.evil.t.0", none, none),
        // The drained Service's pods are targets, and get requests unless Kong goes around in circles.
        ("weight-0-default", "httproute.ns.r.0", a, none),
        ("weight-0-least-connections", "httproute.ns.r.0", none, none),
        ("sticky-weight-0", "httproute.ns.r.0", none, none),
    ] {
        let table = table(&index(world));
        assert_eq!(
            label(&table.services, name).as_deref(),
            service,
            "{world}: service {name}"
        );
        assert_eq!(
            label(&table.upstreams, name).as_deref(),
            upstream,
            "{world}: upstream {name}"
        );
    }
}

/// What Kong Operator's translator (2.3.0-rc.3) names the two Kong services of that world.
#[test]
fn a_long_name_with_a_timeout() {
    let table = table(&index("timeout-long-name"));
    let hashed: Vec<&String> = table
        .services
        .0
        .keys()
        .filter(|name| name.contains("_combined."))
        .collect();
    assert_eq!(hashed.len(), 2, "{hashed:?}");
    assert!(
        hashed
            .iter()
            .any(|name| name.contains("_combined.e13f715b")),
        "{hashed:?}"
    );
    assert!(
        hashed.iter().all(|name| !name.contains("timeout")),
        "{hashed:?}"
    );
}

#[test]
fn a_listeners_host_name() {
    let mut index = index("grpc-listener-host");
    let name = "grpcroute.ns.r.l.example.com.0";
    assert!(table(&index).services.0.contains_key(name));
    assert!(table(&index).services.0.contains_key("grpcroute.ns.r._.0"));
    let changes = index.delete(ObjectKind::Gateway, &Key::new("kong", "g1"));
    assert_eq!(changes.tables.len(), 1, "a Gateway that goes is told");
    assert!(!table(&index).services.0.contains_key(name));
}

/// A grant that comes, and one that goes, is a delta, and what `explain` says.
#[test]
fn a_grant_changes_the_table() {
    let mut index = index("no-grant-alone");
    let name = "httproute.evil.r.0";
    let text = index.explain_name(name).to_string();
    assert!(
        text.contains("no ReferenceGrant in the Service's namespace permits"),
        "{text}"
    );
    let grant: tagalong_crds::ReferenceGrant = serde_json::from_value(serde_json::json!({
        "metadata": {"namespace": "victim", "name": "to-evil"},
        "spec": {"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "evil"}],
                 "to": [{"group": "", "kind": "Service"}]},
    }))
    .unwrap();
    let changes = index.apply(grant);
    assert_eq!(changes.tables.len(), 1);
    let labelled = |index: &Index| label(&table(index).services, name);
    assert_eq!(labelled(&index).as_deref(), Some("victim/payments"));
    let changes = index.delete(ObjectKind::Grant, &Key::new("victim", "to-evil"));
    assert_eq!(changes.tables.len(), 1);
    assert_eq!(labelled(&index), None);
}
