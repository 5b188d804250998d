//! A wrong label is seen as one; and the rule of the road is the guide's.

use serde_json::json;

use super::{OWN_RULE, PUBLISHED, parse, wrong};
use crate::Tried;

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

/// On the road it has two names, one for each way of scraping, and looks at one job under each.
#[test]
fn the_guide_recommends_the_rule_of_the_road() -> Tried<()> {
    let page = include_str!("../../../../docs/guides/prometheus-and-hpa.md");
    let block = page
        .split("```yaml\n")
        .find(|block| block.starts_with("rules:"));
    let block = block.and_then(|block| block.split("```").next());
    let values = parse(block.ok_or("the page has no rules")?)?;
    let rule = OWN_RULE.replace("METRIC", PUBLISHED);
    let rule = parse(&rule.replace("job=\"JOB\",", ""))?;
    assert_eq!(values["rules"]["custom"], json!([rule]));
    Ok(())
}
