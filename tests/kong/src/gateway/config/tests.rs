use serde_json::json;

use super::*;

fn known() -> BTreeSet<String> {
    plugins::BUNDLED
        .iter()
        .map(|name| (*name).to_owned())
        .collect()
}

fn load(document: &Value) -> Result<Config, Refusal> {
    let mut document = document.clone();
    document["_format_version"] = json!("3.0");
    Config::load(&document, &known())
}

/// The entries of `flattened_errors`, as `type name: field message`.
fn errors(document: &Value) -> Vec<String> {
    let refusal = load(document).unwrap_err();
    let line = |entry: &Value| {
        let errors = entry["errors"].as_array().unwrap().iter().map(|error| {
            let field = error["field"].as_str().unwrap_or("@entity");
            format!("{field} {}", error["message"].as_str().unwrap())
        });
        let name = entry["entity_name"].as_str().unwrap_or("-");
        format!(
            "{} {name}: {}",
            entry["entity_type"].as_str().unwrap(),
            errors.collect::<Vec<_>>().join("; ")
        )
    };
    refusal.entities.iter().map(line).collect()
}

fn service(more: &Value) -> Value {
    let mut service = json!({ "name": "s", "host": "h" });
    service
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({ "services": [service] })
}

#[test]
fn defaults_are_kongs() {
    let config = load(&service(
        &json!({ "routes": [{ "name": "r", "paths": ["/"] }] }),
    ))
    .unwrap();
    let service = config.services.values().next().unwrap();
    assert_eq!(
        (
            service.port,
            service.retries,
            service.read_timeout,
            service.enabled
        ),
        (80, 5, 60_000, true)
    );
    assert_eq!(service.protocol, "http");
    let route = &config.routes[0];
    assert_eq!(route.protocols, ["http", "https"]);
    assert!(route.strip_path && !route.preserve_host);
    assert_eq!(route.https_redirect_status_code, 426);
    assert_eq!(route.service.as_ref().unwrap().id, service.id);
}

#[test]
fn an_entity_less_document_has_the_empty_hash_and_any_other_a_stable_one() {
    assert_eq!(load(&json!({})).unwrap().hash, EMPTY_HASH);
    let stub = json!({ "upstreams": [{ "name": "kong" }] });
    let hash = load(&stub).unwrap().hash;
    assert_eq!(hash.len(), 32);
    assert_ne!(hash, EMPTY_HASH);
    assert_eq!(load(&stub).unwrap().hash, hash);
    assert_ne!(load(&service(&json!({}))).unwrap().hash, hash);
}

#[test]
fn a_plugin_may_name_its_service_by_name_id_or_nesting() {
    for (scope, nested) in [
        (json!("s"), false),
        (json!({ "name": "s" }), false),
        (json!({ "id": "i" }), false),
        (Value::Null, true),
    ] {
        let plugin = json!({ "name": "prometheus", "config": { "latency_metrics": true } });
        let mut document = service(&json!({ "id": "i" }));
        if nested {
            document["services"][0]["plugins"] = json!([plugin]);
        } else {
            document["plugins"] = json!([plugin]);
            document["plugins"][0]["service"] = scope;
        }
        let config = load(&document).unwrap();
        assert_eq!(
            config.plugins[0].service,
            Some(Reference { id: "i".to_owned() })
        );
        assert_eq!(config.plugins[0].config["latency_metrics"], true);
        assert_eq!(config.plugins[0].config["per_consumer"], false, "filled in");
    }
}

#[test]
fn a_wrong_field_is_reported_with_the_entitys_tags() {
    let tags = json!(["k8s-name:p", "k8s-namespace:default"]);
    let refusal = load(&json!({ "plugins": [
        { "name": "prometheus", "id": "x", "tags": tags, "config": { "latency_metrics": "yes", "speed": 1 } },
    ] }))
    .unwrap_err();
    assert_eq!(
        refusal.body()["flattened_errors"],
        json!([{
            "entity_type": "plugin", "entity_name": "prometheus", "entity_id": "x", "entity_tags": tags,
            "entity": { "name": "prometheus", "id": "x", "tags": tags, "config": { "latency_metrics": "yes", "speed": 1 } },
            "errors": [
                { "type": "field", "field": "config.latency_metrics", "message": "expected a boolean" },
                { "type": "field", "field": "config.speed", "message": "unknown field" },
            ],
        }])
    );
    assert_eq!(refusal.unknown, ["plugins.config.speed"]);
    assert_eq!(refusal.body()["code"], 14);
}

#[test]
fn what_kong_refuses_is_refused() {
    let two = |list: &str, entity: Value| json!({ list: [entity, entity] });
    let cases = [
        (
            two("plugins", json!({ "name": "prometheus" })),
            "plugin prometheus: @entity uniqueness violation: 'plugins' entity with cache_key set to \
             'plugins:prometheus:::' already declared",
        ),
        (
            two("services", json!({ "name": "s", "host": "h" })),
            "service s: @entity uniqueness violation: 'services' entity with name set to 's' already declared",
        ),
        (
            service(
                &json!({ "routes": [{ "name": "r", "paths": ["/"] }, { "name": "r", "paths": ["/"] }] }),
            ),
            "route r: @entity uniqueness violation: 'routes' entity with name set to 'r' already declared",
        ),
        (
            json!({ "plugins": [{ "name": "prometheus", "service": "nobody" }] }),
            "plugin prometheus: service invalid reference 'service: \"nobody\"' (no such entity)",
        ),
        (
            json!({ "plugins": [{ "name": "promotheus" }] }),
            "plugin promotheus: name plugin 'promotheus' not enabled; add it to the 'plugins' configuration property",
        ),
        (
            json!({ "upstreams": [{ "name": "u", "targets": [{ "target": "a:1", "weight": -1 }] }] }),
            "target -: weight value should be between 0 and 65535",
        ),
        (
            json!({ "upstreams": [{ "name": "u", "targets": [{ "target": "a:1", "weight": 65536 }] }] }),
            "target -: weight value should be between 0 and 65535",
        ),
        (
            service(&json!({ "port": "80" })),
            "service s: port expected an integer",
        ),
        (
            service(&json!({ "colour": "red" })),
            "service s: colour unknown field",
        ),
        (
            service(&json!({ "routes": [{ "name": "r" }] })),
            "route r: @entity must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http'",
        ),
        (
            service(&json!({ "routes": [{ "name": "r", "paths": ["x"] }] })),
            "route r: paths should start with: / (fixed path) or ~/ (regex path)",
        ),
        (
            json!({ "services": [{ "name": "s" }] }),
            "service s: host required field missing",
        ),
    ];
    for (document, expected) in cases {
        assert_eq!(errors(&document), [expected], "{document}");
    }
}

#[test]
fn unknown_keys_of_the_document_are_refused() {
    let refusal = load(&json!({ "servicez": [] })).unwrap_err();
    assert_eq!(
        refusal.body()["fields"],
        json!({ "servicez": "unknown field" })
    );
    let refusal = Config::load(&json!({ "services": [] }), &known()).unwrap_err();
    assert!(refusal.fields.contains_key("_format_version"));
}

#[test]
fn the_captures_configurations_are_accepted() {
    for name in [
        "small.kong.json",
        "small-latency-only.kong.json",
        "medium.kong.json",
    ] {
        let document = serde_json::from_slice(&crate::captures::read(name).unwrap()).unwrap();
        let config = Config::load(&document, &known())
            .unwrap_or_else(|refusal| panic!("{name}: {}", refusal.body()));
        assert!(!config.services.is_empty(), "{name}");
    }
}
