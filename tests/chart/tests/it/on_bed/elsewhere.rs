//! What Helm renders for clusters and tools that are not like ours: other networks, other namespaces, tools without hooks.

use serde_json::{Value, json};
use tagalong_chart::helm::{env, everything, find};
use tagalong_chart::{Result, helm};

/// Whoever applies hooks like all else could not apply the next version: neither Job nor Pod can be changed.
#[test]
fn a_hook_of_other_content_has_another_name() -> Result {
    let name_of = |objects: &[Value], kind: &str| -> Result<String> {
        let found = objects.iter().find(|object| object["kind"] == kind);
        let name = found.and_then(|object| object["metadata"]["name"].as_str());
        Ok(name.ok_or("no such object")?.to_owned())
    };
    let here = helm::objects(&json!({}))?;
    let next = helm::objects(&json!({"operator": {"image": {"tag": "next"}}}))?;
    for kind in ["Job", "Pod"] {
        assert_eq!(
            name_of(&here, kind)?,
            name_of(&helm::objects(&json!({}))?, kind)?
        );
        assert_ne!(name_of(&here, kind)?, name_of(&next, kind)?);
    }
    let job = here.iter().find(|object| object["kind"] == "Job");
    let spec = &job.ok_or("no Job")?["spec"];
    assert!(
        spec["ttlSecondsAfterFinished"].is_u64(),
        "it cleans up after itself"
    );
    let args = &spec["template"]["spec"]["containers"][0]["args"];
    assert_eq!(
        *args,
        json!([
            "uninstall",
            "--deployment",
            "tagalong-operator",
            "--if-installed-by",
            "helm"
        ])
    );
    Ok(())
}

#[test]
fn the_uninstall_hook_is_of_whoever_runs_it() -> Result {
    for (hook, annotation, value) in [
        ("helm", "helm.sh/hook", "pre-delete"),
        ("argocd", "argocd.argoproj.io/hook", "PreDelete"),
    ] {
        let objects = helm::objects(&json!({"uninstall": {"hook": hook}}))?;
        let hooks: Vec<&Value> = objects
            .iter()
            .filter(|object| {
                object["metadata"]["labels"]["app.kubernetes.io/component"] == "uninstall"
            })
            .collect();
        assert!(hooks.len() > 5);
        for object in hooks {
            let annotations = object["metadata"]["annotations"]
                .as_object()
                .ok_or("none")?;
            assert_eq!(annotations[annotation], value, "{object}");
            assert!(
                annotations
                    .keys()
                    .all(|key| key.starts_with("helm.sh") == (hook == "helm"))
            );
        }
    }
    let none = helm::objects(&json!({"uninstall": {"hook": "none"}}))?;
    assert!(
        none.iter()
            .all(|object| !object.to_string().contains("uninstall"))
    );
    Ok(())
}

#[test]
fn the_webhook_on_the_nodes_network() -> Result {
    let values = json!({"webhook": {"hostNetwork": true, "port": 9999, "adminPort": 9998}, "networkPolicy": {"enabled": true}});
    let objects = helm::objects(&values)?;
    let deployment = find(&objects, "Deployment", "tagalong-webhook")?;
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["hostNetwork"], true);
    assert_eq!(pod["dnsPolicy"], "ClusterFirstWithHostNet");
    // Two nodes and two replicas: a third pod would have no port, and the rollout would wait for ever.
    let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
    assert_eq!(*rolling, json!({"maxSurge": 0, "maxUnavailable": 1}));
    let ports = &pod["containers"][0]["ports"];
    assert_eq!(
        *ports,
        json!([{"name": "reviews", "containerPort": 9999}, {"name": "admin", "containerPort": 9998}])
    );
    assert_eq!(
        env(&objects, "tagalong-webhook", "TAGALONG_LISTEN")?,
        "[::]:9999"
    );
    assert_eq!(
        env(&objects, "tagalong-webhook", "TAGALONG_ADMIN_ADDRESS")?,
        "[::]:9998"
    );
    // Services and policies go by the ports' names, so they follow.
    let service = find(&objects, "Service", "tagalong-webhook")?;
    let targets: Vec<&Value> = service["spec"]["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|port| &port["targetPort"])
        .collect();
    assert_eq!(targets, ["reviews", "admin"]);
    let default = helm::objects(&json!({}))?;
    let pod = find(&default, "Deployment", "tagalong-webhook")?.pointer("/spec/template/spec");
    assert!(
        pod.is_some_and(|pod| pod.get("hostNetwork").is_none() && pod.get("dnsPolicy").is_none())
    );
    assert!(env(&default, "tagalong-webhook", "TAGALONG_LISTEN").is_err());
    Ok(())
}

#[test]
fn services_are_dual_stack_where_the_cluster_is_but_for_the_metrics() -> Result {
    for (values, policy) in [
        (json!({}), json!("PreferDualStack")),
        (
            json!({"ipFamilyPolicy": "RequireDualStack"}),
            json!("RequireDualStack"),
        ),
        (json!({"ipFamilyPolicy": ""}), Value::Null),
    ] {
        let objects = helm::objects(&values)?;
        for name in ["tagalong-operator", "tagalong-webhook"] {
            assert_eq!(
                find(&objects, "Service", name)?["spec"]["ipFamilyPolicy"],
                policy
            );
        }
        let metrics = find(&objects, "Service", "tagalong-metrics")?;
        assert_eq!(metrics["spec"]["ipFamilyPolicy"], Value::Null);
    }
    Ok(())
}

#[test]
fn every_object_goes_where_it_is_sent_with_what_all_carry() -> Result {
    let mut values = everything();
    values["namespaceOverride"] = json!("elsewhere");
    values["commonAnnotations"] = json!({"team": "a"});
    let text = helm::text(&values)?;
    assert!(!text.contains("tagalong-system"), "{text}");
    for object in helm::parse(&text)? {
        assert_eq!(object["metadata"]["annotations"]["team"], "a", "{object}");
        if object["kind"] == "Deployment" {
            let pod = &object["spec"]["template"]["metadata"];
            assert_eq!(pod["annotations"]["team"], "a");
        }
    }
    Ok(())
}

#[test]
fn pods_are_what_the_values_make_of_them() -> Result {
    let pod = json!({
        "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["api.example.com"]}], "dnsPolicy": "Default",
        "deploymentAnnotations": {"a": "b"}, "podSecurityContext": {"runAsUser": 1000},
        "containerSecurityContext": {"readOnlyRootFilesystem": false},
    });
    let objects = helm::objects(&json!({"operator": pod, "webhook": pod}))?;
    for name in ["tagalong-operator", "tagalong-webhook"] {
        let deployment = find(&objects, "Deployment", name)?;
        assert_eq!(deployment["metadata"]["annotations"], json!({"a": "b"}));
        let spec = &deployment["spec"]["template"]["spec"];
        assert_eq!(spec["hostAliases"], pod["hostAliases"]);
        assert_eq!(spec["dnsPolicy"], "Default");
        assert_eq!(spec["securityContext"]["runAsUser"], 1000);
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
        let container = &spec["containers"][0]["securityContext"];
        assert_eq!(container["readOnlyRootFilesystem"], false);
        assert_eq!(container["allowPrivilegeEscalation"], false);
    }
    Ok(())
}

#[test]
fn objects_of_others_come_along() -> Result {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "as-it-is"}});
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"of-{{ .Release.Name }}\"}\n";
    let objects = helm::objects(&json!({"extraObjects": [map, text]}))?;
    find(&objects, "ConfigMap", "as-it-is")?;
    find(&objects, "ConfigMap", "of-tagalong")?;
    Ok(())
}

/// Whoever may create a Secret under a free name may have the token of any ServiceAccount in the namespace.
#[test]
fn the_operator_has_rights_to_secrets_that_it_keeps_and_to_no_others() -> Result {
    let secrets = |values: Value| -> Result<Vec<Value>> {
        let objects = helm::objects(&values)?;
        let role = find(&objects, "Role", "tagalong-operator")?;
        let rules = role["rules"].as_array().ok_or("no rules")?;
        let of_secrets = rules
            .iter()
            .filter(|rule| rule["resources"][0] == "secrets");
        Ok(of_secrets
            .map(|rule| rule["resourceNames"].clone())
            .collect())
    };
    let ours = json!([
        "tagalong-ca",
        "tagalong-operator-tls",
        "tagalong-webhook-tls"
    ]);
    assert_eq!(secrets(json!({}))?, [Value::Null, ours]);
    let without = secrets(json!({"webhook": {"enabled": false}}))?;
    assert_eq!(
        without,
        [Value::Null, json!(["tagalong-ca", "tagalong-operator-tls"])]
    );
    for source in ["cert-manager", "secret"] {
        let named = json!({"operator": "a", "webhook": "b"});
        let none = secrets(json!({"certificates": {"source": source, "secret": named}}))?;
        assert_eq!(none, [Value::Null; 0], "{source}");
    }
    Ok(())
}
