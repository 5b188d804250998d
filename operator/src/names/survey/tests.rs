use super::*;
use crate::metrics;
use serde_json::{Value, json};
use tagalong_crds as crds;
use tagalong_index::{Object, Settings};

fn parse<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("an object")
}

fn service(namespace: &str, name: &str) -> Object {
    Object::Service(parse(
        json!({"metadata": {"namespace": namespace, "name": name}}),
    ))
}

fn route(name: &str, hostname: bool, backends: &Value) -> Object {
    let hostnames = if hostname { json!(["x"]) } else { json!([]) };
    Object::HttpRoute(parse(json!({
        "metadata": {"namespace": "default", "name": name, "generation": 1},
        "spec": {
            "parentRefs": [{"name": "kong"}],
            "hostnames": hostnames,
            "rules": [{"backendRefs": backends}],
        },
    })))
}

/// A world with DataPlane `kong`, attached, that sees routes of Gateway `kong`.
fn world(more: Vec<Object>) -> World {
    world_with(Settings::default(), more)
}

fn world_with(settings: Settings, more: Vec<Object>) -> World {
    let mut documents = vec![
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "kong"},
            "spec": {"controllerName": "konghq.com/gateway-operator"}}),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
            "metadata": {"namespace": "default", "name": "kong"},
            "spec": {"gatewayClassName": "kong", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}}),
    ];
    documents.push(
        json!({"apiVersion": "gateway-operator.konghq.com/v1alpha1", "kind": "DataPlaneMetricsExtension",
        "metadata": {"namespace": "default", "name": "x"}, "spec": {"serviceSelector": {"matchNames": [{"name": "one"}]}}}),
    );
    let manifests = tagalong_index::Manifests::read(documents).with_operators();
    let mut objects = manifests.objects;
    for object in &mut objects {
        if let Object::ControlPlane(plane) = object {
            let mut whole = serde_json::to_value(&*plane).expect("JSON");
            whole["spec"]["extensions"] =
                json!([{"kind": "DataPlaneMetricsExtension", "name": "x"}]);
            *plane = parse::<crds::ControlPlane>(whole);
        }
    }
    objects.extend(more);
    let world = World::new(settings, metrics::PushMetrics::default());
    world.replace(&objects);
    world
}

#[test]
fn every_state_is_counted_and_said_where_it_can_be_mended() {
    let backend = |name: &str, namespace: &str, weight: u32| json!({"name": name, "namespace": namespace, "port": 80, "weight": weight});
    let world = world(vec![
        service("default", "one"),
        service("default", "two"),
        service("team", "far"),
        route("mapped", false, &json!([backend("one", "default", 1)])),
        route("echo", true, &json!([backend("one", "default", 1)])),
        route("echo.x", false, &json!([backend("two", "default", 1)])),
        route(
            "split",
            false,
            &json!([backend("one", "default", 1), backend("two", "default", 1)]),
        ),
        route("ungranted", false, &json!([backend("far", "team", 1)])),
        route(
            "missing",
            false,
            &json!([backend("no", "default", 1), backend("none", "default", 1)]),
        ),
    ]);
    let survey = Survey::of(&world);
    let dataplane = Key::new("default", "kong");
    for state in NameState::ALL {
        let count = survey.counts.get(&(dataplane.clone(), state));
        assert!(count.is_some_and(|count| *count > 0), "{state:?}");
    }
    let concerned: Vec<String> = survey.unlabelled.keys().map(Key::to_string).collect();
    assert_eq!(
        concerned,
        ["default/one", "default/two"],
        "not the one that is far"
    );
    let of_one = &survey.unlabelled[&Key::new("default", "one")];
    let ambiguous = &of_one[&Lack::Ambiguous].first;
    let sentence = "httproute.default.echo.x.0 is left out: it could stand for two Services";
    assert!(ambiguous[0].contains(sentence), "{ambiguous:?}");
    let split = &of_one[&Lack::Split].first;
    assert!(split[0].contains("split over several"), "{split:?}");

    let routes: Vec<String> = survey.not_granted.keys().map(Source::to_string).collect();
    assert_eq!(routes, ["HTTPRoute default/ungranted"]);
    let left_out = world.with(|state| state.index.left_out(&dataplane));
    let mut ungranted = left_out.into_iter().flatten();
    let ungranted = ungranted.find(|name| name.state == NameState::NotGranted);
    assert!(ungranted.is_some_and(|name| name.services.is_empty()));
    assert_eq!(Survey::of(&world), survey, "an unchanged world is no news");
}

#[test]
fn what_kong_refuses_is_said_as_such() {
    let settings = Settings {
        wait_for_kong: true,
        ..Settings::default()
    };
    let backend = json!([{"name": "one", "port": 80}]);
    let Object::HttpRoute(route) = route("edited", false, &backend) else {
        panic!("a route");
    };
    let mut refused = serde_json::to_value(route).expect("JSON");
    refused["metadata"]["generation"] = json!(2);
    let condition = json!({"type": "Programmed", "status": "False", "observedGeneration": 2});
    let parent =
        json!({"parentRef": {"name": "kong"}, "controllerName": "c", "conditions": [condition]});
    refused["status"] = json!({"parents": [parent]});
    let route = Object::HttpRoute(parse(refused));
    let survey = Survey::of(&world_with(
        settings,
        vec![service("default", "one"), route],
    ));
    let of_one = &survey.unlabelled[&Key::new("default", "one")];
    let lacks: Vec<Lack> = of_one.keys().copied().collect();
    assert_eq!(lacks, [Lack::Refused]);
    let sentence = "httproute.default.edited.0 is held back: Kong refuses generation 2";
    let first = &of_one[&Lack::Refused].first;
    assert!(first[0].contains(sentence), "{first:?}");
}
