//! What holds for any object at all: objects of the corpus into which arbitrary JSON was thrown, and arbitrary JSON.

use crate::support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use support::{all_settings, applied, corpus, injected, sidecar, template, unmarked};
use tagalong_webhook::{InjectionSettings, Verdict, inject};

/// Keys and words that the code under test looks for, so that arbitrary JSON meets it where it hurts.
const WORDS: &[&str] = &[
    "",
    "metadata",
    "annotations",
    "labels",
    "spec",
    "deployment",
    "podTemplateSpec",
    "dataPlaneOptions",
    "template",
    "containers",
    "initContainers",
    "volumes",
    "name",
    "tagalong",
    "proxy",
    "env",
    "ports",
    "containerPort",
    "protocol",
    "TCP",
    "KONG_STATUS_LISTEN",
    "value",
    "valueFrom",
    "0.0.0.0:8100",
    "off",
    "tagalong.dev/injected",
    "tagalong.dev/taken-over",
    "tagalong.dev/sidecar-source",
    "tagalong.dev/inject",
    "tagalong.dev/listen-port",
    "enabled",
    "status",
    "rollout",
    "conditions",
    "a/b",
    "~",
    "~1",
    "/",
    "ä",
    "9542",
    "prometheus.io/port",
    "imagePullSecrets",
    "pull",
    "securityContext",
    "runAsUser",
    "resources",
    "envFrom",
    r#"{"absent":["/metadata","/spec/volumes"]}"#,
    r#"{"null":["/metadata/annotations"]}"#,
    r#"{"object":{"absent":["/spec","/metadata/annotations"]},"proxy":true}"#,
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(WORDS).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(9542)),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Every JSON pointer into the value, but the root's.
fn pointers(value: &Value) -> Vec<String> {
    fn walk(value: &Value, path: &str, out: &mut Vec<String>) {
        let mut child = |key: &str, value: &Value| {
            let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
            out.push(path.clone());
            walk(value, &path, out);
        };
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| child(key, value)),
            Value::Array(list) => list
                .iter()
                .enumerate()
                .for_each(|(index, value)| child(&index.to_string(), value)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(value, "", &mut out);
    out
}

/// An object of the corpus with some of its parts replaced, removed, or given a field more.
fn damaged() -> impl Strategy<Value = Value> {
    let change = (any::<prop::sample::Index>(), 0..3_u8, word(), anything());
    (
        prop::sample::select(corpus()),
        prop::collection::vec(change, 0..4),
    )
        .prop_map(|((_, mut object), changes)| {
            for (at, sort, key, value) in changes {
                let paths = pointers(&object);
                let path = at.get(&paths);
                let Some(place) = object.pointer_mut(path) else {
                    continue;
                };
                match (sort, place) {
                    (0, place) => *place = value,
                    (1, Value::Object(map)) => drop(map.insert(key, value)),
                    (1, Value::Array(list)) => list.push(value),
                    (_, Value::Object(map)) => drop(map.remove(&key)),
                    (_, Value::Array(list)) => drop(list.pop()),
                    (_, place) => *place = Value::Null,
                }
            }
            object
        })
}

fn some_settings() -> impl Strategy<Value = InjectionSettings> {
    prop::sample::select(all_settings())
}

fn has_marker(object: &Value) -> bool {
    let marked = |object: &Value| {
        let path = "/metadata/annotations/tagalong.dev~1injected";
        object.pointer(path).is_some()
    };
    marked(object) || marked(template(object))
}

/// Where something was added, given that nothing else was changed: each list keeps its beginning, each map its keys. The operators'
/// volume alone stands before the user's.
fn additions(before: &Value, after: &Value, path: &str, out: &mut Vec<String>) {
    let empty = Map::new();
    match (before, after) {
        (Value::Array(old), Value::Array(new)) => {
            assert!(new.len() >= old.len(), "{path} became shorter");
            let ours = json!({"name": "cluster-certificate"});
            let first =
                path == "/spec/volumes" && new.first() == Some(&ours) && old.first() != Some(&ours);
            if first {
                out.push(format!("{path}/- cluster-certificate"));
            }
            let new = &new[usize::from(first)..];
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                additions(old, new, &format!("{path}/{index}"), out);
            }
            for new in &new[old.len()..] {
                out.push(format!(
                    "{path}/- {}",
                    new["name"].as_str().unwrap_or_default()
                ));
            }
        }
        (Value::Object(_) | Value::Null, Value::Object(new)) => {
            let old = before.as_object().unwrap_or(&empty);
            for (key, value) in old {
                let now = new
                    .get(key)
                    .unwrap_or_else(|| panic!("{path}/{key} is gone"));
                additions(value, now, &format!("{path}/{key}"), out);
            }
            for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
                let path = format!("{path}/{key}");
                match value {
                    Value::Object(_) => additions(&json!({}), value, &path, out),
                    Value::Array(_) => additions(&json!([]), value, &path, out),
                    _ => out.push(path),
                }
            }
        }
        (Value::Null, Value::Array(_)) => additions(&json!([]), after, path, out),
        _ => assert_eq!(before, after, "{path} was changed"),
    }
}

/// A GatewayConfiguration whose pod template is out of sight.
fn emptied(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(template) = object.pointer_mut("/spec/dataPlaneOptions/deployment/podTemplateSpec")
    {
        *template = json!({});
    }
    object
}

const OURS: [&str; 9] = [
    "/spec/containers/- tagalong",
    "/spec/initContainers/- tagalong",
    "/spec/volumes/- tagalong",
    "/metadata/annotations/tagalong.dev/injected",
    "/metadata/annotations/prometheus.io/path",
    "/metadata/annotations/prometheus.io/port",
    "/metadata/annotations/prometheus.io/scrape",
    "/spec/volumes/- cluster-certificate",
    "/spec/imagePullSecrets/- pull",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_the_answer_fits(object in prop_oneof![anything(), damaged()], old in prop::option::of(damaged()), settings in some_settings()) {
        let outcome = inject(&object, old.as_ref(), &settings);
        applied(&object, &outcome);
        let again = inject(&object, old.as_ref(), &settings);
        prop_assert_eq!(serde_json::to_string(&outcome.patch).unwrap(), serde_json::to_string(&again.patch).unwrap());
        prop_assert!(outcome.warnings.iter().all(|warning| warning.len() <= 256), "{:?}", outcome.warnings);
    }

    #[test]
    fn twice_is_once(object in damaged(), settings in some_settings()) {
        let once = applied(&object, &injected(&object, &settings));
        let again = injected(&once, &settings);
        prop_assert!(again.patch.is_empty(), "{}", again.patch);
    }

    #[test]
    fn only_ours_is_added_and_removal_gives_back_the_original(object in damaged(), settings in some_settings()) {
        prop_assume!(!has_marker(&object));
        let outcome = injected(&object, &settings);
        let with = applied(&object, &outcome);
        if outcome.verdict == Verdict::Injected {
            let mut added = Vec::new();
            additions(template(&object), template(&with), "", &mut added);
            for path in added {
                let made = object["kind"] == "GatewayConfiguration" && path == "/spec/containers/- proxy";
                prop_assert!(made || OURS.contains(&path.as_str()), "{} was added", path);
            }
            if object["kind"] == "GatewayConfiguration" {
                let mut around = Vec::new();
                additions(&emptied(&object), &emptied(&with), "", &mut around);
                prop_assert_eq!(around, ["/metadata/annotations/tagalong.dev/injected"]);
            }
            prop_assert!(sidecar(&with).is_some());
        } else {
            prop_assert!(outcome.patch.is_empty());
        }
        let without = unmarked(&with);
        let without = applied(&without, &injected(&without, &settings));
        prop_assert_eq!(without, unmarked(&object));
    }

    #[test]
    fn what_was_there_before_does_not_matter(object in damaged(), older in some_settings(), newer in some_settings()) {
        prop_assume!(!has_marker(&object));
        let stored = applied(&object, &injected(&object, &older));
        let updated = applied(&stored, &injected(&stored, &newer));
        prop_assert_eq!(updated, applied(&object, &injected(&object, &newer)));
    }

    /// The plain way, the object built as a whole and `inject` asked, is the judge of the one that passes most of it over.
    #[test]
    fn what_is_passed_over_changes_nothing(object in prop_oneof![anything(), damaged()], old in prop::option::of(damaged()), stored in any::<bool>(), older in some_settings(), settings in some_settings()) {
        let older = InjectionSettings { started: 100, ..older };
        let old = old.map(|old| if stored { applied(&old, &injected(&old, &older)) } else { old });
        for object in [Some(&object), old.as_ref()].into_iter().flatten() {
            let whole = inject(object, old.as_ref(), &settings);
            let request = json!({"uid": "u", "object": object, "oldObject": old});
            let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
            let answer = tagalong_webhook::review::review(review.to_string().as_bytes(), &settings).unwrap();
            prop_assert_eq!(&answer.verdict, &whole.verdict);
            let response: Value = serde_json::from_slice(&answer.body).unwrap();
            let patch = response["response"]["patch"].as_str().map(|patch| STANDARD.decode(patch).unwrap());
            let patch: json_patch::Patch = patch.map_or_else(json_patch::Patch::default, |patch| serde_json::from_slice(&patch).unwrap());
            prop_assert_eq!(patch, whole.patch);
            let warnings = response["response"]["warnings"].as_array().map_or(0, Vec::len);
            prop_assert_eq!(warnings, whole.warnings.len());
        }
    }

    #[test]
    fn any_review_is_answered(request in anything(), object in damaged(), old in damaged(), settings in some_settings()) {
        let mut review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        let answered = tagalong_webhook::review::review(review.to_string().as_bytes(), &settings);
        prop_assert!(answered.is_err() || review["request"]["uid"].is_string());

        review["request"] = json!({"uid": "u", "operation": "UPDATE", "object": object, "oldObject": old});
        let answer = tagalong_webhook::review::review(review.to_string().as_bytes(), &settings).unwrap();
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        prop_assert_eq!(&answer["response"]["uid"], "u");
        prop_assert_eq!(&answer["response"]["allowed"], &json!(true));
    }
}
