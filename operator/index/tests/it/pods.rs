//! Whose a pod is, and where its sidecar can be reached.

use crate::common::Thing;
use serde_json::{Value, json};
use tagalong_index::{Index, Key, ObjectKind, Settings};

const SELECTOR: &str = "gateway-operator.konghq.com/selector";

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

fn pod(name: &str, uid: &str, labels: Value, more: Value) -> Thing {
    let mut thing = Thing::new(
        ObjectKind::Pod,
        "n",
        name,
        json!({"metadata": {"uid": uid, "labels": labels}}),
    );
    thing.json["spec"] = json!({"containers": [{"name": "proxy"}]});
    thing.json["status"] = json!({"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]});
    for (path, value) in more.as_object().unwrap() {
        *thing
            .json
            .pointer_mut(path)
            .unwrap_or_else(|| panic!("{path}")) = value.clone();
    }
    thing
}

fn injected() -> Value {
    json!([{"name": "tagalong", "ports": [{"name": "other", "containerPort": 1}, {"name": "tagalong", "containerPort": 9542}]}])
}

fn dataplane(name: &str, selector: Value) -> Thing {
    Thing::new(
        ObjectKind::DataPlane,
        "n",
        name,
        json!({"status": {"selector": selector}}),
    )
}

fn index(things: &[Thing]) -> Index {
    let mut index = Index::new(Settings::default());
    for thing in things {
        index.apply(thing.object());
    }
    index
}

fn owner(index: &Index, uid: &str) -> Option<String> {
    index
        .pod(uid)
        .expect(uid)
        .dataplane
        .as_ref()
        .map(ToString::to_string)
}

#[test]
fn a_dataplanes_pods_have_its_selector() {
    let mut elsewhere = pod("p", "u3", json!({SELECTOR: "s1"}), json!({}));
    elsewhere.json["metadata"]["namespace"] = json!("m");
    let mut index = index(&[
        dataplane("d1", json!("s1")),
        dataplane("d2", json!("s2")),
        pod("p1", "u1", json!({SELECTOR: "s1", "app": "d1"}), json!({})),
        pod("p2", "u2", json!({"app": "d1"}), json!({})),
        elsewhere,
    ]);
    assert_eq!(owner(&index, "u1").as_deref(), Some("n/d1"));
    assert_eq!(owner(&index, "u2"), None, "the name alone proves nothing");
    assert_eq!(owner(&index, "u3"), None, "another namespace");

    // The DataPlane's selector comes after its pods, or changes.
    let changes = index.apply(dataplane("d1", json!("s9")).object());
    assert!(changes.revoked.contains("u1") && changes.dataplanes.contains(&key("n/d1")));
    assert_eq!(owner(&index, "u1"), None);
    index.apply(dataplane("d1", json!("s1")).object());
    assert_eq!(owner(&index, "u1").as_deref(), Some("n/d1"));
    let changes = index.delete(ObjectKind::DataPlane, &key("n/d1"));
    assert!(changes.revoked.contains("u1"));
}

#[test]
fn a_workloads_pods_match_and_are_owned() {
    let workload = |kind: ObjectKind, name: &str, selector: Value| {
        let metadata =
            json!({"uid": format!("uid-{name}"), "labels": {"tagalong.dev/inject": "enabled"}});
        Thing::new(
            kind,
            "n",
            name,
            json!({"metadata": metadata, "spec": {"selector": selector}}),
        )
    };
    let labels = json!({"app": "kong", "tier": "edge"});
    let owned = |name: &str, kind: &str, by: &str| {
        let owner = json!([{"apiVersion": "apps/v1", "kind": kind, "name": by, "uid": format!("uid-{by}"), "controller": true}]);
        let mut thing = pod(name, name, labels.clone(), json!({}));
        thing.json["metadata"]["ownerReferences"] = owner;
        thing
    };
    for (selector, matches) in [
        (json!({"matchLabels": {"app": "kong"}}), true),
        (json!({"matchLabels": {"app": "other"}}), false),
        (
            json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["kong", "x"]}]}),
            true,
        ),
        (
            json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["kong"]}]}),
            false,
        ),
        (
            json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
            true,
        ),
        (
            json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}),
            false,
        ),
        (json!({}), false),
    ] {
        let index = index(&[
            workload(ObjectKind::Deployment, "kong", selector.clone()),
            owned("p", "ReplicaSet", "kong-abc"),
        ]);
        assert_eq!(owner(&index, "p").is_some(), matches, "{selector}");
    }
    let all = json!({"matchLabels": {"app": "kong"}});
    for (kind, by_kind, by, matches) in [
        (ObjectKind::Deployment, "ReplicaSet", "kong-abc", true),
        (ObjectKind::Deployment, "ReplicaSet", "kongabc", false),
        (ObjectKind::Deployment, "Job", "kong-abc", false),
        (ObjectKind::StatefulSet, "StatefulSet", "kong", true),
        (ObjectKind::StatefulSet, "StatefulSet", "other", false),
        (ObjectKind::DaemonSet, "DaemonSet", "kong", true),
        (ObjectKind::DaemonSet, "StatefulSet", "kong", false),
    ] {
        let index = index(&[owned("p", by_kind, by), workload(kind, "kong", all.clone())]);
        assert_eq!(
            owner(&index, "p").is_some(),
            matches,
            "{kind} and {by_kind} {by}"
        );
    }
}

#[test]
fn a_target_runs_and_has_the_sidecar() {
    let labels = json!({SELECTOR: "s"});
    let attach = json!({"spec": {"dataplane": "d", "extensions": [{"kind": "DataPlaneMetricsExtension", "name": "e"}]}});
    let mut index = index(&[
        dataplane("d", json!("s")),
        Thing::new(ObjectKind::ControlPlane, "n", "c", attach),
        Thing::new(ObjectKind::Extension, "n", "e", json!({})),
        pod(
            "good",
            "good",
            labels.clone(),
            json!({"/spec/containers": injected()}),
        ),
        pod("bare", "bare", labels.clone(), json!({})),
        pod(
            "pending",
            "pending",
            labels.clone(),
            json!({"/spec/containers": injected(), "/status/phase": "Pending"}),
        ),
        pod(
            "nowhere",
            "nowhere",
            labels.clone(),
            json!({"/spec/containers": injected(), "/status/podIP": "", "/status/podIPs": []}),
        ),
    ]);
    let mut native = pod("native", "native", labels, json!({}));
    native.json["spec"]["initContainers"] = injected();
    index.apply(native.object());

    let targets: Vec<&str> = index.targets().map(|pod| &*pod.uid).collect();
    assert_eq!(targets, ["good", "native"]);
    let good = index.pod("good").unwrap();
    assert_eq!(good.port, Some(9542));
    assert_eq!(
        good.addresses
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["10.0.0.1", "fd00::1"]
    );
    let bare: Vec<&str> = index
        .pods(&key("n/d"))
        .filter(|pod| !pod.is_injected())
        .map(|pod| &*pod.uid)
        .collect();
    assert_eq!(bare, ["bare"]);

    index.delete(ObjectKind::Extension, &key("n/e"));
    assert_eq!(
        index.targets().count(),
        0,
        "nothing is collected of a DataPlane that nothing is attached to"
    );
}

#[test]
fn another_pod_of_the_same_name_is_another_pod() {
    let labels = json!({SELECTOR: "s"});
    let mut index = index(&[
        dataplane("d", json!("s")),
        pod("p", "old", labels.clone(), json!({})),
    ]);
    let changes = index.apply(pod("p", "new", labels.clone(), json!({})).object());
    assert!(changes.revoked.contains("old") && !changes.revoked.contains("new"));
    assert!(index.pod("old").is_none());
    assert_eq!(index.pods(&key("n/d")).count(), 1);

    let changes = index.reset(ObjectKind::Pod, Vec::new());
    assert!(changes.revoked.contains("new") && changes.dataplanes.contains(&key("n/d")));
    assert!(index.pod("new").is_none());
}
