//! A typing error in values is refused before anything is written.

use serde_json::{Value, json};
use tagalong_chart::{Result, helm};

#[test]
fn bad_values_are_refused_by_name() -> Result {
    let bad: &[(Value, &str)] = &[
        (json!({"operater": {}}), "operater"),
        (json!({"operator": {"replica": 3}}), "replica"),
        (json!({"operator": {"replicas": "3"}}), "replicas"),
        (json!({"operator": {"aggregate": "some"}}), "aggregate"),
        (
            json!({"operator": {"resources": {"request": {}}}}),
            "request",
        ),
        (
            json!({"operator": {"image": {"digest": "sha256:abc"}}}),
            "digest",
        ),
        (
            json!({"operator": {"missedAfterSeconds": 0}}),
            "missedAfterSeconds",
        ),
        (
            json!({"operator": {"missedAfterSeconds": 86_401}}),
            "missedAfterSeconds",
        ),
        (json!({"webhook": {"timeoutSeconds": 60}}), "timeoutSeconds"),
        (
            json!({"webhook": {"dataPlaneFailurePolicy": "fail"}}),
            "dataPlaneFailurePolicy",
        ),
        (
            json!({"webhook": {"image": {"repository": "a:b"}}}),
            "repository",
        ),
        (json!({"sidecar": {"port": 80}}), "port"),
        // The webhook would not start with these.
        (
            json!({"sidecar": {"securityContext": {"runAsuser": 1}}}),
            "runAsuser",
        ),
        (json!({"sidecar": {"logLevel": "loud"}}), "logLevel"),
        (json!({"sidecar": {"logFormat": "yaml"}}), "logFormat"),
        (json!({"image": {"pullSecrets": ["mine"]}}), "pullSecrets"),
        (json!({"certificates": {"source": "helm"}}), "source"),
        (json!({"serviceMonitor": {"interval": "15 s"}}), "interval"),
        (json!({"logFormat": "yaml"}), "logFormat"),
        (json!({"commonLabels": {"a": 1}}), "commonLabels"),
        (json!({"webhook": {"port": 443}}), "port"),
        // The kubelet's own.
        (
            json!({"webhook": {"hostNetwork": true, "port": 10_250}}),
            "port",
        ),
        (
            json!({"webhook": {"hostNetwork": true, "adminPort": 10_250}}),
            "adminPort",
        ),
        (json!({"uninstall": {"hook": "flux"}}), "hook"),
        (
            json!({"customMetrics": {"windowSeconds": 5}}),
            "windowSeconds",
        ),
        (
            json!({"customMetrics": {"apiService": "mine"}}),
            "apiService",
        ),
        (json!({"ipFamilyPolicy": "DualStack"}), "ipFamilyPolicy"),
        // The webhook would not start with these.
        (
            json!({"sidecar": {"resources": {"limits": {"memory": "8Mi"}}}}),
            "memory",
        ),
        (
            json!({"sidecar": {"resources": {"limits": {"memory": "16000Ki"}}}}),
            "memory",
        ),
        (
            json!({"sidecar": {"resources": {"limits": {"memory": 1_000_000}}}}),
            "memory",
        ),
        (json!({"sidecar": {"resources": {"claims": []}}}), "claims"),
    ];
    for (values, name) in bad {
        let refused = helm::text(values)
            .err()
            .ok_or_else(|| format!("{values} was taken"))?;
        let said = refused.to_string();
        assert!(
            said.contains("values don't meet the specifications of the schema"),
            "{said}"
        );
        assert!(said.contains(name), "{values}: {said}");
    }
    Ok(())
}

#[test]
fn good_values_are_taken() -> Result {
    for values in [
        json!({"global": {"whatever": 1}}),
        json!({"operator": {"maxUnavailable": ""}, "webhook": {"maxUnavailable": "50%"}}),
        json!({"operator": {"extraArgs": ["--log=debug"], "extraEnv": [{"name": "A", "value": "b"}]}}),
        json!({"sidecar": {"resources": {"limits": {"memory": "64Mi", "cpu": 1}}}}),
        json!({"sidecar": {"resources": {"limits": {"memory": "16Mi"}}}}),
        json!({"sidecar": {"resources": {"limits": {"memory": "0.5Gi"}}}}),
        json!({"sidecar": {"resources": {"limits": {"memory": "16384Ki"}}}}),
        json!({"sidecar": {"resources": {"limits": {"memory": 67_108_864}}}}),
        // What a control plane may reach that reaches little.
        json!({"webhook": {"port": 10_250}}),
    ] {
        helm::text(&values)?;
    }
    Ok(())
}
