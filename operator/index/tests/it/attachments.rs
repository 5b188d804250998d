//! Every place where an extension can be attached, and what its DataPlane sees.

use crate::common::Thing;
use serde_json::{Value, json};
use tagalong_index::{Index, Key, ObjectKind, Settings, TableUpdate};

fn index(things: &[Thing]) -> Index {
    let mut index = Index::new(Settings::default());
    for thing in things {
        index.apply(thing.object());
    }
    index
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

fn extension(namespace: &str, name: &str, services: &[&str]) -> Thing {
    let names: Vec<Value> = services.iter().map(|name| json!({"name": name})).collect();
    let spec = json!({"config": {"latency": true}, "serviceSelector": {"matchNames": names}});
    Thing::new(
        ObjectKind::Extension,
        namespace,
        name,
        json!({"spec": spec}),
    )
}

fn control_plane(name: &str, spec: Value) -> Thing {
    Thing::new(
        ObjectKind::ControlPlane,
        "kong",
        name,
        json!({"spec": spec}),
    )
}

fn reference(name: &str) -> Value {
    json!([{"group": "gateway-operator.konghq.com", "kind": "DataPlaneMetricsExtension", "name": name}])
}

fn dataplane(name: &str) -> Thing {
    Thing::new(ObjectKind::DataPlane, "kong", name, json!({}))
}

fn attached(index: &Index, dataplane: &str) -> Vec<String> {
    index
        .dataplane(&key(dataplane))
        .expect(dataplane)
        .extensions
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_control_plane_of_either_generation() {
    let mut by_owner = control_plane(
        "c",
        json!({"dataplane": {"type": "managedByOwner"}, "extensions": reference("e")}),
    );
    by_owner.json["status"] = json!({"dataPlane": {"name": "d"}});
    for control_plane in [
        control_plane("c", json!({"dataplane": "d", "extensions": reference("e")})),
        control_plane(
            "c",
            json!({"dataplane": {"type": "ref", "ref": {"name": "d"}}, "extensions": reference("e")}),
        ),
        by_owner,
    ] {
        let index = index(&[extension("kong", "e", &[]), dataplane("d"), control_plane]);
        assert_eq!(attached(&index, "kong/d"), ["kong/e"]);
        let attachment = &index.attachments(&key("kong/e"))[0];
        assert_eq!(attachment.by.to_string(), "ControlPlane kong/c");
        assert_eq!(attachment.dataplane, Some(key("kong/d")));
    }
}

#[test]
fn references_of_other_kinds_are_others() {
    let extensions = json!([
        {"group": "konnect.konghq.com", "kind": "KonnectExtension", "name": "e"},
        {"group": "konnect.konghq.com", "kind": "DataPlaneMetricsExtension", "name": "e"},
        {"kind": "KonnectExtension", "name": "e"},
    ]);
    let index = index(&[
        extension("kong", "e", &[]),
        control_plane("c", json!({"dataplane": "d", "extensions": extensions})),
    ]);
    assert!(index.attachments(&key("kong/e")).is_empty());
}

#[test]
fn an_extension_of_another_namespace_selects_in_the_control_planes() {
    let mut reference = reference("e");
    reference[0]["namespace"] = json!("other");
    let service = Thing::new(ObjectKind::Service, "kong", "echo", json!({}));
    let index = index(&[
        extension("other", "e", &["echo"]),
        service,
        dataplane("d"),
        control_plane("c", json!({"dataplane": "d", "extensions": reference})),
    ]);
    assert_eq!(attached(&index, "kong/d"), ["other/e"]);
    let plan = index.plan(&key("other/e"));
    assert_eq!(plan.services[0].service, key("kong/echo"));
    let plugin = &plan.plugins[0].key;
    assert_eq!(&*plugin.namespace, "kong");
    assert!(
        plugin.name.starts_with("e-") && plugin.name.len() > "e-metrics-prometheus".len(),
        "{plugin}"
    );
}

#[test]
fn one_extension_on_two_control_planes() {
    let mut index = index(&[
        extension("kong", "e", &[]),
        dataplane("d1"),
        dataplane("d2"),
        control_plane(
            "c2",
            json!({"dataplane": "d2", "extensions": reference("e")}),
        ),
        control_plane(
            "c1",
            json!({"dataplane": "d1", "extensions": reference("e")}),
        ),
    ]);
    let by = |index: &Index| -> Vec<String> {
        index
            .attachments(&key("kong/e"))
            .iter()
            .map(|attachment| attachment.by.key.to_string())
            .collect()
    };
    assert_eq!(by(&index), ["kong/c1", "kong/c2"]);
    let changes = index.delete(ObjectKind::ControlPlane, &key("kong/c1"));
    assert!(
        changes.extensions.contains(&key("kong/e")) && changes.dataplanes.contains(&key("kong/d1"))
    );
    assert_eq!(by(&index), ["kong/c2"]);
    assert!(attached(&index, "kong/d1").is_empty());
}

#[test]
fn what_is_being_deleted_attaches_nothing() {
    let deleting = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    let mut gone = extension("kong", "e", &["echo"]);
    gone.json["metadata"]["deletionTimestamp"] = deleting["metadata"]["deletionTimestamp"].clone();
    let mut here = control_plane("c", json!({"dataplane": "d", "extensions": reference("e")}));
    let mut index = index(&[gone, dataplane("d"), here.clone()]);
    assert!(attached(&index, "kong/d").is_empty());
    let plan = index.plan(&key("kong/e"));
    assert!(plan.seen.is_none() && plan.services.is_empty());

    index.apply(extension("kong", "e", &["echo"]).object());
    assert_eq!(attached(&index, "kong/d"), ["kong/e"]);
    here.json["metadata"]["deletionTimestamp"] = deleting["metadata"]["deletionTimestamp"].clone();
    index.apply(here.object());
    assert!(attached(&index, "kong/d").is_empty());
    assert!(index.attachments(&key("kong/e")).is_empty());
}

#[test]
fn a_workload_names_an_extension_of_its_own_namespace_or_of_another() {
    for (written, extension) in [("e", "apps/e"), (" e ", "apps/e"), ("other/e", "other/e")] {
        let index = index(&[Thing::new(
            ObjectKind::Deployment,
            "apps",
            "kong",
            json!({"metadata": {
                "labels": {"tagalong.dev/inject": "enabled"},
                "annotations": {"tagalong.dev/metrics-extension": written},
            }}),
        )]);
        assert_eq!(index.attachments(&key(extension)).len(), 1, "{written:?}");
    }
}

#[test]
fn a_workload_stands_for_a_dataplane() {
    let workload = |name: &str, metadata: Value| {
        let body =
            json!({"metadata": metadata, "spec": {"selector": {"matchLabels": {"app": name}}}});
        Thing::new(ObjectKind::Deployment, "apps", name, body)
    };
    let marked = |extra: Value| {
        let mut metadata = json!({"labels": {"tagalong.dev/inject": "enabled"},
                                  "annotations": {"tagalong.dev/metrics-extension": "e"}});
        metadata["labels"]
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        metadata
    };
    let mut index = index(&[
        extension("apps", "e", &["echo"]),
        workload("kong", marked(json!({}))),
        workload("blue", marked(json!({"tagalong.dev/dataplane": "edge"}))),
        workload("green", marked(json!({"tagalong.dev/dataplane": "edge"}))),
        workload(
            "unmarked",
            json!({"annotations": {"tagalong.dev/metrics-extension": "e"}}),
        ),
    ]);
    let names: Vec<String> = index
        .dataplanes()
        .map(|dataplane| dataplane.key.to_string())
        .collect();
    assert_eq!(names, ["apps/edge", "apps/kong"]);
    assert_eq!(attached(&index, "apps/kong"), ["apps/e"]);
    let edge = index.dataplane(&key("apps/edge")).unwrap();
    assert_eq!(edge.objects.len(), 2);
    assert!(edge.marked && !edge.is_managed());
    assert_eq!(index.attachments(&key("apps/e")).len(), 3);
    assert_eq!(&*index.attachments(&key("apps/e"))[0].namespace, "apps");

    // A real DataPlane of the name has it.
    index.apply(Thing::new(ObjectKind::DataPlane, "apps", "edge", json!({})).object());
    let edge = index.dataplane(&key("apps/edge")).unwrap();
    assert!(
        edge.is_managed() && !edge.marked && edge.shadowed.len() == 2 && edge.extensions.is_empty()
    );
}

#[test]
fn a_dataplanes_own_deployment_is_no_workload() {
    let owner = json!([{"apiVersion": "gateway-operator.konghq.com/v1beta1", "kind": "DataPlane", "name": "d", "uid": "u"}]);
    let metadata = json!({"labels": {"tagalong.dev/inject": "enabled"}, "ownerReferences": owner});
    let index = index(&[Thing::new(
        ObjectKind::Deployment,
        "kong",
        "dataplane-d-x",
        json!({"metadata": metadata}),
    )]);
    assert_eq!(index.dataplanes().count(), 0);
}

fn echo(namespace: &str, name: &str, gateway: &str) -> Thing {
    let spec = json!({"parentRefs": [{"name": gateway, "namespace": "kong"}],
                      "rules": [{"backendRefs": [{"name": "echo", "port": 80}]}]});
    Thing::new(
        ObjectKind::HttpRoute,
        namespace,
        name,
        json!({"spec": spec}),
    )
}

/// A DataPlane of this Gateway.
fn owned(name: &str, gateway: &str) -> Thing {
    let owner = json!([{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": gateway, "uid": "u"}]);
    Thing::new(
        ObjectKind::DataPlane,
        "kong",
        name,
        json!({"metadata": {"ownerReferences": owner}}),
    )
}

#[test]
fn a_dataplane_gets_its_own_gateways_routes_and_no_others() {
    let mut index = index(&[
        owned("d1", "g1"),
        owned("d2", "g2"),
        dataplane("alone"),
        echo("a", "r1", "g1"),
    ]);
    let has = |index: &Index, dataplane: &str, name: &str| {
        index
            .snapshot(&key(dataplane))
            .unwrap()
            .services
            .0
            .contains_key(name)
    };
    let name = "httproute.a.r1.0";
    assert!(
        has(&index, "kong/d1", name)
            && !has(&index, "kong/d2", name)
            && has(&index, "kong/alone", name)
    );

    let changes = index.apply(echo("a", "r2", "g2").object());
    let told: Vec<String> = changes
        .tables
        .iter()
        .map(|change| change.dataplane.to_string())
        .collect();
    assert_eq!(told, ["kong/alone", "kong/d2"]);
    assert!(
        changes
            .tables
            .iter()
            .all(|change| matches!(change.update, TableUpdate::Delta(_)))
    );
}

#[test]
fn a_route_moves_to_another_gateway() {
    let mut index = index(&[owned("d1", "g1"), owned("d2", "g2"), echo("a", "r", "g1")]);
    let changes = index.apply(echo("a", "r", "g2").object());
    let deltas: Vec<(String, usize, usize)> = changes
        .tables
        .iter()
        .map(|change| match &change.update {
            TableUpdate::Delta(delta) => (
                change.dataplane.to_string(),
                delta.set.services.len(),
                delta.unset.services.len(),
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        deltas,
        [("kong/d1".to_owned(), 0, 3), ("kong/d2".to_owned(), 3, 0)]
    );
}

#[test]
fn workloads_of_one_name_see_what_either_sees() {
    let workload = |name: &str, namespaces: Value| {
        let mut metadata =
            json!({"labels": {"tagalong.dev/inject": "enabled", "tagalong.dev/dataplane": "edge"}});
        if !namespaces.is_null() {
            metadata["annotations"] = json!({"tagalong.dev/watch-namespaces": namespaces});
        }
        Thing::new(
            ObjectKind::Deployment,
            "apps",
            name,
            json!({"metadata": metadata}),
        )
    };
    for (one, other, seen) in [
        (json!("a"), json!("a, b"), 6),
        (json!("a"), json!("c"), 3),
        (json!("c"), json!("d"), 0),
        (json!("c"), Value::Null, 6),
        (Value::Null, json!("c"), 6),
    ] {
        let index = index(&[
            workload("w1", one.clone()),
            workload("w2", other.clone()),
            echo("a", "r", "g"),
            echo("b", "r", "g"),
        ]);
        let table = index.snapshot(&key("apps/edge")).unwrap();
        assert_eq!(table.services.len(), seen, "{one} and {other}");
    }
}

#[test]
fn a_dataplane_gets_the_namespaces_that_its_control_plane_watches() {
    let watching =
        |watch: Value| control_plane("c", json!({"dataplane": "d", "watchNamespaces": watch}));
    let mut index = index(&[
        dataplane("d"),
        echo("a", "r", "g"),
        echo("b", "r", "g"),
        echo("kong", "r", "g"),
    ]);
    let namespaces = |index: &Index| -> Vec<String> {
        let table = index.snapshot(&key("kong/d")).unwrap();
        let mut all: Vec<String> = table
            .services
            .iter()
            .map(|(_, service)| service.namespace.clone())
            .collect();
        all.dedup();
        all.sort();
        all.dedup();
        all
    };
    for (watch, expected) in [
        (json!(null), vec!["a", "b", "kong"]),
        (json!({"type": "all"}), vec!["a", "b", "kong"]),
        (json!({"type": "own"}), vec!["kong"]),
        (json!({"type": "list", "list": ["b"]}), vec!["b", "kong"]),
    ] {
        let changes = index.apply(watching(watch.clone()).object());
        assert_eq!(namespaces(&index), expected, "{watch}");
        let reset = changes
            .tables
            .iter()
            .any(|change| matches!(change.update, TableUpdate::Reset { .. }));
        assert_eq!(reset, expected.len() != 3, "{watch}");
    }
}

#[test]
fn versions_never_repeat() {
    let mut index = index(&[dataplane("d"), echo("a", "r", "g")]);
    let first = index.version(&key("kong/d")).unwrap();
    index.delete(ObjectKind::HttpRoute, &key("a/r"));
    let second = index.version(&key("kong/d")).unwrap();
    assert_eq!(second, first + 1);
    let changes = index.delete(ObjectKind::DataPlane, &key("kong/d"));
    assert_eq!(changes.tables[0].update, TableUpdate::Gone);
    assert!(index.snapshot(&key("kong/d")).is_none());
    index.apply(dataplane("d").object());
    assert!(index.version(&key("kong/d")).unwrap() > second);
}
