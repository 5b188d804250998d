//! What people are told.

use crate::common::Thing;
use serde_json::{Value, json};
use tagalong_index::{Index, Key, ObjectKind, Settings};

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

fn route(name: &str, rules: Value) -> Thing {
    Thing::new(
        ObjectKind::HttpRoute,
        "default",
        name,
        json!({"spec": {"rules": rules}}),
    )
}

fn index() -> Index {
    let attach = json!({"spec": {"dataplane": "kong", "extensions": [{"kind": "DataPlaneMetricsExtension", "name": "kong"}]}});
    let select =
        json!({"spec": {"serviceSelector": {"matchNames": [{"name": "echo"}, {"name": "nginx"}]}}});
    let mut index = Index::new(Settings::default());
    for thing in [
        Thing::new(ObjectKind::DataPlane, "default", "kong", json!({})),
        Thing::new(ObjectKind::ControlPlane, "default", "kong", attach),
        Thing::new(ObjectKind::Extension, "default", "kong", select),
        Thing::new(ObjectKind::Service, "default", "echo", json!({})),
        Thing::new(ObjectKind::Service, "default", "nginx", json!({})),
        Thing::new(ObjectKind::Service, "default", "httpbin", json!({})),
        route(
            "echo",
            json!([{"backendRefs": [{"name": "echo", "port": 80}]}, {"backendRefs": [{"name": "echo", "port": 80}]}, {}]),
        ),
        route(
            "split",
            json!([{"backendRefs": [{"name": "httpbin", "port": 80}, {"name": "nginx", "port": 80}]}]),
        ),
    ] {
        index.apply(thing.object());
    }
    index
}

#[test]
fn a_name_that_stands_for_a_service() {
    assert_eq!(
        index().explain_name("httproute.default.echo.0").to_string(),
        "httproute.default.echo.0\n\
         \x20 HTTPRoute default/echo rule 0 -> Service default/echo [one Kong service for each rule of an HTTPRoute (KIC's default)]\n\
         \x20 in the table of DataPlane default/kong: Service default/echo\n"
    );
}

#[test]
fn a_name_that_splits_its_traffic() {
    let text = index()
        .explain_name("httproute.default.split.0")
        .to_string();
    assert!(
        text.contains("HTTPRoute default/split rule 0 -> several Services"),
        "{text}"
    );
    assert!(text.contains("in the table of DataPlane default/kong: left out: its traffic is split over several Services"), "{text}");
}

#[test]
fn a_name_that_nobody_gives() {
    let text = index().explain_name("httproute.default.echo.3").to_string();
    assert!(text.contains("no object gives Kong this name"), "{text}");
    assert!(text.contains("similar: httproute.default.echo.0"), "{text}");
    let text = index().explain_name("completely.else").to_string();
    assert!(!text.contains("similar"), "{text}");
}

#[test]
fn a_service_and_all_its_names() {
    let index = index();
    let text = index.explain_service(&key("default/echo")).to_string();
    assert!(
        text.contains(
            "DataPlaneMetricsExtension default/kong: it gets the plugin kong-metrics-prometheus"
        ),
        "{text}"
    );
    assert!(
        text.contains("in the table of DataPlane default/kong:\n    httproute.default.echo.0\n"),
        "{text}"
    );
    assert!(
        text.contains("httproute.default.svc.default.echo.80.1"),
        "{text}"
    );

    let text = index.explain_service(&key("default/nginx")).to_string();
    assert!(text.contains("it is not annotated: HTTPRoute default/split sends traffic to it and to Service default/httpbin"), "{text}");
    assert!(
        text.contains("shares rules with Service default/httpbin (HTTPRoute default/split)"),
        "{text}"
    );
    assert!(
        text.contains("no name in any table stands for it"),
        "{text}"
    );

    let text = index.explain_service(&key("default/ghost")).to_string();
    assert!(
        text.starts_with("Service default/ghost (does not exist)\n"),
        "{text}"
    );
}

#[test]
fn what_is_left_out_is_told_once_for_each_rule() {
    let index = index();
    let left_out = index.left_out(&key("default/kong")).unwrap();
    let told: Vec<String> = left_out.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "httproute.default.echo.2 is left out: it reaches no Service: the rule names no backend \
             (HTTPRoute default/echo rule 2 -> no Service: the rule names no backend)",
            "httproute.default.split.0 is left out: its traffic is split over several Services \
             (HTTPRoute default/split rule 0 -> several Services)",
        ]
    );
    let concerned: Vec<String> = left_out[1]
        .services
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(concerned, ["default/httpbin", "default/nginx"]);
    assert!(left_out[0].services.is_empty());
    let states = index.states(&key("default/kong")).unwrap();
    let counts: Vec<(&str, usize)> = states
        .iter()
        .map(|(state, names)| (state.name(), names))
        .collect();
    assert_eq!(
        counts,
        [
            // By rule, and by host and rule, twice each, and combined.
            ("mapped", 5),
            ("ambiguous", 0),
            // By rule, by host and rule, and combined.
            ("split", 3),
            ("not_granted", 0),
            ("no_service", 3),
        ]
    );
}
