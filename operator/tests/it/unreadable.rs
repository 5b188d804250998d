//! Objects that cannot be read: whoever asks is told, since that may be the answer. And manifests that are not there.
#![allow(
    clippy::expect_used,
    reason = "helpers of tests, outside of test functions"
)]

use std::path::Path;
use std::process::{Command, Output};

pub const ROUTE: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: echoes, namespace: default}
spec: {parentRefs: [{name: kong}], rules: [{backendRefs: [{name: echo, port: eighty}]}]}
"#;

pub fn asked(arguments: &[&str], cluster: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagalong-operator"));
    // As in the operator's own container, whose log is JSON and says much.
    command.args(arguments).env("TAGALONG_LOG_FORMAT", "json");
    for port in ["METRICS", "ADMIN"] {
        command.env(format!("TAGALONG_{port}_ADDRESS"), "127.0.0.1:0");
    }
    command.env("KUBECONFIG", cluster.unwrap_or(Path::new("/nonexistent")));
    command.output().expect("it runs")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn explain_and_table_tell_of_manifests_that_cannot_be_read() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("route.yaml"), ROUTE).expect("written");
    let manifests = format!("--manifests={}", dir.path().display());
    let output = asked(&["explain", "httproute.default.echoes.0", &manifests], None);
    assert!(output.status.success());
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(out.contains("no object gives Kong this name"), "{out}");
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines.len(), 1, "{err}");
    for part in ["WARN", "HTTPRoute", "default/echoes", "eighty"] {
        assert!(err.contains(part), "{part} in {err}");
    }

    let output = asked(&["table", "default/kong", &manifests], None);
    let err = text(&output.stderr);
    assert!(!output.status.success());
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines.len(), 2, "{err}");
    assert!(lines[0].contains("default/echoes"), "{err}");
    assert_eq!(
        lines[1],
        "tagalong-operator: there is no DataPlane default/kong, nor any other"
    );
}

#[test]
fn manifests_that_are_not_there_are_all_that_it_speaks_of() {
    for question in [vec![], vec!["table", "a/b"], vec!["explain", "a"]] {
        let mut arguments = question.clone();
        arguments.push("--manifests=/nonexistent");
        let output = asked(&arguments, None);
        assert!(!output.status.success());
        let err = text(&output.stderr);
        assert!(
            err.starts_with("tagalong-operator: cannot read /nonexistent: ")
                && err.lines().count() == 1,
            "{question:?}: {err}"
        );
    }
}
