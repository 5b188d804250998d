use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{BadReview, LONGEST_WARNING, review};
use crate::{InjectionSettings, Verdict};

fn settings() -> InjectionSettings {
    InjectionSettings::new("sidecar:1", "https://operator/v1/labels")
}

fn ask(request: &Value) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
}

fn answer(request: &Value) -> (Value, Verdict) {
    let answer = review(ask(request).to_string().as_bytes(), &settings()).expect("a review");
    (
        serde_json::from_slice(&answer.body).expect("JSON"),
        answer.verdict,
    )
}

fn data_plane() -> Value {
    json!({
        "apiVersion": "gateway-operator.konghq.com/v1beta1",
        "kind": "DataPlane",
        "metadata": {"name": "x", "labels": {"tagalong.dev/inject": "enabled"}},
        "spec": {"deployment": {"podTemplateSpec": {"spec": {"containers": [{"name": "proxy", "image": "kong:3.9"}]}}}},
    })
}

#[test]
fn an_answer_carries_the_patch_and_the_uid() {
    let mut object = data_plane();
    let (answer, verdict) =
        answer(&json!({"uid": "u-1", "operation": "CREATE", "object": object, "dryRun": true}));
    assert_eq!(verdict, Verdict::Injected);
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    let response = &answer["response"];
    assert_eq!(
        (&response["uid"], &response["allowed"]),
        (&json!("u-1"), &json!(true))
    );
    assert_eq!(response["patchType"], "JSONPatch");
    assert_eq!(response.get("warnings"), None);
    let patch = STANDARD
        .decode(response["patch"].as_str().expect("a patch"))
        .expect("base64");
    let patch: json_patch::Patch = serde_json::from_slice(&patch).expect("a JSON Patch");
    json_patch::patch(&mut object, &patch).expect("it fits");
    let ours = &object["spec"]["deployment"]["podTemplateSpec"]["spec"]["initContainers"][0];
    assert_eq!(ours["name"], "tagalong");
}

#[test]
fn nothing_to_do_is_no_patch_at_all() {
    for request in [
        json!({"uid": "u", "operation": "DELETE", "object": null, "oldObject": data_plane()}),
        json!({"uid": "u", "operation": "CREATE", "object": {}}),
        json!({"uid": "u", "operation": "CREATE"}),
        json!({"uid": "u", "object": {"apiVersion": "v1", "kind": "Pod"}, "futureField": [1]}),
    ] {
        let (answer, verdict) = answer(&request);
        assert_eq!(verdict, Verdict::Untouched, "{request}");
        assert_eq!(
            answer["response"],
            json!({"uid": "u", "allowed": true}),
            "{request}"
        );
    }
}

#[test]
fn a_refusal_is_a_warning_and_no_denial() {
    let mut object = data_plane();
    object["spec"]["deployment"]["podTemplateSpec"]["spec"]["containers"][0]["name"] = json!("x");
    let (answer, verdict) = answer(&json!({"uid": "u", "object": object}));
    assert!(matches!(verdict, Verdict::Refused(_)));
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(answer["response"].get("patch"), None);
    assert!(
        answer["response"]["warnings"][0]
            .as_str()
            .is_some_and(|text| text.starts_with("tagalong: no sidecar: "))
    );
}

#[test]
fn what_the_object_was_before_is_heard() {
    let mut before = data_plane();
    before["status"] = json!({"rollout": {"conditions": [{"type": "RolledOut", "reason": "PromotionInProgress"}]}});
    let (answer, verdict) = answer(&json!({"uid": "u", "object": before, "oldObject": before}));
    assert_eq!(verdict, Verdict::Kept);
    assert_eq!(answer["response"], json!({"uid": "u", "allowed": true}));
}

#[test]
fn a_warning_is_short_enough_for_the_api_server() {
    let mut object = data_plane();
    let port = json!({"name": "x".repeat(1000), "ports": [{"containerPort": 9542}]});
    object["spec"]["deployment"]["podTemplateSpec"]["spec"]["initContainers"] = json!([port]);
    let (answer, _) = answer(&json!({"uid": "u", "object": object}));
    let warning = answer["response"]["warnings"][0].as_str();
    assert!(
        warning.is_some_and(|text| text.len() <= LONGEST_WARNING && text.ends_with('…')),
        "{answer}"
    );
}

#[test]
fn what_is_no_review_is_told_so() {
    let bad = |body: &str| review(body.as_bytes(), &settings()).expect_err(body);
    for body in [
        "",
        "{",
        "null",
        "[]",
        "7",
        "\"x\"",
        "{\"request\": 1}",
        "{\"kind\": {}}",
        "\u{0}",
    ] {
        assert!(matches!(bad(body), BadReview::Unreadable(_)), "{body}");
    }
    assert!(matches!(bad("{}"), BadReview::OtherKind { .. }));
    let beta = json!({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {"uid": "u"}});
    assert!(matches!(
        bad(&beta.to_string()),
        BadReview::OtherKind { .. }
    ));
    let other =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "Other", "request": {"uid": "u"}});
    assert!(matches!(
        bad(&other.to_string()),
        BadReview::OtherKind { .. }
    ));
    let none = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"});
    assert!(matches!(bad(&none.to_string()), BadReview::NoRequest));
    assert!(matches!(
        bad(&ask(&json!({"object": {}})).to_string()),
        BadReview::NoUid
    ));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(bad(&deep), BadReview::Unreadable(_)));
}
