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
        (json!({"image": {"pullSecrets": ["mine"]}}), "pullSecrets"),
        (json!({"certificates": {"source": "helm"}}), "source"),
        (json!({"serviceMonitor": {"interval": "15 s"}}), "interval"),
        (json!({"logFormat": "yaml"}), "logFormat"),
        (json!({"commonLabels": {"a": 1}}), "commonLabels"),
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
    ] {
        helm::text(&values)?;
    }
    Ok(())
}
