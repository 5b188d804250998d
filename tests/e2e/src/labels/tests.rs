//! A wrong label is recognised.

use serde_json::{Value, json};

use super::{wrong, wrong_line};

#[test]
fn a_series_of_another_service_is_wrong() {
    let right = json!({
        "job": "tagalong-metrics", "kubernetes_name": "echo", "kubernetes_namespace": "default",
        "kubernetes_kind": "service", "kubernetes_apiversion": "v1", "exported_namespace": "default",
        "exported_service": "echo", "kong_service": "httproute.default.httproute-echo.0",
    });
    let judge = |series: &Value| wrong(series, "exported_service", "exported_namespace");
    assert_eq!(judge(&right), None);
    for (label, value) in [
        ("kubernetes_name", "other"),
        ("kubernetes_namespace", "other"),
        ("exported_service", "other"),
        ("kong_service", "httproute.default.other.0"),
        ("kong_service", "httproute.default.steady.0"),
    ] {
        let mut series = right.clone();
        series[label] = json!(value);
        assert!(judge(&series).is_some(), "{label}");
    }
}

#[test]
fn a_line_of_another_service_is_wrong() {
    let right = r#"kong_upstream_latency_ms_count{namespace="default",service="echo",kubernetes_apiversion="v1",kubernetes_kind="service",kubernetes_name="echo",kubernetes_namespace="default",kong_service="httproute.default.after-3.0",route="r"} 3"#;
    let bare = r#"kong_bandwidth_bytes{service="httproute.default.other.0"} 4"#;
    let both = |line: &str| wrong_line(&format!("# HELP kong_x y\n{bare}\n{line}\n"));
    assert_eq!(both(right), None);
    assert!(both(&right.replace("after-3", "steady")).is_some());
    assert!(both(&right.replace("service=\"echo\"", "service=\"steady\"")).is_some());
}
