use serde_json::json;

use super::*;

#[test]
fn plugin_names() {
    let extension = Key::new("default", "kong");
    assert_eq!(
        plugin_name(&extension, "default"),
        "kong-metrics-prometheus"
    );
    let elsewhere = plugin_name(&extension, "other");
    assert!(
        elsewhere.starts_with("kong-") && elsewhere.ends_with("-metrics-prometheus"),
        "{elsewhere}"
    );
    assert_ne!(elsewhere, plugin_name(&Key::new("third", "kong"), "other"));

    let longest = "a".repeat(234);
    assert_eq!(
        plugin_name(&Key::new("n", &*longest), "n"),
        format!("{longest}-metrics-prometheus")
    );
    for length in [235, 253] {
        let name = plugin_name(&Key::new("n", "a".repeat(length)), "n");
        assert!(name.len() <= 253, "{} characters", name.len());
        assert_ne!(
            name,
            plugin_name(&Key::new("n", format!("{}b", "a".repeat(length - 1))), "n")
        );
    }
    let dotted = format!("{}.{}", "a".repeat(222), "b".repeat(30));
    let name = plugin_name(&Key::new("n", dotted), "n");
    assert!(!name.contains(".-") && name.len() <= 253, "{name}");
}

#[test]
fn a_global_plugin_loses_nothing() {
    let globals = [
        json!({"per_consumer": true, "bandwidth_metrics": true, "latency_metrics": false}),
        json!({"per_consumer": false, "ai_metrics": true}),
    ];
    let globals: Vec<_> = globals
        .into_iter()
        .map(|config| config.as_object().unwrap().clone())
        .collect();
    let wanted = MetricsConfig {
        latency: true,
        ..MetricsConfig::default()
    };
    assert_eq!(
        Value::Object(PluginConfig::merged(wanted, globals.iter()).0),
        json!({"ai_metrics": true, "bandwidth_metrics": true, "latency_metrics": true, "per_consumer": true,
               "status_code_metrics": false, "upstream_health_metrics": false})
    );
    assert_eq!(
        Value::Object(PluginConfig::merged(MetricsConfig::default(), [].iter()).0),
        json!({"bandwidth_metrics": false, "latency_metrics": false, "status_code_metrics": false,
               "upstream_health_metrics": false})
    );
}
