//! What holds for each object of the corpus, under each sort of settings.

use crate::support;

use serde_json::{Value, json};
use support::{
    all_settings, applied, corpus, files, injected, object, settings, sidecar, template,
    template_mut, unmarked,
};
use tagalong_webhook::{InjectionSettings, Refusal, Verdict, inject};

#[test]
fn each_object_gets_the_sidecar_and_loses_it_without_a_trace() {
    for (name, object) in corpus() {
        for settings in all_settings() {
            let added = injected(&object, &settings);
            assert_eq!(
                added.verdict,
                Verdict::Injected,
                "{name}: {:?}",
                added.warnings
            );
            let with = applied(&object, &added);
            assert!(sidecar(&with).is_some(), "{name}");

            let removed = injected(&unmarked(&with), &settings);
            assert_eq!(removed.verdict, Verdict::Removed, "{name}");
            assert_eq!(
                applied(&unmarked(&with), &removed),
                unmarked(&object),
                "{name}"
            );
        }
    }
}

#[test]
fn twice_is_once() {
    for (name, object) in corpus() {
        for settings in all_settings() {
            let with = applied(&object, &injected(&object, &settings));
            let again = injected(&with, &settings);
            assert_eq!(again.verdict, Verdict::Injected, "{name}");
            assert!(again.patch.is_empty(), "{name}: {}", again.patch);
        }
    }
}

#[test]
fn a_sidecar_of_another_version_becomes_this_version() {
    let newer = InjectionSettings {
        image: "ghcr.io/example/tagalong-sidecar:0.2.0".to_owned(),
        ..settings()
    };
    for (name, object) in corpus() {
        let fresh = applied(&object, &injected(&object, &newer));
        for older in all_settings() {
            let before = applied(&object, &injected(&object, &older));
            let after = applied(&before, &injected(&before, &newer));
            assert_eq!(after, fresh, "{name}");
        }
    }
}

#[test]
fn an_operator_that_patches_the_sidecar_away_gets_the_same_bytes_back() {
    for (name, object) in corpus() {
        for settings in all_settings() {
            let stored = applied(&object, &injected(&object, &settings));
            if template(&object).is_null() {
                continue;
            }
            let mut reconciled = stored.clone();
            *template_mut(&mut reconciled) = template(&object).clone();
            assert_eq!(
                applied(&reconciled, &injected(&reconciled, &settings)),
                stored,
                "{name}"
            );

            // A merge patch that resets the lists and leaves the annotations alone comes to the same.
            let mut reset = stored.clone();
            let spec = template(&object)["spec"].clone();
            template_mut(&mut reset)["spec"] = spec;
            assert_eq!(
                template(&applied(&reset, &injected(&reset, &settings)))["spec"],
                template(&stored)["spec"],
                "{name}"
            );
        }
    }
}

/// A change of this test's expectation replaces every Kong pod at the next update of tagalong: it wants a reason.
#[test]
fn the_bytes_are_these() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden.json");
    let mut found = serde_json::Map::new();
    for (name, object) in files() {
        let outcome = injected(&object, &settings());
        found.insert(
            name,
            json!({"patch": outcome.patch, "warnings": outcome.warnings}),
        );
    }
    let found = format!("{:#}\n", Value::Object(found));
    if std::env::var_os("TAGALONG_BLESS").is_some() {
        std::fs::write(golden, &found).expect("golden.json can be written");
    }
    let expected = std::fs::read_to_string(golden).expect("golden.json");
    assert_eq!(
        found, expected,
        "if this is meant: TAGALONG_BLESS=1 cargo test -p tagalong-webhook --test it corpus"
    );
}

#[test]
fn kong_stays_where_it_is() {
    for (name, object) in corpus() {
        for settings in all_settings() {
            let with = applied(&object, &injected(&object, &settings));
            let none = Vec::new();
            let before = template(&object)["spec"]["containers"].as_array();
            let before = before.unwrap_or(&none);
            let after = template(&with)["spec"]["containers"]
                .as_array()
                .expect("containers");
            assert_eq!(after[..before.len()], before[..], "{name}");
            let inits = template(&with)["spec"]["initContainers"].as_array();
            let last = if settings.native {
                inits.and_then(|list| list.last())
            } else {
                after.last()
            };
            assert_eq!(last, sidecar(&with), "{name}: ours is the last");
        }
    }
}

#[test]
fn the_log_is_set_by_variables_and_by_default_not_at_all() {
    let object = object("smallest");
    let env = |settings: &InjectionSettings| {
        let with = applied(&object, &injected(&object, settings));
        sidecar(&with).expect("the sidecar")["env"].clone()
    };
    assert_eq!(env(&settings()).as_array().map(Vec::len), Some(1));
    let set = InjectionSettings {
        log: Some("warn".to_owned()),
        log_format: Some(tagalong_runtime::logging::LogFormat::Json),
        ..settings()
    };
    let env = env(&set);
    assert_eq!(env[1], json!({"name": "TAGALONG_LOG", "value": "warn"}));
    assert_eq!(
        env[2],
        json!({"name": "TAGALONG_LOG_FORMAT", "value": "json"})
    );
}

#[test]
fn a_user_is_named_only_where_the_pods_is_root() {
    let mut object = object("smallest");
    for (user, expected) in [
        (json!(null), None),
        (json!(1000), None),
        (json!(0), Some(json!(65532))),
    ] {
        template_mut(&mut object)["spec"]["securityContext"] = json!({"runAsUser": user});
        let with = applied(&object, &injected(&object, &settings()));
        let context = &sidecar(&with).expect("the sidecar")["securityContext"];
        assert_eq!(context.get("runAsUser").cloned(), expected, "{user}");
        assert_eq!(context["runAsNonRoot"], true);
    }
}

/// The API server refuses a pod whose containers' requests are more than its own.
#[test]
fn a_pod_with_resources_of_its_own_stays_valid() {
    let mut object = object("smallest");
    template_mut(&mut object)["spec"]["resources"] =
        json!({"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "32Mi"}});
    let with = applied(&object, &injected(&object, &settings()));
    assert_eq!(
        sidecar(&with).expect("the sidecar")["resources"],
        json!({"requests": {"cpu": "0", "memory": "0"}})
    );
}

#[test]
fn pull_secrets_are_added_to_others_and_taken_out_again() {
    let set = InjectionSettings {
        pull_secrets: vec!["a".to_owned(), "b".to_owned()],
        ..settings()
    };
    let always = InjectionSettings {
        pull_secrets_always: true,
        ..set.clone()
    };
    let (theirs, none) = (json!([{"name": "b"}]), json!(null));
    let both = json!([{"name": "b"}, {"name": "a"}]);
    let ours = json!([{"name": "a"}, {"name": "b"}]);
    for (before, settings, after, warnings) in [
        (&theirs, &set, &both, 0),
        (&theirs, &always, &both, 0),
        (&none, &set, &none, 0),
        (&none, &always, &ours, 1),
    ] {
        let mut object = object("smallest");
        template_mut(&mut object)["spec"]["imagePullSecrets"] = before.clone();
        let outcome = injected(&object, settings);
        assert_eq!(outcome.warnings.len(), warnings, "{:?}", outcome.warnings);
        let with = applied(&object, &outcome);
        assert_eq!(&template(&with)["spec"]["imagePullSecrets"], after);
        let without = unmarked(&with);
        let without = applied(&without, &injected(&without, settings));
        assert_eq!(without, unmarked(&object));
    }
}

#[test]
fn what_comes_from_elsewhere_is_said_to() {
    let mut konnect = object("smallest");
    konnect["spec"]["network"] = json!({"konnectCertificate": {"issuer": {"name": "x"}}});
    assert_eq!(
        injected(&konnect, &settings()).verdict,
        Verdict::Refused(Refusal::KonnectCertificate)
    );
    for name in ["kong", "proxy"] {
        let mut hidden = object("helm-chart");
        template_mut(&mut hidden)["spec"]["containers"] =
            json!([{"name": name, "envFrom": [{"configMapRef": {"name": "kong"}}]}]);
        assert_eq!(
            injected(&hidden, &settings()).verdict,
            Verdict::Refused(Refusal::EnvFrom(name.to_owned()))
        );
    }
}

#[test]
fn overrides_are_followed() {
    let object = object("crowded");
    let with = applied(&object, &injected(&object, &settings()));
    let ours = sidecar(&with).expect("the sidecar");
    assert_eq!(
        ours["image"],
        "registry.example.com:5000/mirror/tagalong-sidecar:9.9"
    );
    assert_eq!(
        ours["resources"],
        json!({"limits": {"cpu": "1", "memory": "96Mi"}, "requests": {"cpu": "20m"}})
    );
    assert_eq!(
        ours["ports"],
        json!([{"name": "tagalong", "containerPort": 19542, "protocol": "TCP"}])
    );
    assert_eq!(ours["livenessProbe"]["httpGet"]["port"], 19542);
    assert_eq!(ours["args"][0], "--listen=0.0.0.0:19542");
    assert_eq!(
        ours["args"][1],
        "--kong-metrics-url=https://127.0.0.1:8543/metrics"
    );
}

#[test]
fn a_bad_override_is_warned_about_and_the_default_stands() {
    let good = object("smallest");
    let plain = applied(&good, &injected(&good, &settings()));
    for (annotation, value) in [
        ("tagalong.dev/sidecar-image", "no image"),
        ("tagalong.dev/sidecar-image", ""),
        ("tagalong.dev/sidecar-resources", "{"),
        (
            "tagalong.dev/sidecar-resources",
            r#"{"limits":{"memory":"1Mi"}}"#,
        ),
        ("tagalong.dev/listen-port", "http"),
        ("tagalong.dev/listen-port", "80"),
        ("tagalong.dev/listen-port", "65536"),
    ] {
        let mut object = good.clone();
        object["metadata"]["annotations"] = json!({ annotation: value });
        let outcome = injected(&object, &settings());
        assert_eq!(outcome.verdict, Verdict::Injected, "{annotation}={value}");
        assert_eq!(
            outcome.warnings.len(),
            1,
            "{annotation}={value}: {:?}",
            outcome.warnings
        );
        assert!(
            outcome.warnings[0].contains(annotation),
            "{:?}",
            outcome.warnings
        );
        assert_eq!(
            template(&applied(&object, &outcome)),
            template(&plain),
            "{annotation}={value}"
        );
    }
}

#[test]
fn refusals_say_why_and_leave_the_user_his_own() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change, &str); 14] = [
        (
            "smallest",
            |t| t["spec"]["containers"][0]["name"] = json!("kong"),
            "named `proxy`",
        ),
        (
            "smallest",
            |t| t["spec"]["containers"] = json!([]),
            "named `proxy`",
        ),
        (
            "smallest",
            |t| t["spec"]["containers"] = json!({}),
            "spec.containers",
        ),
        (
            "smallest",
            |t| t["spec"] = json!("x"),
            "spec of the pod template",
        ),
        ("smallest", |t| t["metadata"] = json!([]), "metadata"),
        (
            "smallest",
            |t| t["metadata"] = json!({"annotations": 1}),
            "metadata",
        ),
        (
            "smallest",
            |t| t["spec"]["containers"][1] = json!({"name": "tagalong"}),
            "container named `tagalong`",
        ),
        (
            "crowded",
            |t| t["spec"]["initContainers"][0]["name"] = json!("tagalong"),
            "container named `tagalong`",
        ),
        (
            "crowded",
            |t| t["spec"]["volumes"][0]["name"] = json!("tagalong"),
            "volume named `tagalong`",
        ),
        (
            "crowded",
            |t| t["spec"]["initContainers"][1]["ports"][0]["name"] = json!("tagalong"),
            "port named `tagalong`",
        ),
        (
            "crowded",
            |t| t["spec"]["initContainers"][1]["ports"][0]["containerPort"] = json!(19542),
            "container `own-sidecar`",
        ),
        (
            "helm-chart",
            |t| t["spec"]["containers"][0]["env"][6]["value"] = json!("0.0.0.0:9542"),
            "KONG_STREAM_LISTEN",
        ),
        (
            "helm-chart",
            |t| t["spec"]["containers"][0]["env"][5]["value"] = json!("off"),
            "`off`",
        ),
        (
            "helm-chart",
            |t| t["spec"]["containers"][0]["env"][5] = json!({}),
            "KONG_STATUS_LISTEN",
        ),
    ];
    for (name, change, reason) in cases {
        let mut object = object(name);
        // A list must have a second place before the second container can be written there.
        if let Some(Value::Array(containers)) =
            template_mut(&mut object).pointer_mut("/spec/containers")
        {
            containers.push(json!({"name": "spare"}));
        }
        change(template_mut(&mut object));
        let outcome = injected(&object, &settings());
        assert!(
            matches!(outcome.verdict, Verdict::Refused(_)),
            "{name}, {reason}: {:?}",
            outcome.verdict
        );
        assert!(outcome.patch.is_empty(), "{name}, {reason}");
        let warnings = outcome.warnings.join("\n");
        assert!(warnings.contains(reason), "{reason}: {warnings}");
        assert!(
            outcome.warnings.iter().all(|warning| warning.len() <= 200),
            "{warnings}"
        );
    }
}

#[test]
fn a_default_port_of_kong_is_taken_though_nobody_declares_it() {
    let mut object = object("smallest");
    object["metadata"]["annotations"] = json!({"tagalong.dev/listen-port": "8444"});
    let outcome = injected(&object, &settings());
    assert!(
        matches!(
            outcome.verdict,
            Verdict::Refused(Refusal::PortTaken { port: 8444, .. })
        ),
        "{outcome:?}"
    );
}

#[test]
fn a_refused_object_loses_the_sidecar_it_had() {
    let object = object("helm-chart");
    let mut with = applied(&object, &injected(&object, &settings()));
    let mut bare = object;
    for object in [&mut with, &mut bare] {
        template_mut(object)["spec"]["containers"][0]["env"][5]["value"] = json!("off");
    }
    let outcome = injected(&with, &settings());
    assert_eq!(outcome.verdict, Verdict::Refused(Refusal::StatusOff));
    assert_eq!(applied(&with, &outcome), bare);
}

#[test]
fn a_deployment_of_a_data_plane_is_left_to_its_operator() {
    let mut object = object("helm-chart");
    object["metadata"]["ownerReferences"] = json!([
        {"apiVersion": "gateway-operator.konghq.com/v1beta1", "kind": "DataPlane", "name": "x", "uid": "y"}
    ]);
    assert_eq!(
        injected(&object, &settings()).verdict,
        Verdict::Refused(Refusal::OwnedByDataPlane)
    );
}

#[test]
fn objects_that_are_not_ours_are_left_alone() {
    for object in [
        json!(null),
        json!(7),
        json!({}),
        json!({"apiVersion": "v1", "kind": "Pod"}),
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet"}),
        json!({"apiVersion": "example.com/v1", "kind": "DataPlane"}),
        json!({"apiVersion": "apps", "kind": "Deployment"}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"labels": {"tagalong.dev/inject": "true"}}}),
    ] {
        let outcome = injected(&object, &settings());
        assert_eq!(outcome.verdict, Verdict::Untouched, "{object}");
        assert!(
            outcome.patch.is_empty() && outcome.warnings.is_empty(),
            "{object}"
        );
    }
    let marked = json!({"kind": "Pod", "metadata": {"labels": {"tagalong.dev/inject": "enabled"}}});
    assert_eq!(
        injected(&marked, &settings()).verdict,
        Verdict::Refused(Refusal::Kind)
    );
}

#[test]
fn an_object_on_its_way_out_is_let_through() {
    for (name, mut object) in corpus() {
        object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
        let outcome = injected(&object, &settings());
        assert_eq!(outcome.verdict, Verdict::Untouched, "{name}");
        assert!(outcome.patch.is_empty(), "{name}");
    }
}

#[test]
fn a_promotion_is_not_disturbed() {
    let mut bare = object("crowded");
    bare["status"] = json!({"rollout": {"conditions": [
        {"type": "RolledOut", "status": "False", "reason": "PromotionInProgress"}
    ]}});
    let older = InjectionSettings {
        image: "old:1".to_owned(),
        native: false,
        ..settings()
    };
    bare["metadata"]["annotations"] = json!({});
    let stored = applied(&bare, &injected(&bare, &older));

    // Not for the sake of metadata,
    let mut touched = stored.clone();
    touched["metadata"]["labels"]["touched"] = json!("yes");
    let outcome = inject(&touched, Some(&stored), &settings());
    assert_eq!(outcome.verdict, Verdict::Kept);
    assert!(outcome.patch.is_empty());

    // nor to take a new mark or its loss into account,
    let outcome = inject(&unmarked(&stored), Some(&stored), &settings());
    assert_eq!(
        (outcome.verdict, outcome.patch.is_empty()),
        (Verdict::Kept, true)
    );
    let outcome = inject(&bare, Some(&unmarked(&bare)), &settings());
    assert_eq!(
        (outcome.verdict, outcome.patch.is_empty()),
        (Verdict::Kept, true)
    );

    // and a Gateway's reconcile that takes the sidecar out gets the old one back.
    let outcome = inject(&bare, Some(&stored), &settings());
    assert_eq!(outcome.verdict, Verdict::Kept);
    assert_eq!(applied(&bare, &outcome), stored);

    // Somebody who changes the pods meanwhile is told so by the CRD, not by us.
    let mut changed = stored.clone();
    template_mut(&mut changed)["spec"]["containers"][1]["image"] = json!("kong:3.9.2");
    assert_eq!(
        inject(&changed, Some(&stored), &settings()).verdict,
        Verdict::Injected
    );

    // Once it is over, everything is brought up to date.
    let mut over = stored;
    over["status"]["rollout"]["conditions"][0]["reason"] = json!("PromotionDone");
    let outcome = inject(&over, Some(&over), &settings());
    assert_eq!(outcome.verdict, Verdict::Injected);
    assert!(!outcome.patch.is_empty());
}

#[test]
fn of_two_versions_that_answer_in_turn_the_later_one_wins() {
    let older = InjectionSettings {
        started: 100,
        ..settings()
    };
    let newer = InjectionSettings {
        labels_url: "https://elsewhere/v1/labels".to_owned(),
        started: 200,
        ..settings()
    };
    for (name, object) in corpus() {
        let first = applied(&object, &injected(&object, &older));
        // An owner takes the sidecar out at each reconcile, and replicas of both versions answer, as it happens.
        let reconcile = |stored: &Value, settings: &InjectionSettings| {
            let outcome = inject(&object, Some(stored), settings);
            applied(&object, &outcome)
        };
        assert_eq!(reconcile(&first, &older), first, "{name}");
        let second = reconcile(&first, &newer);
        assert_ne!(second, first, "{name}");
        assert_eq!(reconcile(&second, &older), second, "{name}");
        assert_eq!(reconcile(&second, &newer), second, "{name}");

        // A replica of the same version that started earlier or later changes nothing, not even the date.
        for started in [50, 199, 201, 999] {
            let sibling = InjectionSettings {
                started,
                ..newer.clone()
            };
            assert_eq!(reconcile(&second, &sibling), second, "{name}, {started}");
        }

        // A rollback starts last.
        let rollback = InjectionSettings {
            started: 300,
            ..older.clone()
        };
        let third = reconcile(&second, &rollback);
        assert_eq!(sidecar(&third), sidecar(&first), "{name}");
        assert_eq!(reconcile(&third, &newer), third, "{name}");

        // Who asks for something new gets it, of whatever version answers.
        let mut asked = second.clone();
        asked["metadata"]["annotations"]["tagalong.dev/listen-port"] = json!("10001");
        let outcome = inject(&asked, Some(&second), &older);
        assert_eq!(outcome.verdict, Verdict::Injected, "{name}");
        let ours = sidecar(&applied(&asked, &outcome)).cloned();
        assert_eq!(
            ours.map(|ours| ours["ports"][0]["containerPort"].clone()),
            Some(json!(10001)),
            "{name}"
        );
        let bare = unmarked(&second);
        assert_eq!(
            inject(&bare, Some(&second), &older).verdict,
            Verdict::Removed,
            "{name}"
        );
    }
}

#[test]
fn scrape_annotations_are_the_users_when_the_user_has_them() {
    let settings = InjectionSettings {
        scrape_annotations: true,
        ..settings()
    };
    let theirs = object("stateful");
    let outcome = injected(&theirs, &settings);
    assert!(
        outcome.warnings[0].contains("prometheus.io/"),
        "{:?}",
        outcome.warnings
    );
    assert_eq!(
        template(&applied(&theirs, &outcome))["metadata"]["annotations"]["prometheus.io/port"],
        "8100"
    );

    let ours = object("smallest");
    let mut with = applied(&ours, &injected(&ours, &settings));
    assert_eq!(
        template(&with)["metadata"]["annotations"]["prometheus.io/port"],
        "9542"
    );
    // One that was changed since is theirs, and stays.
    template_mut(&mut with)["metadata"]["annotations"]["prometheus.io/port"] = json!("8100");
    let without = unmarked(&with);
    let without = applied(&without, &injected(&without, &settings));
    assert_eq!(
        template(&without)["metadata"]["annotations"],
        json!({"prometheus.io/port": "8100"})
    );
}

#[test]
fn a_broken_marker_still_says_whose_the_sidecar_is() {
    let object = object("smallest");
    let stored = applied(&object, &injected(&object, &settings()));
    for marker in [
        json!("{"),
        json!("[]"),
        json!(7),
        json!(r#"{"absent":["/spec","/spec/containers","",7]}"#),
    ] {
        let mut broken = stored.clone();
        template_mut(&mut broken)["metadata"]["annotations"]["tagalong.dev/injected"] =
            marker.clone();
        let outcome = injected(&broken, &settings());
        assert_eq!(outcome.verdict, Verdict::Injected, "{marker}");
        let mended = applied(&broken, &outcome);
        assert_eq!(sidecar(&mended), sidecar(&stored), "{marker}");
        let without = unmarked(&mended);
        let without = applied(&without, &injected(&without, &settings()));
        assert_eq!(
            template(&without)["spec"]["containers"],
            template(&object)["spec"]["containers"],
            "{marker}"
        );
    }
}
