//! What Helm renders from the chart.

use clap::Parser as _;
use serde_json::{Value, json};
use tagalong_chart::helm::{env, everything, find};
use tagalong_chart::{Result, file, flags, helm};
use tagalong_operator::lease::mark::MARK;
use tagalong_signals::{PlaneSignal, ServiceSignal};

fn kinds(objects: &[Value]) -> Vec<&str> {
    objects
        .iter()
        .filter_map(|object| object["kind"].as_str())
        .collect()
}

/// Every map below a value, itself included.
fn walk(value: &Value, visit: &mut dyn FnMut(&Value)) {
    visit(value);
    match value {
        Value::Object(map) => map.values().for_each(|value| walk(value, visit)),
        Value::Array(list) => list.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

#[test]
fn the_same_values_give_the_same_bytes() -> Result {
    for values in [json!({}), everything()] {
        assert_eq!(helm::text(&values)?, helm::text(&values)?);
    }
    Ok(())
}

#[test]
fn there_is_no_certificate_and_no_key() -> Result {
    for values in [
        json!({}),
        everything(),
        json!({"certificates": {"source": "secret", "secret": {"operator": "a", "webhook": "b"}}}),
    ] {
        let text = helm::text(&values)?;
        for word in ["BEGIN", "PRIVATE", "caBundle", "LS0tLS"] {
            assert!(!text.contains(word), "{word}");
        }
        assert!(!kinds(&helm::parse(&text)?).contains(&"Secret"));
    }
    Ok(())
}

/// A kind that the API server may not have would fail the whole installation.
#[test]
fn what_is_optional_is_there_only_where_asked_for() -> Result {
    let switches = [
        (
            "ServiceMonitor",
            json!({"serviceMonitor": {"enabled": true}}),
        ),
        ("PodMonitor", json!({"podMonitor": {"enabled": true}})),
        (
            "PrometheusRule",
            json!({"prometheusRule": {"enabled": true}}),
        ),
        ("ConfigMap", json!({"dashboard": {"enabled": true}})),
        ("NetworkPolicy", json!({"networkPolicy": {"enabled": true}})),
        (
            "CustomResourceDefinition",
            json!({"crds": {"enabled": true}}),
        ),
        (
            "Certificate",
            json!({"certificates": {"source": "cert-manager"}}),
        ),
    ];
    let default = helm::objects(&json!({}))?;
    for (kind, values) in switches {
        assert!(!kinds(&default).contains(&kind), "{kind}");
        let objects = helm::objects(&values)?;
        assert!(kinds(&objects).contains(&kind), "{kind}");
        let others: Vec<&str> = kinds(&objects)
            .into_iter()
            .filter(|other| *other != kind && *other != "Issuer")
            .collect();
        assert_eq!(others, kinds(&default), "{kind}");
    }
    let without =
        helm::objects(&json!({"webhook": {"enabled": false}, "uninstall": {"cleanUp": false}}))?;
    let text = serde_json::to_string(&without)?;
    assert!(!text.contains("tagalong-webhook\""), "{text}");
    assert!(!kinds(&without).contains(&"Job"));
    Ok(())
}

/// Pod Security `restricted`, and no more than asked for.
#[test]
fn pods_are_restricted_and_only_the_operator_has_a_token() -> Result {
    let objects = helm::objects(&json!({}))?;
    let mut pods = Vec::new();
    for object in &objects {
        match object["kind"].as_str() {
            Some("Pod") => pods.push(("test", &object["spec"])),
            Some("Deployment" | "Job") => {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                pods.push((name, &object["spec"]["template"]["spec"]));
            }
            _ => {}
        }
    }
    assert_eq!(pods.len(), 4);
    for (name, pod) in pods {
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"],
            "RuntimeDefault"
        );
        let container = &pod["containers"][0];
        assert_eq!(
            container["securityContext"]["readOnlyRootFilesystem"], true,
            "{name}"
        );
        assert_eq!(
            container["securityContext"]["allowPrivilegeEscalation"],
            false
        );
        assert_eq!(
            container["securityContext"]["capabilities"]["drop"],
            json!(["ALL"])
        );
        assert!(
            container["resources"]["limits"]["memory"].is_string(),
            "{name}"
        );
        let token = pod["automountServiceAccountToken"] != false;
        let needs = name == "tagalong-operator" || name.starts_with("tagalong-uninstall-");
        assert_eq!(token, needs, "{name}");
    }
    for object in objects.iter().filter(|object| {
        object["kind"]
            .as_str()
            .is_some_and(|kind| kind.ends_with("Binding"))
    }) {
        let bound = object["subjects"][0]["name"].as_str().unwrap_or_default();
        assert!(
            ["tagalong-operator", "tagalong-uninstall"].contains(&bound),
            "{object}"
        );
    }
    Ok(())
}

/// The ServiceMonitor that people have stays theirs: `tests/data/published-example`.
#[test]
fn the_published_service_monitor_finds_the_metrics_service() -> Result {
    let published = include_str!("../../../../data/published-example/servicemonitor.yaml");
    let monitor: Value = serde_saphyr::from_str(published)?;
    let objects = helm::objects(&json!({}))?;
    let selected: Vec<&Value> = objects
        .iter()
        .filter(|object| object["kind"] == "Service")
        .filter(|service| {
            let wanted = monitor["spec"]["selector"]["matchLabels"].as_object();
            wanted
                .into_iter()
                .flatten()
                .all(|(key, value)| service["metadata"]["labels"][key] == *value)
        })
        .collect();
    assert_eq!(selected.len(), 1);
    assert_eq!(selected[0]["metadata"]["name"], "tagalong-metrics");
    let ports = selected[0]["spec"]["ports"].as_array().ok_or("no ports")?;
    for name in [&monitor["spec"]["endpoints"][0]["port"], &json!("http")] {
        let port = ports.iter().find(|port| port["name"] == *name);
        assert_eq!(
            port.ok_or("no such port")?["targetPort"],
            "metrics",
            "{name}"
        );
    }
    Ok(())
}

#[test]
fn webhooks_are_those_of_the_file_with_this_releases_names() -> Result {
    let values = json!({
        "fullnameOverride": "other",
        "webhook": {"timeoutSeconds": 7, "workloadFailurePolicy": "Fail", "dataPlaneFailurePolicy": "Fail", "configurationFailurePolicy": "Ignore", "namespaceSelector": {"matchLabels": {"a": "b"}}},
    });
    let objects = helm::objects(&values)?;
    let configuration = find(&objects, "MutatingWebhookConfiguration", "other")?;
    let mut wanted: Value = serde_saphyr::from_str(&file("files/webhooks.yaml")?)?;
    let webhooks = wanted["webhooks"].as_array_mut().ok_or("no webhooks")?;
    for webhook in &mut *webhooks {
        webhook["clientConfig"] = json!({"service": {
            "name": "other-webhook", "namespace": "tagalong-system", "path": "/mutate", "port": 443,
        }});
        webhook["namespaceSelector"] = json!({"matchLabels": {"a": "b"}});
        webhook["timeoutSeconds"] = json!(7);
    }
    webhooks[0]["failurePolicy"] = json!("Fail");
    webhooks[1]["failurePolicy"] = json!("Ignore");
    webhooks[2]["failurePolicy"] = json!("Fail");
    assert_eq!(configuration["webhooks"], wanted["webhooks"]);
    let default = helm::objects(&json!({}))?;
    let unchanged: Value = serde_saphyr::from_str(&file("files/webhooks.yaml")?)?;
    let rendered = find(&default, "MutatingWebhookConfiguration", "tagalong")?;
    assert_eq!(rendered["webhooks"], unchanged["webhooks"]);
    let policies: Vec<&Value> = rendered["webhooks"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|webhook| &webhook["failurePolicy"])
        .collect();
    assert_eq!(policies, ["Ignore", "Fail", "Ignore"]);
    let source = env(&default, "tagalong-operator", "TAGALONG_INJECT_AT_SOURCE")?;
    assert_eq!(source, "true");
    Ok(())
}

#[test]
fn images_by_registry_tag_and_digest() -> Result {
    let digest = format!("sha256:{}", "a".repeat(64));
    let objects = helm::objects(&json!({
        "image": {"registry": "ghcr.io/example/", "pullSecrets": [{"name": "pull"}]},
        "operator": {"image": {"tag": "x"}},
        "webhook": {"image": {"tag": "x", "digest": digest}},
        "sidecar": {"image": {"repository": "kong/sidecar"}},
    }))?;
    let container =
        |name| find(&objects, "Deployment", name).map(|found| &found["spec"]["template"]["spec"]);
    let (operator, webhook) = (
        container("tagalong-operator")?,
        container("tagalong-webhook")?,
    );
    assert_eq!(
        operator["containers"][0]["image"],
        "ghcr.io/example/tagalong-operator:x"
    );
    assert_eq!(
        webhook["containers"][0]["image"],
        format!("ghcr.io/example/tagalong-webhook@{digest}")
    );
    assert_eq!(operator["imagePullSecrets"], json!([{"name": "pull"}]));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        env(&objects, "tagalong-webhook", "TAGALONG_SIDECAR_IMAGE")?,
        format!("ghcr.io/example/kong/sidecar:{version}")
    );
    Ok(())
}

/// A Secret by cert-manager has the name that the operator would give its own: it must not touch it.
#[test]
fn the_operator_makes_certificates_only_where_nobody_else_does() -> Result {
    let secret = json!({"certificates": {"source": "secret", "secret": {"operator": "mine", "webhook": "my-webhooks"}}});
    for (values, operator, webhook) in [
        (
            everything(),
            "tagalong-operator-tls",
            "tagalong-webhook-tls",
        ),
        (secret, "mine", "my-webhooks"),
    ] {
        let objects = helm::objects(&values)?;
        assert_eq!(
            env(&objects, "tagalong-operator", "TAGALONG_TLS_DIR")?,
            "/var/run/tagalong/tls"
        );
        assert!(env(&objects, "tagalong-operator", "TAGALONG_CA_SECRET").is_err());
        for (deployment, secret) in [
            ("tagalong-operator", operator),
            ("tagalong-webhook", webhook),
        ] {
            let volume = find(&objects, "Deployment", deployment)?
                .pointer("/spec/template/spec/volumes/0/secret/secretName");
            assert_eq!(volume, Some(&json!(secret)));
        }
        let role = find(&objects, "Role", "tagalong-uninstall")?;
        assert!(!role.to_string().contains("secrets"), "{role}");
    }
    let missing = helm::text(&json!({"certificates": {"source": "secret"}}));
    assert!(missing.is_err_and(|error| error.to_string().contains("certificates.secret.")));
    Ok(())
}

#[test]
fn names_follow_the_release() -> Result {
    let objects =
        helm::objects(&json!({"fullnameOverride": "other", "commonLabels": {"team": "a"}}))?;
    for object in &objects {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        // The mark of the one installation that works is the same in every release, so that two find each other.
        assert!(name.starts_with("other") || name == MARK, "{name}");
        assert_eq!(object["metadata"]["labels"]["team"], "a", "{name}");
    }
    let role = find(&objects, "Role", "other-operator")?;
    let cluster_role = find(&objects, "ClusterRole", "other-operator")?;
    let mut names = Vec::new();
    for rules in [role, cluster_role] {
        walk(rules, &mut |value| {
            if let Some(list) = value["resourceNames"].as_array() {
                names.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
            }
        });
    }
    // The ConfigMap of sidecars has one name in all of them.
    assert_eq!(
        names,
        [
            "other-operator",
            "other-ca",
            "other-operator-tls",
            "other-webhook-tls",
            "tagalong-ca",
            "other",
            MARK
        ]
    );
    for (variable, value) in [
        ("TAGALONG_LEASE", "other-operator"),
        ("TAGALONG_CA_SECRET", "other-ca"),
        ("TAGALONG_PUSH_SECRET", "other-operator-tls"),
        ("TAGALONG_WEBHOOK_SECRET", "other-webhook-tls"),
        ("TAGALONG_WEBHOOK_CONFIGURATION", "other"),
        ("TAGALONG_PUSH_NAMES", "other-operator.tagalong-system.svc"),
    ] {
        assert_eq!(env(&objects, "other-operator", variable)?, value);
    }
    Ok(())
}

/// It needs rights, and its APIServices can hold up a whole cluster.
#[test]
fn the_metrics_api_is_there_only_where_asked_for() -> Result {
    const ROLE: &str = "other-operator-api-services";
    let values = |api_service: &str| {
        json!({"fullnameOverride": "other", "networkPolicy": {"enabled": true, "customMetricsFrom": [{"podSelector": {}}]},
            "customMetrics": {"enabled": true, "apiService": api_service, "port": 7443, "windowSeconds": 60, "intervalSeconds": 10, "minRequests": 5}})
    };
    let text = helm::text(&json!({"networkPolicy": {"enabled": true}}))?;
    for word in [
        "custom-metrics",
        "CUSTOM_METRICS",
        "custom.metrics",
        "apiservices",
    ] {
        assert!(!text.contains(word), "{word}");
    }
    let objects = helm::objects(&values("auto"))?;
    let deployment = find(&objects, "Deployment", "other-operator")?;
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let mut told = flags::of(&container["env"], |_| "x")?;
    told.insert(0, "other-operator".to_owned());
    let args = tagalong_operator::args::Cli::try_parse_from(told)?.operate;
    let metrics = &args.custom_metrics;
    assert_eq!(metrics.custom_metrics_address, Some("[::]:7443".parse()?));
    assert_eq!(metrics.custom_metrics_owner.as_deref(), Some(ROLE));
    assert_eq!(metrics.window().window.as_secs(), 60);
    assert_eq!(metrics.window().interval.as_secs(), 10);
    assert_eq!(metrics.window().min_requests, 5);
    let at = args.served_at().ok_or("not told where")?;
    let service = find(&objects, "Service", &at.service)?;
    let port = json!({"name": "custom-metrics", "port": at.port, "targetPort": "custom-metrics"});
    assert_eq!(service["spec"]["ports"][1], port);
    assert_eq!(container["ports"][3]["containerPort"], 7443);
    let policy = find(&objects, "NetworkPolicy", "other-operator")?;
    let admits = json!({"ports": [{"port": "custom-metrics"}], "from": [{"podSelector": {}}]});
    assert_eq!(policy["spec"]["ingress"][1], admits);
    // Each role is bound, and the owner of the APIServices may be looked at.
    let rules = find(&objects, "ClusterRole", ROLE)?["rules"].to_string();
    assert!(
        rules.contains(ROLE) && rules.contains("subjectaccessreviews"),
        "{rules}"
    );
    find(&objects, "ClusterRoleBinding", ROLE)?;
    find(
        &objects,
        "ClusterRoleBinding",
        "other-uninstall-api-services",
    )?;
    let reader = find(
        &objects,
        "RoleBinding",
        "other-operator-tagalong-system-front-proxy",
    )?;
    assert_eq!(reader["metadata"]["namespace"], "kube-system");
    assert_eq!(
        reader["roleRef"]["name"],
        "extension-apiserver-authentication-reader"
    );
    let view = find(&objects, "ClusterRole", "other-view-load")?["rules"].to_string();
    for signal in ServiceSignal::ALL {
        assert!(
            view.contains(&format!("\"services/{}\"", signal.name())),
            "{view}"
        );
    }
    for signal in PlaneSignal::ALL {
        let resource = format!(
            "\"dataplanes.gateway-operator.konghq.com/{}\"",
            signal.name()
        );
        assert!(view.contains(&resource), "{view}");
    }
    let never = helm::objects(&values("never"))?;
    assert!(env(&never, "other-operator", "TAGALONG_CUSTOM_METRICS_ADDRESS").is_ok());
    assert!(env(&never, "other-operator", "TAGALONG_CUSTOM_METRICS_SERVICE").is_err());
    Ok(())
}

#[test]
fn older_kubernetes_is_refused() -> Result {
    let refused = helm::text_for("1.29.9", &json!({}));
    assert!(refused.is_err_and(|error| error.to_string().contains("kubeVersion")));
    // As providers write their versions.
    helm::text_for("1.30.0-gke.100", &json!({}))?;
    Ok(())
}

/// A variable that a program does not know would be passed over in silence.
#[test]
fn both_programs_take_what_they_are_told() -> Result {
    let resources =
        json!({"limits": {"memory": "64Mi"}, "requests": {"cpu": "5m", "memory": "16Mi"}});
    let objects = helm::objects(&json!({
        "sidecar": {"resources": resources, "scrapeAnnotations": true, "native": false, "port": 9999,
            "securityContext": {"runAsUser": 1000}, "logLevel": "warn,tagalong_sidecar=debug", "logFormat": "json", "pullSecrets": ["a", "b"], "pullSecretsAlways": true},
        "operator": {"aggregate": "all", "podSelector": "", "pushConnections": 1_000_000, "missedAfterSeconds": 86_400}, "logFormat": "text", "logLevel": "warn",
    }))?;
    let told = |name: &str| -> Result<Vec<String>> {
        let deployment = find(&objects, "Deployment", name)?;
        let env = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
        let mut told = flags::of(env, |_| "x")?;
        told.insert(0, name.to_owned());
        Ok(told)
    };
    let webhook = tagalong_webhook::Args::try_parse_from(told("tagalong-webhook")?)?;
    assert_eq!(webhook.sidecar_resources, Some(resources));
    assert_eq!(webhook.sidecar_port, 9999);
    assert!(webhook.scrape_annotations);
    assert_eq!(
        webhook.sidecar_log.as_deref(),
        Some("warn,tagalong_sidecar=debug")
    );
    assert_eq!(webhook.sidecar_pull_secrets, ["a", "b"]);
    assert!(webhook.sidecar_pull_secrets_always && webhook.sidecar_log_format.is_some());
    assert_eq!(
        webhook.sidecar_security_context.map(Value::Object),
        Some(json!({"runAsUser": 1000}))
    );
    assert_eq!(
        webhook.labels_url,
        "https://tagalong-operator.tagalong-system.svc:8443/v1/labels"
    );
    let operator =
        tagalong_operator::args::Cli::try_parse_from(told("tagalong-operator")?)?.operate;
    assert_eq!(operator.pod_selector, "");
    assert_eq!(operator.push_connections, 1_000_000);
    assert_eq!(operator.missed_after, 86_400);
    assert_eq!(
        operator.push_names,
        ["tagalong-operator.tagalong-system.svc"]
    );
    // What the programs say themselves where nobody tells them otherwise fits the chart's names.
    let defaults = tagalong_operator::args::Cli::try_parse_from(["tagalong-operator"])?.operate;
    assert_eq!(defaults.lease, operator.lease);
    assert_eq!(defaults.ca_secret, operator.ca_secret);
    assert_eq!(defaults.push_secret, operator.push_secret);
    assert_eq!(defaults.webhook_secret, operator.webhook_secret);
    assert_eq!(defaults.push_names, operator.push_names);
    let objects = helm::objects(&json!({}))?;
    assert_eq!(
        env(&objects, "tagalong-operator", "TAGALONG_MISSED_AFTER")?,
        defaults.missed_after.to_string()
    );
    Ok(())
}
