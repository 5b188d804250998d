use super::*;

const GO_MOD: &str = "module m\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes v1.36.3\n\nrequire (\n\tk8s.io/api v0.0.0 // indirect\n)\n\nreplace (\n\tk8s.io/other => k8s.io/other v0.36.3\n)\n";

#[test]
fn a_version_is_read_from_a_line_or_a_block() {
    assert_eq!(required(GO_MOD, "k8s.io/kubernetes"), Some("v1.36.3"));
    assert_eq!(required(GO_MOD, "k8s.io/api"), Some("v0.0.0"));
    assert_eq!(
        required(GO_MOD, "k8s.io/other"),
        None,
        "a replacement is no requirement"
    );
    assert_eq!(directive(GO_MOD, "go"), Some("1.26.0"));
}

#[test]
fn every_tool_has_a_pinned_module_and_a_key_of_its_own() {
    let keys: std::collections::HashSet<String> = Tool::ALL
        .into_iter()
        .map(|tool| Module::of(tool).unwrap().key(tool))
        .collect();
    assert_eq!(keys.len(), Tool::ALL.len());
    assert!(
        keys.iter()
            .any(|key| key.starts_with("kube-apiserver-v1.36.")),
        "{keys:?}"
    );
}

#[test]
fn the_stamp_is_what_a_release_carries() {
    let flags = Tool::KubeApiserver.ldflags("v1.36.3");
    assert!(flags.contains("component-base/version.gitVersion=v1.36.3"));
    assert!(flags.contains("gitMajor=1 "));
    assert!(flags.contains("gitMinor=36 "));
    assert!(
        Tool::Prometheus
            .ldflags("v0.314.0")
            .ends_with("Version=3.14.0")
    );
    assert_eq!(Tool::CoreDns.ldflags("v1.14.7"), "-s -w");
}
