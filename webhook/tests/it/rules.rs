//! Rules that no object of the corpus meets, each by the smallest object that does.

use crate::support;

use serde_json::{Value, json};
use support::{applied, injected, object, settings, sidecar, template, template_mut, unmarked};
use tagalong_webhook::{InjectionSettings, Refusal, Verdict, inject};

/// A marked Deployment with these containers.
fn deployment(containers: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "kong", "labels": {"tagalong.dev/inject": "enabled"}},
        "spec": {"template": {"spec": {"containers": containers}}},
    })
}

fn container(name: &str, variable: &str, value: &str) -> Value {
    json!({"name": name, "env": [{"name": variable, "value": value}]})
}

/// Where the sidecar reads Kong's metrics.
fn kong(object: &Value) -> Option<Value> {
    let with = applied(object, &injected(object, &settings()));
    sidecar(&with).map(|ours| ours["args"][1].clone())
}

#[test]
fn a_workloads_kong_is_proxy_or_who_is_configured_as_kong() {
    let url = |port: u16| {
        Some(json!(format!(
            "--kong-metrics-url=http://127.0.0.1:{port}/metrics"
        )))
    };
    let status = |name, port| container(name, "KONG_STATUS_LISTEN", &format!("0.0.0.0:{port}"));
    let other = || container("other", "KONG_DATABASE", "off");
    for (containers, wanted) in [
        (json!([status("other", 8200), status("proxy", 8100)]), 8100),
        (json!([other(), status("gateway", 8100)]), 8100),
    ] {
        assert_eq!(kong(&deployment(&containers)), url(wanted), "{containers}");
    }
    // Who is Kong but does not say where its metrics are is told so, by name.
    let unset = injected(&deployment(&json!([{"name": "x"}, other()])), &settings());
    let refusal = Refusal::StatusUnset("other".to_owned());
    assert_eq!(unset.verdict, Verdict::Refused(refusal));
}

#[test]
fn a_data_planes_kong_is_proxy_and_nobody_else() {
    let mut object = object("smallest");
    let containers = json!([container("kong", "KONG_STATUS_LISTEN", "0.0.0.0:8100")]);
    template_mut(&mut object)["spec"]["containers"] = containers;
    let outcome = injected(&object, &settings());
    assert_eq!(outcome.verdict, Verdict::Refused(Refusal::NoProxy));
}

#[test]
fn a_data_plane_of_another_group_is_not_ours() {
    let mut object = object("smallest");
    object["apiVersion"] = json!("example.com/v1beta1");
    let outcome = injected(&object, &settings());
    assert_eq!(outcome.verdict, Verdict::Refused(Refusal::Kind));
    assert!(outcome.patch.is_empty());
}

/// Else `listen-port` could not be one that Kong has by default and was told to leave.
#[test]
fn a_default_port_is_free_once_kong_listens_elsewhere() {
    let mut object = object("smallest");
    object["metadata"]["annotations"] = json!({"tagalong.dev/listen-port": "8444"});
    template_mut(&mut object)["spec"]["containers"][0]["env"] =
        json!([{"name": "KONG_ADMIN_LISTEN", "value": "127.0.0.1:8001"}]);
    let outcome = injected(&object, &settings());
    assert_eq!(outcome.verdict, Verdict::Injected, "{:?}", outcome.warnings);
}

#[test]
fn a_user_who_has_the_operators_volume_has_it_once_and_keeps_it() {
    let mut theirs = object("smallest");
    let volumes = json!([{"name": "cluster-certificate", "emptyDir": {}}]);
    template_mut(&mut theirs)["spec"]["volumes"] = volumes.clone();
    let with = applied(&theirs, &injected(&theirs, &settings()));
    let names = |object: &Value| -> Vec<Value> {
        let volumes = template(object)["spec"]["volumes"].as_array();
        let all = volumes.into_iter().flatten();
        all.map(|volume| volume["name"].clone()).collect()
    };
    assert_eq!(names(&with), ["cluster-certificate", "tagalong"]);

    // One that we put in and they gave a type has become theirs.
    let ours = object("smallest");
    let mut with = applied(&ours, &injected(&ours, &settings()));
    template_mut(&mut with)["spec"]["volumes"][0] = volumes[0].clone();
    let bare = unmarked(&with);
    let bare = applied(&bare, &injected(&bare, &settings()));
    assert_eq!(template(&bare)["spec"]["volumes"], volumes);
}

#[test]
fn only_a_data_plane_in_a_promotion_is_held() {
    let conditions = |kind: &str| json!({"rollout": {"conditions": [{"type": kind, "reason": "PromotionInProgress"}]}});
    let verdict = |mut object: Value, kind: &str| {
        object["status"] = conditions(kind);
        inject(&object, Some(&object), &settings()).verdict
    };
    assert_eq!(verdict(object("smallest"), "RolledOut"), Verdict::Kept);
    for (name, kind) in [("smallest", "Ready"), ("helm-chart", "RolledOut")] {
        assert_eq!(verdict(object(name), kind), Verdict::Injected, "{name}");
    }
}

/// Each annotation that the sidecar is made from is something new to ask for, also of an earlier webhook.
#[test]
fn an_earlier_webhook_answers_who_asks_for_something_new() {
    let later = InjectionSettings {
        started: 200,
        ..settings()
    };
    let earlier = InjectionSettings {
        labels_url: "https://elsewhere/v1/labels".to_owned(),
        started: 100,
        ..settings()
    };
    let object = object("smallest");
    let stored = applied(&object, &injected(&object, &later));
    let verdict = |asked: &Value| inject(asked, Some(&stored), &earlier).verdict;
    let mut asked = stored.clone();
    asked["metadata"]["annotations"] = json!({"example.com/other": "1"});
    assert_eq!(verdict(&asked), Verdict::Kept);
    for (annotation, value) in [
        ("tagalong.dev/sidecar-image", "sidecar:2"),
        ("tagalong.dev/sidecar-resources", "{}"),
        ("tagalong.dev/listen-port", "10001"),
    ] {
        asked["metadata"]["annotations"] = json!({ annotation: value });
        assert_eq!(verdict(&asked), Verdict::Injected, "{annotation}");
    }
}

#[test]
fn whoever_takes_the_label_away_is_told_that_pods_are_replaced() {
    let object = object("smallest");
    let bare = unmarked(&applied(&object, &injected(&object, &settings())));
    let warnings = injected(&bare, &settings()).warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("replaced"), "{warnings:?}");
}
