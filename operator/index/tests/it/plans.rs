//! What becomes of selected Services: annotated, missing or refused, each rule of it.

use crate::common::Thing;
use serde_json::{Value, json};
use tagalong_index::{Index, Key, ObjectKind, Plan, PlanOutcome, Settings};

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// An extension `e` that selects `a` and `b` of namespace `n`, attached there; and whatever else.
fn index(more: &[Thing]) -> Index {
    let mut index = Index::new(Settings::default());
    for thing in [extension("e", &["a", "b"]), control_plane("c", &["e"])]
        .iter()
        .chain(more)
    {
        index.apply(thing.object());
    }
    index
}

fn extension(name: &str, services: &[&str]) -> Thing {
    let names: Vec<Value> = services.iter().map(|name| json!({"name": name})).collect();
    let spec = json!({"config": {"latency": true}, "serviceSelector": {"matchNames": names}});
    Thing::new(ObjectKind::Extension, "n", name, json!({"spec": spec}))
}

fn control_plane(name: &str, extensions: &[&str]) -> Thing {
    let all: Vec<Value> = extensions
        .iter()
        .map(|name| json!({"kind": "DataPlaneMetricsExtension", "name": name}))
        .collect();
    Thing::new(
        ObjectKind::ControlPlane,
        "n",
        name,
        json!({"spec": {"dataplane": name, "extensions": all}}),
    )
}

fn service(name: &str, annotations: Value) -> Thing {
    Thing::new(
        ObjectKind::Service,
        "n",
        name,
        json!({"metadata": {"annotations": annotations}}),
    )
}

fn plain(name: &str) -> Thing {
    service(name, json!({}))
}

fn split(name: &str, services: &[&str]) -> Thing {
    let refs: Vec<Value> = services
        .iter()
        .map(|name| json!({"name": name, "port": 80}))
        .collect();
    Thing::new(
        ObjectKind::HttpRoute,
        "n",
        name,
        json!({"spec": {"rules": [{"backendRefs": refs}]}}),
    )
}

fn plugin(name: &str, labels: Value) -> Thing {
    Thing::new(
        ObjectKind::Plugin,
        "n",
        name,
        json!({"metadata": {"labels": labels}, "plugin": "prometheus"}),
    )
}

fn outcomes(plan: &Plan) -> Vec<String> {
    plan.services
        .iter()
        .map(|planned| format!("{}: {}", planned.service.name, text(&planned.outcome)))
        .collect()
}

fn text(outcome: &PlanOutcome) -> String {
    match outcome {
        PlanOutcome::Plugin(plugin) => plugin.clone(),
        PlanOutcome::Missing => "missing".to_owned(),
        PlanOutcome::Refused(refusal) => format!("{refusal}"),
    }
}

fn plan(more: &[Thing]) -> (Vec<String>, Plan) {
    let plan = index(more).plan(&key("n/e"));
    (outcomes(&plan), plan)
}

fn has(outcome: &str, part: &str) {
    assert!(outcome.contains(part), "{outcome:?} does not say {part:?}");
}

#[test]
fn selected_services_get_one_plugin() {
    let (outcomes, plan) = plan(&[plain("a"), plain("b"), plain("c")]);
    assert_eq!(
        outcomes,
        ["a: e-metrics-prometheus", "b: e-metrics-prometheus"]
    );
    assert_eq!(plan.plugins.len(), 1);
    assert_eq!(plan.plugins[0].key, key("n/e-metrics-prometheus"));
    assert_eq!(
        serde_json::to_value(&plan.plugins[0].config).unwrap(),
        json!({"bandwidth_metrics": false, "latency_metrics": true, "status_code_metrics": false,
               "upstream_health_metrics": false})
    );
}

#[test]
fn a_missing_service_is_waited_for() {
    let (outcomes, plan) = plan(&[]);
    assert_eq!(outcomes, ["a: missing", "b: missing"]);
    assert!(plan.plugins.is_empty(), "no plugin that nobody wants");
    let mut index = index(&[]);
    let changes = index.apply(plain("a").object());
    assert!(changes.extensions.contains(&key("n/e")));
    assert!(index.apply(plain("unselected").object()).is_empty());
}

#[test]
fn a_service_of_two_extensions_belongs_to_the_first() {
    let second = [
        extension("f", &["a"]),
        control_plane("d", &["f"]),
        plain("a"),
        plain("b"),
    ];
    let (outcomes_of_e, _) = plan(&second);
    assert_eq!(
        outcomes_of_e,
        ["a: e-metrics-prometheus", "b: e-metrics-prometheus"]
    );
    let mut index = index(&second);
    has(
        &outcomes(&index.plan(&key("n/f")))[0],
        "DataPlaneMetricsExtension n/e selects it too",
    );
    // Once the first lets go of it, the second is told.
    let changes = index.apply(extension("e", &["b"]).object());
    assert!(changes.extensions.contains(&key("n/f")));
    assert_eq!(
        outcomes(&index.plan(&key("n/f"))),
        ["a: f-metrics-prometheus"]
    );
}

#[test]
fn fellows_are_annotated_together() {
    let (outcomes, _) = plan(&[plain("a"), plain("b"), split("r", &["a", "b"])]);
    assert_eq!(
        outcomes,
        ["a: e-metrics-prometheus", "b: e-metrics-prometheus"]
    );
}

#[test]
fn a_fellow_that_is_not_selected_refuses() {
    let (outcomes, plan) = plan(&[plain("a"), plain("b"), plain("c"), split("r", &["b", "c"])]);
    assert_eq!(outcomes[0], "a: e-metrics-prometheus");
    has(
        &outcomes[1],
        "HTTPRoute n/r sends traffic to it and to Service n/c, which the extension does not select",
    );
    assert_eq!(plan.plugins.len(), 1);
}

#[test]
fn a_fellows_fellow_refuses_too() {
    let chain = [
        plain("a"),
        plain("b"),
        plain("c"),
        split("r1", &["a", "b"]),
        split("r2", &["b", "c"]),
    ];
    let mut index = index(&chain);
    let before = outcomes(&index.plan(&key("n/e")));
    has(&before[0], "Service n/c");
    has(&before[1], "Service n/c");
    let changes = index.delete(ObjectKind::HttpRoute, &key("n/r2"));
    assert!(changes.extensions.contains(&key("n/e")));
    assert_eq!(
        outcomes(&index.plan(&key("n/e"))),
        ["a: e-metrics-prometheus", "b: e-metrics-prometheus"]
    );
}

#[test]
fn fellows_stay_fellows_while_one_rule_says_so() {
    let mut index = index(&[
        plain("a"),
        plain("b"),
        plain("c"),
        split("r1", &["b", "c"]),
        split("r2", &["c", "b"]),
    ]);
    assert!(
        index
            .delete(ObjectKind::HttpRoute, &key("n/r1"))
            .extensions
            .contains(&key("n/e"))
    );
    has(
        &outcomes(&index.plan(&key("n/e")))[1],
        "HTTPRoute n/r2 sends traffic to it and to Service n/c",
    );
    index.delete(ObjectKind::HttpRoute, &key("n/r2"));
    assert_eq!(
        outcomes(&index.plan(&key("n/e")))[1],
        "b: e-metrics-prometheus"
    );
}

#[test]
fn a_missing_fellow_refuses() {
    let (outcomes, _) = plan(&[plain("a"), split("r", &["a", "b"])]);
    has(&outcomes[0], "Service n/b, which does not exist");
    assert_eq!(outcomes[1], "b: missing");
}

#[test]
fn fellows_with_other_annotations_refuse() {
    for (annotations, alike) in [
        (json!({"konghq.com/protocol": "https"}), false),
        (json!({"konghq.com/plugins": "cors"}), false),
        (json!({"konghq.com.example/x": "y"}), false),
        (json!({"example.com/x": "y"}), true),
        (json!({"konghq.com/plugins": "e-metrics-prometheus"}), true),
    ] {
        let (outcomes, _) = plan(&[
            plain("a"),
            service("b", annotations.clone()),
            split("r", &["a", "b"]),
        ]);
        assert_eq!(
            outcomes[0].contains("whose konghq.com annotations differ"),
            !alike,
            "{annotations}"
        );
        assert_eq!(
            outcomes[1] == "b: e-metrics-prometheus",
            alike,
            "{annotations}"
        );
    }
    let both = json!({"konghq.com/plugins": "cors, acl"});
    let (outcomes, _) = plan(&[
        service("a", both.clone()),
        service("b", both),
        split("r", &["a", "b"]),
    ]);
    assert_eq!(
        outcomes,
        ["a: e-metrics-prometheus", "b: e-metrics-prometheus"]
    );
}

#[test]
fn a_fellow_that_is_refused_refuses() {
    let own = [
        plugin("mine", json!({})),
        service("b", json!({"konghq.com/plugins": "mine"})),
        plain("a"),
        split("r", &["a", "b"]),
    ];
    let (outcomes, plan) = plan(&own);
    has(&outcomes[0], "which is itself not annotated");
    has(&outcomes[1], "it already names the prometheus plugin mine");
    assert!(plan.plugins.is_empty());
}

#[test]
fn a_plugin_of_ones_own_refuses_wherever_it_is() {
    let cluster = Thing::new(
        ObjectKind::ClusterPlugin,
        "",
        "everywhere",
        json!({"plugin": "prometheus"}),
    );
    let mut remote = plugin("far", json!({}));
    remote.json["metadata"]["namespace"] = json!("m");
    let cors = Thing::new(ObjectKind::Plugin, "n", "cors", json!({"plugin": "cors"}));
    for (list, own) in [
        ("everywhere", true),
        ("x, m:far", true),
        ("cors", false),
        ("unknown", false),
        ("far", false),
    ] {
        let annotated = service("a", json!({"konghq.com/plugins": list}));
        let (outcomes, _) = plan(&[cluster.clone(), remote.clone(), cors.clone(), annotated]);
        assert_eq!(
            outcomes[0].contains("prometheus plugin"),
            own,
            "{list}: {}",
            outcomes[0]
        );
    }
}

#[test]
fn a_name_that_is_taken_refuses() {
    let (outcomes, _) = plan(&[plain("a"), plugin("e-metrics-prometheus", json!({}))]);
    has(
        &outcomes[0],
        "KongPlugin e-metrics-prometheus exists and was not created by tagalong",
    );
    let ours = plugin(
        "e-metrics-prometheus",
        json!({"app.kubernetes.io/managed-by": "tagalong"}),
    );
    let (outcomes, _) = plan(&[plain("a"), ours]);
    assert_eq!(outcomes[0], "a: e-metrics-prometheus");
}

#[test]
fn the_built_in_controller_has_precedence() {
    let labels = json!({"gateway-operator.konghq.com/managed-by": "controlplane",
                        "gateway-operator.konghq.com/kong-plugin-type": "prometheus"});
    let mut index = index(&[
        plain("a"),
        plain("b"),
        plugin("a-metrics-prometheus", labels),
    ]);
    let plan = index.plan(&key("n/e"));
    has(
        &outcomes(&plan)[0],
        "Kong Operator's built-in extension controller created KongPlugin n/a-metrics-prometheus",
    );
    assert!(plan.plugins.is_empty());
    let changes = index.delete(ObjectKind::Plugin, &key("n/a-metrics-prometheus"));
    assert!(changes.extensions.contains(&key("n/e")));
    assert_eq!(index.plan(&key("n/e")).plugins.len(), 1);
}

#[test]
fn a_global_plugin_is_merged_or_respected() {
    let global = |body: Value| {
        let mut thing = Thing::new(
            ObjectKind::ClusterPlugin,
            "",
            "all",
            json!({"metadata": {"labels": {"global": "true"}}, "plugin": "prometheus"}),
        );
        thing
            .json
            .as_object_mut()
            .unwrap()
            .extend(body.as_object().unwrap().clone());
        thing
    };
    let (_, merged) = plan(&[
        plain("a"),
        global(json!({"config": {"per_consumer": true, "status_code_metrics": true}})),
    ]);
    assert_eq!(
        serde_json::to_value(&merged.plugins[0].config).unwrap(),
        json!({"bandwidth_metrics": false, "latency_metrics": true, "per_consumer": true, "status_code_metrics": true,
               "upstream_health_metrics": false})
    );
    let (_, off) = plan(&[
        plain("a"),
        global(json!({"config": {"per_consumer": true}, "disabled": true})),
    ]);
    assert!(
        !off.plugins[0].config.0.contains_key("per_consumer"),
        "a plugin that is off does nothing"
    );
    let (_, mine) = plan(&[
        plain("a"),
        global(json!({"config": {"per_consumer": true}, "metadata": {"labels": {}}})),
    ]);
    assert!(
        !mine.plugins[0].config.0.contains_key("per_consumer"),
        "a plugin that is not global is in force where it is named"
    );
    let secret = json!({"secretKeyRef": {"name": "s", "key": "k"}});
    for unreadable in [
        json!({"configFrom": secret}),
        json!({"configPatches": [{"path": "/per_consumer", "valueFrom": secret}]}),
    ] {
        let (outcomes, _) = plan(&[plain("a"), global(unreadable)]);
        has(
            &outcomes[0],
            "the global KongClusterPlugin all takes settings from a Secret",
        );
    }
}
