//! The sidecar in a GatewayConfiguration: what Kong's operators copy to DataPlanes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tagalong_webhook::review::review;
use tagalong_webhook::{InjectionSettings, Refusal, Verdict, inject};

use crate::support::{
    above, applied, files, injected, object, settings, sidecar, template, template_mut, unmarked,
};

const INJECTED: &str = "tagalong.dev/injected";

fn started(at: u64) -> InjectionSettings {
    InjectionSettings {
        started: at,
        ..settings()
    }
}

fn marker(object: &Value) -> &Value {
    &template(object)["metadata"]["annotations"][INJECTED]
}

/// A DataPlane that had its sidecar first hands its marker up: then the configuration's pod template has what the DataPlane's
/// has, to the byte, whatever was there before in either.
#[test]
fn what_a_dataplane_had_before_it_gets_from_above() {
    for (name, dataplane) in files() {
        if dataplane["kind"] != "DataPlane" {
            continue;
        }
        // As Go writes it, the operators' DataPlane has metadata where a person's file has none.
        let mut below = dataplane.clone();
        if template(&below)["metadata"].is_null() {
            template_mut(&mut below)["metadata"] = json!({"creationTimestamp": null});
        }
        let before = applied(&below, &injected(&below, &started(7)));
        let mut source = above(&dataplane);
        source["metadata"]["annotations"]["tagalong.dev/taken-over"] = marker(&before).clone();
        let with = applied(&source, &inject(&source, Some(&source), &started(9)));
        assert_eq!(marker(&with), marker(&before), "{name}");
        assert_eq!(sidecar(&with), sidecar(&before), "{name}");
        assert_eq!(template(&with)["spec"], template(&before)["spec"], "{name}");

        // It stays so, and goes without a trace.
        let again = inject(&with, Some(&with), &started(11));
        assert!(again.patch.is_empty(), "{name}: {}", again.patch);
        let without = unmarked(&with);
        let without = applied(&without, &inject(&without, Some(&with), &started(11)));
        assert_eq!(without, unmarked(&source), "{name}");

        // Another sidecar is dated anew.
        let newer = InjectionSettings {
            image: "ghcr.io/example/tagalong-sidecar:0.2.0".to_owned(),
            ..started(11)
        };
        let updated = applied(&with, &inject(&with, Some(&with), &newer));
        let text = marker(&updated).as_str().unwrap_or_default();
        let pinned = sidecar(&updated) == sidecar(&with);
        let date = if pinned { 7 } else { 11 };
        assert!(
            text.contains(&format!(r#""since":{date}"#)),
            "{name}: {text}"
        );
    }
}

#[test]
fn a_marker_that_cannot_be_read_is_nobodys() {
    let plain = object("configuration");
    let expected = applied(&plain, &injected(&plain, &settings()));
    for text in [json!("{"), json!(7), json!("7")] {
        let mut source = plain.clone();
        source["metadata"]["annotations"] = json!({"tagalong.dev/taken-over": text});
        let with = applied(&source, &injected(&source, &settings()));
        assert_eq!(template(&with), template(&expected));
    }
}

/// A client that replaces lists, or all of the pod template, strips half of what was put in; the same request brings it back.
#[test]
fn what_a_client_strips_is_put_back_as_it_was() {
    for name in [
        "configuration",
        "configuration-bare",
        "configuration-beside",
    ] {
        let object = object(name);
        let stored = applied(&object, &inject(&object, None, &started(5)));
        let strips: [fn(&mut Value); 6] = [
            |t| t["spec"]["initContainers"] = json!([]),
            |t| drop(t["spec"].as_object_mut().map(|spec| spec.remove("volumes"))),
            |t| t["spec"]["volumes"] = json!([]),
            |t| drop(t.as_object_mut().map(|t| t.remove("metadata"))),
            |t| t["spec"] = json!({"containers": t["spec"]["containers"]}),
            |t| *t = json!({"spec": {"containers": t["spec"]["containers"]}}),
        ];
        for (index, strip) in strips.into_iter().enumerate() {
            let mut sent = stored.clone();
            strip(template_mut(&mut sent));
            let back = applied(&sent, &inject(&sent, Some(&stored), &started(9)));
            assert_eq!(sidecar(&back), sidecar(&stored), "{name} {index}");
            assert_eq!(marker(&back), marker(&stored), "{name} {index}");
            assert_eq!(
                template(&back)["spec"]["volumes"],
                template(&stored)["spec"]["volumes"],
                "{name} {index}"
            );
        }
        // Even one that replaces all annotations.
        let mut sent = stored.clone();
        sent["metadata"]["annotations"] = json!({});
        let back = applied(&sent, &inject(&sent, Some(&stored), &started(9)));
        assert_eq!(template(&back)["spec"], template(&stored)["spec"], "{name}");
    }
}

#[test]
fn what_was_made_is_the_users_once_he_writes_there() {
    let object = object("configuration-bare");
    let mut with = applied(&object, &injected(&object, &settings()));
    assert_eq!(
        template(&with)["spec"]["containers"],
        json!([{"name": "proxy"}])
    );
    template_mut(&mut with)["spec"]["containers"][0]["image"] = json!("kong:3.9");
    with["spec"]["dataPlaneOptions"]["deployment"]["replicas"] = json!(2);
    let without = unmarked(&with);
    let without = applied(&without, &injected(&without, &settings()));
    assert_eq!(
        without["spec"]["dataPlaneOptions"],
        json!({"deployment": {
            "replicas": 2,
            "podTemplateSpec": {"spec": {"containers": [{"name": "proxy", "image": "kong:3.9"}]}},
        }})
    );
}

/// What the object is after a review: of most of it, the review reads nothing.
#[expect(
    clippy::expect_used,
    reason = "what fails here fails the test that asked"
)]
fn reviewed(object: &Value, old: &Value) -> Value {
    let request = json!({"uid": "u", "object": object, "oldObject": old});
    let asked =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    let answer = review(asked.to_string().as_bytes(), &settings()).expect("an answer");
    assert_eq!(answer.kind, "GatewayConfiguration");
    let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let mut after = object.clone();
    let Some(patch) = answer["response"]["patch"].as_str() else {
        return after;
    };
    let patch = STANDARD.decode(patch).expect("base64");
    let patch: json_patch::Patch = serde_json::from_slice(&patch).expect("a patch");
    json_patch::patch(&mut after, &patch).expect("it fits");
    after
}

/// Whatever is absent, null or empty of the way down to the containers, and whether or not something else stands beside it, is so
/// again when the sidecar is taken out.
#[test]
fn what_was_absent_on_the_way_down_is_absent_again() {
    const WAY: [&str; 6] = [
        "spec",
        "dataPlaneOptions",
        "deployment",
        "podTemplateSpec",
        "spec",
        "containers",
    ];
    let mut shapes = 0;
    for (depth, last) in WAY.iter().enumerate() {
        let empty = if *last == "containers" {
            json!([])
        } else {
            json!({})
        };
        for end in [None, Some(Value::Null), Some(empty)] {
            for beside in 0..1_u32 << depth {
                let mut object = json!({
                    "apiVersion": "gateway-operator.konghq.com/v2beta1",
                    "kind": "GatewayConfiguration",
                    "metadata": {"name": "x", "labels": {"tagalong.dev/inject": "enabled"}},
                });
                let mut place = &mut object;
                for (level, name) in WAY[..depth].iter().enumerate() {
                    place[*name] = json!({});
                    place = &mut place[*name];
                    if beside >> level & 1 == 1 {
                        place["other"] = json!({"stays": null});
                    }
                }
                if let Some(end) = &end {
                    place[*last] = end.clone();
                }
                let with = reviewed(&object, &object);
                assert!(sidecar(&with).is_some(), "{object}");
                assert_eq!(reviewed(&with, &with), with, "{object}");
                assert_eq!(reviewed(&unmarked(&with), &with), unmarked(&object));
                shapes += 1;
            }
        }
    }
    assert_eq!(shapes, 3 * 63);
}

/// Of `spec` and of the annotations a review reads a part only; that must not look as if there were nothing else.
#[test]
fn a_review_removes_no_more_than_it_sees() {
    let mut object = json!({
        "apiVersion": "gateway-operator.konghq.com/v2beta1",
        "kind": "GatewayConfiguration",
        "metadata": {"name": "x", "labels": {"tagalong.dev/inject": "enabled"}},
    });
    object = applied(&object, &injected(&object, &settings()));
    object["metadata"]["annotations"]["other"] = json!("stays");
    object["spec"]["extensions"] = json!([]);
    object["spec"]["dataPlaneOptions"]["network"] = json!({});
    let sent = unmarked(&object);
    let after = reviewed(&sent, &object);
    assert_eq!(after["metadata"]["annotations"], json!({"other": "stays"}));
    assert_eq!(
        after["spec"],
        json!({"extensions": [], "dataPlaneOptions": {"network": {}}})
    );
}

#[test]
fn places_of_another_type_are_refused() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 7] = [
        (|o| o["spec"] = json!("x"), "spec is not"),
        (
            |o| o["spec"]["dataPlaneOptions"] = json!(1),
            "spec.dataPlaneOptions is not",
        ),
        (
            |o| o["spec"]["dataPlaneOptions"]["deployment"] = json!([]),
            "spec.dataPlaneOptions.deployment is not",
        ),
        (|o| *template_mut(o) = json!([]), "podTemplateSpec is not"),
        (
            |o| template_mut(o)["spec"] = json!("x"),
            "podTemplateSpec.spec is not",
        ),
        (
            |o| template_mut(o)["spec"]["containers"] = json!({}),
            "spec.containers is not",
        ),
        (
            |o| o["metadata"]["annotations"] = json!(true),
            "metadata.annotations is not",
        ),
    ];
    for (change, part) in cases {
        let mut object = object("configuration");
        change(&mut object);
        let outcome = injected(&object, &settings());
        assert!(outcome.patch.is_empty(), "{part}");
        assert!(matches!(
            outcome.verdict,
            Verdict::Refused(Refusal::Unfit(_))
        ));
        assert!(outcome.warnings[0].contains(part), "{:?}", outcome.warnings);
    }
}

/// While tagalong is updated, webhooks of two versions answer in turn.
#[test]
fn an_earlier_webhook_leaves_alone_what_a_later_one_put_in() {
    let older = InjectionSettings {
        image: "ghcr.io/example/tagalong-sidecar:0.0.9".to_owned(),
        ..started(5)
    };
    let object = object("configuration");
    let stored = applied(&object, &inject(&object, None, &started(9)));
    let mut edited = stored.clone();
    edited["spec"]["dataPlaneOptions"]["deployment"]["replicas"] = json!(3);
    let outcome = inject(&edited, Some(&stored), &older);
    assert_eq!(outcome.verdict, Verdict::Kept);
    assert!(outcome.patch.is_empty(), "{}", outcome.patch);
    template_mut(&mut edited)["spec"]["initContainers"] = json!([]);
    let outcome = inject(&edited, Some(&stored), &older);
    assert_eq!(template(&applied(&edited, &outcome)), template(&stored));
    // Unless it is asked for something new.
    edited["metadata"]["annotations"]["tagalong.dev/listen-port"] = json!("9999");
    let outcome = inject(&edited, Some(&stored), &older);
    assert_eq!(outcome.verdict, Verdict::Injected);
}

/// While a DataPlane is still labelled, its operator already copies down what is above: if tagalong was updated in between, that is one
/// rollout, and not another one for the date.
#[test]
fn what_comes_from_above_is_taken_as_it_is() {
    let older = InjectionSettings {
        image: "ghcr.io/example/tagalong-sidecar:0.0.9".to_owned(),
        ..started(5)
    };
    let dataplane = object("gateway-made");
    let stored = applied(&dataplane, &inject(&dataplane, None, &older));
    let mut source = above(&dataplane);
    source = applied(&source, &inject(&source, None, &started(9)));
    let mut copied = stored.clone();
    *template_mut(&mut copied) = template(&source).clone();
    let outcome = inject(&copied, Some(&stored), &started(10));
    assert!(outcome.patch.is_empty(), "{}", outcome.patch);
    // Where nothing but the date would change, nothing changes.
    let stored = applied(&dataplane, &inject(&dataplane, None, &started(5)));
    let outcome = inject(&copied, Some(&stored), &started(10));
    assert_eq!(template(&applied(&copied, &outcome)), template(&stored));
}

/// The operator takes its label off a DataPlane whose sidecar comes from above; the sidecar stays.
#[test]
fn a_dataplane_with_a_source_keeps_its_sidecar() {
    let object = object("gateway-made");
    let stored = applied(&object, &injected(&object, &settings()));
    let mut handed = unmarked(&stored);
    handed["metadata"]["annotations"]["tagalong.dev/sidecar-source"] =
        json!("GatewayConfiguration");
    let outcome = inject(&handed, Some(&stored), &settings());
    assert_eq!(outcome.verdict, Verdict::Untouched);
    assert!(outcome.patch.is_empty() && outcome.warnings.is_empty());
    // What its operator then copies down is nobody's business either.
    let outcome = inject(&handed, Some(&handed), &settings());
    assert!(outcome.patch.is_empty());
    // A label of its own counts all the same.
    handed["metadata"]["labels"]["tagalong.dev/inject"] = json!("enabled");
    assert_eq!(
        inject(&handed, None, &settings()).verdict,
        Verdict::Injected
    );
}
