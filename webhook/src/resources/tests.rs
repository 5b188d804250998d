use serde_json::json;

use super::{defaults, parse};

#[test]
fn the_defaults_pass_their_own_check() {
    assert_eq!(parse(&defaults().to_string()), Ok(defaults()));
}

#[test]
fn takes_limits_and_requests() {
    assert_eq!(parse("{}"), Ok(json!({})));
    assert_eq!(
        parse(r#"{"limits": {"memory": "128Mi", "cpu": 1}, "requests": {"cpu": "0.5"}}"#),
        Ok(json!({"limits": {"cpu": "1", "memory": "128Mi"}, "requests": {"cpu": "0.5"}}))
    );
}

#[test]
fn says_what_is_wrong() {
    for (text, part) in [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        (r#"{"claims": []}"#, "`claims`"),
        (r#"{"limits": 1}"#, "`limits`"),
        (r#"{"limits": {"cpu": true}}"#, "`limits.cpu`"),
        (r#"{"limits": {"cpu": "much"}}"#, "much"),
        (r#"{"limits": {"memory": "-1"}}"#, "-1"),
        (r#"{"limits": {"nvidia.com/gpu": "1"}}"#, "nvidia.com/gpu"),
        (r#"{"limits": {"memory": "8Mi"}}"#, "16Mi"),
        (
            r#"{"limits": {"cpu": "1"}, "requests": {"cpu": "1001m"}}"#,
            "1001m",
        ),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn a_pod_with_resources_of_its_own_is_asked_for_nothing() {
    let ours = defaults();
    assert_eq!(super::within_pod(&ours, None), ours);
    for (pod, expected) in [
        (serde_json::json!({"limits": {}}), ours.clone()),
        (
            serde_json::json!({"requests": {"cpu": "500m", "memory": "512Mi"}}),
            serde_json::json!({"limits": {"memory": "64Mi"}, "requests": {"cpu": "0", "memory": "0"}}),
        ),
        (
            serde_json::json!({"limits": {"memory": "48Mi"}}),
            serde_json::json!({"requests": {"cpu": "10m", "memory": "0"}}),
        ),
        (
            serde_json::json!({"limits": {"memory": 67_108_864}}),
            serde_json::json!({"limits": {"memory": "64Mi"}, "requests": {"cpu": "10m", "memory": "0"}}),
        ),
    ] {
        assert_eq!(super::within_pod(&ours, Some(&pod)), expected, "{pod}");
    }
}
