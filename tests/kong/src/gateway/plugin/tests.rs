use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

fn plugins(list: &Value) -> (Plugins, Config) {
    let document = json!({
        "_format_version": "3.0",
        "services": [{ "name": "s", "host": "h", "routes": [{ "name": "r", "paths": ["/"] }] }],
        "consumers": [{ "username": "c" }],
        "plugins": list,
    });
    let known = BTreeSet::from(["prometheus".to_owned()]);
    let config = Config::load(&document, &known).unwrap();
    (Plugins::new(&config), config)
}

#[test]
fn the_most_specific_instance_wins_and_is_not_merged() {
    let (plugins, config) = plugins(&json!([
        { "name": "prometheus", "config": { "status_code_metrics": true } },
        { "name": "prometheus", "service": "s", "config": { "latency_metrics": true } },
        { "name": "prometheus", "route": "r", "enabled": false, "config": { "bandwidth_metrics": true } },
        { "name": "prometheus", "consumer": { "username": "c" }, "protocols": ["https"] },
    ]));
    let service = config.services.keys().next().map(String::as_str);
    let route = config.routes.first().map(|route| route.id.as_str());
    let consumer = config.consumers.keys().next().map(String::as_str);
    let flags = |scope| Flags::of(plugins.find("prometheus", scope).unwrap());

    let global = flags(Scope::default());
    assert!(global.status_code_metrics && !global.latency_metrics);
    let scope = Scope {
        route,
        service,
        consumer,
        https: false,
    };
    let scoped = flags(scope);
    assert!(scoped.latency_metrics && !scoped.status_code_metrics && !scoped.bandwidth_metrics);
    let consumers = flags(Scope {
        https: true,
        ..scope
    });
    assert!(
        !consumers.latency_metrics,
        "the consumer's instance, with nothing on"
    );
}
