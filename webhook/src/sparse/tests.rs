use serde_json::{Value, json};

use super::{BUDGET, SparseReader, is_partial, is_passed_over};

fn deployment(template: &Value) -> String {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 2, "template": template}}).to_string()
}

fn template(reader: &SparseReader, template: &Value) -> Value {
    reader.object(&deployment(template))["spec"]["template"].clone()
}

#[test]
fn what_is_looked_at_is_built_and_the_rest_is_compared() {
    let reader = SparseReader::default();
    let pod = json!({
        "metadata": {"annotations": {"a": "b"}, "labels": {"app": "kong"}},
        "spec": {
            "containers": [{"name": "proxy", "image": "kong", "env": [{"name": "HOME", "value": "/"}, {"name": "KONG_X", "value": "1"}]}],
            "hostNetwork": true,
            "affinity": {"x": [1, 2, 3]},
        },
    });
    let read = template(&reader, &pod);
    assert_eq!(read["metadata"]["annotations"], json!({"a": "b"}));
    assert_eq!(read["spec"]["hostNetwork"], true);
    let proxy = &read["spec"]["containers"][0];
    assert_eq!(proxy["name"], "proxy");
    assert_eq!(proxy["env"][0], json!({"name": "KONG_X", "value": "1"}));
    assert_eq!(proxy.get("image"), None);
    assert_eq!(read, template(&reader, &pod));
    for (path, value) in [
        ("/metadata/labels/app", json!("other")),
        ("/spec/affinity/x/1", json!(7)),
        ("/spec/containers/0/image", json!("kong:2")),
        ("/spec/containers/0/env/0/value", json!("/root")),
    ] {
        let mut other = pod.clone();
        *other.pointer_mut(path).expect("it is there") = value;
        assert_ne!(read, template(&reader, &other), "{path}");
    }
}

#[test]
fn ours_is_built_to_the_last_field() {
    let ours = json!({"name": "tagalong", "args": ["a", {"b": [1.5, null]}]});
    let pod = json!({"spec": {"containers": [ours], "initContainers": [ours], "volumes": [ours, {"name": "bare"}]}});
    assert_eq!(template(&SparseReader::default(), &pod), pod);
    assert!(!is_partial(&pod));
}

#[test]
fn a_template_beyond_the_budget_is_passed_over_as_a_whole() {
    let reader = SparseReader::default();
    for list in [
        "containers",
        "initContainers",
        "volumes",
        "imagePullSecrets",
    ] {
        let pod = |length| json!({"spec": {list: vec![json!({"name": "a"}); length]}});
        assert!(!is_passed_over(&template(&reader, &pod(500))), "{list}");
        assert!(
            is_passed_over(&template(&reader, &pod(BUDGET / 8))),
            "{list}"
        );
    }
    let annotations: Value = (0..BUDGET).map(|n| (n.to_string(), json!("x"))).collect();
    let pod = json!({"metadata": {"annotations": annotations}});
    assert!(is_passed_over(&template(&reader, &pod)));
    // What nobody looks at takes nothing from it.
    let env = vec![json!({"name": "A", "value": "b"}); 2 * BUDGET];
    let pod = json!({"spec": {"containers": [{"name": "a", "env": env}], "x": vec![json!({"": 1}); 2 * BUDGET]}});
    assert!(!is_passed_over(&template(&reader, &pod)));
}

#[test]
fn a_long_text_is_not_built() {
    let reader = SparseReader::default();
    let pod = json!({"metadata": {"annotations": {"a": "x".repeat(5000)}}});
    assert!(is_partial(
        &template(&reader, &pod)["metadata"]["annotations"]["a"]
    ));
}
