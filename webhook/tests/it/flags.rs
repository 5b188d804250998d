//! Every setting of the sidecar that the webhook takes reaches the pods.

use crate::support;

use clap::{CommandFactory as _, Parser as _};
use serde_json::{Value, json};
use support::{applied, injected};
use tagalong_webhook::Args;

/// A flag and its value.
type Flag<'a> = (&'a str, &'a str);

/// What is always set.
const BASE: [Flag<'_>; 3] = [
    ("tls-dir", "certificates"),
    ("sidecar-image", "example.org/sidecar:1"),
    ("labels-url", "https://operator/v1/labels"),
];

/// A value of each flag that is about the sidecar, other than its default, and what must be set beside it to be of effect.
const VALUES: &[(&str, &str, &[Flag<'_>])] = &[
    ("sidecar-image", "example.org/sidecar:2", &[]),
    ("sidecar-pull-policy", "Always", &[]),
    ("sidecar-port", "9999", &[]),
    ("sidecar-resources", r#"{"limits":{"memory":"99Mi"}}"#, &[]),
    ("sidecar-security-context", r#"{"runAsUser":1000}"#, &[]),
    ("sidecar-log", "debug", &[]),
    ("sidecar-log-format", "json", &[]),
    (
        "sidecar-pull-secrets",
        "pull",
        &[("sidecar-pull-secrets-always", "")],
    ),
    (
        "sidecar-pull-secrets-always",
        "",
        &[("sidecar-pull-secrets", "pull")],
    ),
    ("labels-url", "https://other/v1/labels", &[]),
    ("native-sidecars", "never", &[]),
    ("scrape-annotations", "", &[]),
];

/// What becomes of a Kong with these flags; a later one of the same name stands.
fn pods<'a>(flags: impl IntoIterator<Item = Flag<'a>>) -> Value {
    let mut all: Vec<Flag<'_>> = BASE.to_vec();
    for (flag, value) in flags {
        all.retain(|(other, _)| *other != flag);
        all.push((flag, value));
    }
    let text = |(flag, value): &Flag<'_>| match *value {
        "" => format!("--{flag}"),
        value => format!("--{flag}={value}"),
    };
    let command = std::iter::once("tagalong-webhook".to_owned()).chain(all.iter().map(text));
    let mut settings = Args::parse_from(command).settings();
    settings.started = 0;
    let kong =
        json!({"name": "proxy", "env": [{"name": "KONG_STATUS_LISTEN", "value": "0.0.0.0:8100"}]});
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "kong", "labels": {"tagalong.dev/inject": "enabled"}},
        "spec": {"template": {"spec": {"containers": [kong]}}},
    });
    applied(&deployment, &injected(&deployment, &settings))
}

/// A variable that the sidecar does not know would be passed over in silence.
#[test]
fn every_variable_of_the_sidecar_is_one_of_its_flags() {
    let page = include_str!("../../../sidecar/README.md");
    let all = VALUES.iter().map(|(flag, value, _)| (*flag, *value));
    let pods = pods(all.filter(|(flag, _)| *flag != "native-sidecars"));
    let sidecar = &pods["spec"]["template"]["spec"]["initContainers"][0];
    let variables = sidecar["env"].as_array().expect("variables");
    assert!(variables.len() > 2, "{variables:?}");
    for variable in variables {
        let name = variable["name"].as_str().expect("a name");
        assert!(
            page.contains(&format!("| `{name}` |")),
            "webhook/src/inject/sidecar.rs sets {name}, which sidecar/README.md does not name: \
             is it a flag of sidecar/src/config.rs?"
        );
    }
}

#[test]
fn every_flag_about_the_sidecar_changes_the_pods() {
    let command = Args::command();
    let flags = command.get_arguments().filter_map(|flag| flag.get_long());
    for flag in flags.filter(|flag| flag.starts_with("sidecar-")) {
        assert!(
            VALUES.iter().any(|(known, _, _)| *known == flag),
            "--{flag}: give it a value here, and see that it reaches the pods (settings.rs, inject/sidecar.rs)"
        );
    }
    for (flag, value, beside) in VALUES {
        let without = pods(beside.iter().copied());
        let with = pods(beside.iter().copied().chain([(*flag, *value)]));
        assert_ne!(with, without, "--{flag} is taken, and nothing comes of it");
    }
}
