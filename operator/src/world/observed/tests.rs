use super::*;
use serde_json::{Value, json};

fn extension(change: impl FnOnce(&mut Value)) -> crds::DataPlaneMetricsExtension {
    let mut object = json!({
        "metadata": {"namespace": "default", "name": "x", "generation": 1, "resourceVersion": "1"},
        "spec": {"serviceSelector": {"matchNames": []}},
    });
    change(&mut object);
    serde_json::from_value(object).expect("an extension")
}

#[test]
fn a_status_is_no_reason_to_look_and_is_kept_all_the_same() {
    let mut observed = Observed::default();
    assert!(extension(|_| {}).seen(&mut observed), "it is new");
    let told = extension(|object| {
        object["metadata"]["resourceVersion"] = json!("2");
        object["metadata"]["managedFields"] = json!([{"manager": "tagalong"}]);
        object["status"] = json!({"observedGeneration": 1, "conditions": []});
    });
    assert!(!told.seen(&mut observed));
    let kept = &observed.extensions[&Key::new("default", "x")];
    assert_eq!(kept.metadata.resource_version.as_deref(), Some("2"));
    assert!(kept.status.is_some());
    for changed in [
        json!({"generation": 2}),
        json!({"finalizers": ["a/b"]}),
        json!({"annotations": {"a": "b"}}),
        json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}),
    ] {
        let mut observed = observed.clone();
        let object = extension(|object| {
            let fields = changed.as_object().cloned().unwrap_or_default();
            object["metadata"]
                .as_object_mut()
                .expect("metadata")
                .extend(fields);
        });
        assert!(object.seen(&mut observed), "{changed}");
    }
}
