//! A wrong label is seen as one.

use serde_json::json;

use super::wrong;

#[test]
fn a_series_of_another_service_is_wrong() {
    let right = json!({
        "job": "tagalong-metrics", "kubernetes_name": "echo", "kubernetes_namespace": "default",
        "kubernetes_kind": "service", "kubernetes_apiversion": "v1", "exported_namespace": "default",
        "exported_service": "echo", "kong_service": "httproute.default.httproute-echo.0",
    });
    assert_eq!(wrong(&right), None);
    for (label, value) in [
        ("kubernetes_name", "other"),
        ("kubernetes_namespace", "other"),
        ("exported_service", "other"),
        ("kong_service", "httproute.default.other.0"),
        ("kong_service", "httproute.default.steady.0"),
    ] {
        let mut series = right.clone();
        series[label] = json!(value);
        assert!(wrong(&series).is_some(), "{label}");
    }
}
