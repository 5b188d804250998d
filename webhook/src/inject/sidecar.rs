//! The container and the volume that are added.
//!
//! Whatever the API server would fill in is written out (`SetDefaults_*` of Kubernetes' `pkg/apis/core/v1`), so that
//! an operator that defaults one copy and compares it with the other finds no difference.

use clap::ValueEnum as _;
use serde_json::{Value, json};
use tagalong_wire::contract::{AUDIENCE, CA_CONFIG_MAP, CA_KEY, POD_UID_ENV, PORT_NAME, SIDECAR};

use super::listen::Status;
use super::overrides::Overrides;
use super::pod::Pod;
use crate::settings::PullPolicy;
use crate::{InjectionSettings, image, resources, security};

/// Where the volume is mounted.
const MOUNT: &str = "/var/run/tagalong";
/// The name of the token's file in it.
const TOKEN: &str = "token";

/// The sidecar. It has no readiness or startup probe: it must never be the reason why Kong gets no traffic. Its
/// liveness probe gives it two minutes, so that only a process that will not recover is restarted.
pub(super) fn container(
    overrides: &Overrides,
    settings: &InjectionSettings,
    pod: &Pod<'_>,
    kong: &Status,
) -> Value {
    let port = overrides.listen_port;
    // An image of somebody's choice may be one that cannot do without IPv6 in the kernel.
    let ours = overrides.image == settings.image;
    let address = if ours || kong.ipv6 { "[::]" } else { "0.0.0.0" };
    let pull_policy = settings.pull_policy.map_or_else(
        || image::default_pull_policy(&overrides.image),
        PullPolicy::as_str,
    );
    let mut container = json!({
        "name": SIDECAR,
        "image": overrides.image,
        "imagePullPolicy": pull_policy,
        "args": [
            format!("--listen={address}:{port}"),
            format!("--kong-metrics-url={}", kong.url),
            format!("--labels-url={}", settings.labels_url),
            format!("--token-file={MOUNT}/{TOKEN}"),
            format!("--ca-file={MOUNT}/{CA_KEY}"),
        ],
        "env": environment(settings),
        "ports": [{"name": PORT_NAME, "containerPort": port, "protocol": "TCP"}],
        "resources": resources::within_pod(&overrides.resources, pod.resources),
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": port, "scheme": "HTTP"},
            "initialDelaySeconds": 10,
            "timeoutSeconds": 5,
            "periodSeconds": 20,
            "successThreshold": 1,
            "failureThreshold": 6,
        },
        "securityContext": security::context(pod.is_root, &settings.security_context),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [{"name": SIDECAR, "mountPath": MOUNT, "readOnly": true}],
    });
    if settings.native {
        container["restartPolicy"] = json!("Always");
    }
    container
}

/// Variables, not flags: an older image, pinned by annotation, passes over a variable that it does not know.
fn environment(settings: &InjectionSettings) -> Vec<Value> {
    let mut all = vec![json!({
        "name": POD_UID_ENV,
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.uid"}},
    })];
    if let Some(log) = &settings.log {
        all.push(json!({"name": "TAGALONG_LOG", "value": log}));
    }
    let format = settings
        .log_format
        .and_then(|format| format.to_possible_value());
    if let Some(format) = format {
        all.push(json!({"name": "TAGALONG_LOG_FORMAT", "value": format.get_name()}));
    }
    all
}

/// The token with which the sidecar names its pod to the operator, and the CA by which it knows the operator. Both in
/// one volume; the ConfigMap is optional, so that a pod starts before the operator has written it.
pub(super) fn volume() -> Value {
    json!({
        "name": SIDECAR,
        "projected": {
            "defaultMode": 420,
            "sources": [
                {"serviceAccountToken": {"audience": AUDIENCE, "expirationSeconds": 3600, "path": TOKEN}},
                {"configMap": {"name": CA_CONFIG_MAP, "items": [{"key": CA_KEY, "path": CA_KEY}], "optional": true}},
            ],
        },
    })
}

/// What a Prometheus that finds its targets by annotation wants to read.
pub(super) fn scrape_annotations(port: u16) -> [(&'static str, String); 3] {
    [
        ("prometheus.io/path", "/metrics".to_owned()),
        ("prometheus.io/port", port.to_string()),
        ("prometheus.io/scrape", "true".to_owned()),
    ]
}
