use super::*;

fn found(selector: &Value, bundle: Option<&str>) -> Option<MutatingWebhookConfiguration> {
    let bundle = bundle.map(|bundle| STANDARD.encode(bundle));
    let webhook = json!({
        "name": "a.tagalong.dev", "admissionReviewVersions": ["v1"], "sideEffects": "None",
        "clientConfig": {"caBundle": bundle}, "objectSelector": selector,
    });
    serde_json::from_value(json!({"metadata": {}, "webhooks": [webhook]})).ok()
}

/// The selector after the patch; the bundle is right already.
fn then(selector: &Value, asked: bool) -> Option<Value> {
    let bundle = "bundle".to_owned();
    let patch = patch(
        &found(selector, Some("bundle"))?,
        &DesiredWebhooks { bundle, asked },
    )?;
    assert_eq!(patch[0]["op"], "test");
    assert_eq!(patch[1]["path"], "/webhooks/0/objectSelector");
    Some(patch[1]["value"].clone())
}

#[test]
fn a_webhook_that_waits_is_asked_about_nothing_and_one_that_works_as_the_chart_says() {
    let chart = json!({"matchLabels": {"tagalong.dev/inject": "enabled"}});
    let waiting = json!({"matchLabels": {
        "tagalong.dev/inject": "enabled", "tagalong.dev/no-object": "another-installation-works",
    }});
    assert_eq!(then(&chart, true), None);
    assert_eq!(then(&chart, false), Some(waiting.clone()));
    assert_eq!(then(&waiting, false), None);
    assert_eq!(then(&waiting, true), Some(chart));
    let only = json!({"matchLabels": {"tagalong.dev/no-object": "another-installation-works"}});
    assert_eq!(then(&Value::Null, false), Some(only));
    assert_eq!(then(&Value::Null, true), None);
}

#[test]
fn a_bundle_that_is_not_right_is_replaced() {
    let chart = json!({"matchLabels": {"tagalong.dev/inject": "enabled"}});
    for stands in [None, Some("another")] {
        let bundle = "bundle".to_owned();
        let patch = found(&chart, stands).and_then(|found| {
            patch(
                &found,
                &DesiredWebhooks {
                    bundle,
                    asked: true,
                },
            )
        });
        let expected = json!([
            {"op": "test", "path": "/webhooks/0/name", "value": "a.tagalong.dev"},
            {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": STANDARD.encode("bundle")},
        ]);
        assert_eq!(patch, Some(expected));
    }
}
