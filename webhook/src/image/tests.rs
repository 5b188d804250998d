use super::{default_pull_policy, valid};

#[test]
fn knows_a_reference_when_it_sees_one() {
    let digest = format!("x@sha256:{}", "0a".repeat(32));
    for good in [
        "tagalong",
        "a/b:1",
        "registry:5000/a/b:v1.2-x_y",
        "h/a",
        &digest,
    ] {
        assert!(valid(good), "{good}");
    }
    let long = "a".repeat(513);
    for bad in [
        "",
        " ",
        "a b",
        "a:",
        "/a",
        "a//b",
        "-a",
        "a\n",
        "ä",
        "x@sha256:1",
        "x@md5:00",
        &long,
    ] {
        assert!(!valid(bad), "{bad:?}");
    }
}

#[test]
fn defaults_the_pull_policy_as_the_api_server_does() {
    for (reference, policy) in [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("registry:5000/a", "Always"),
        ("registry:5000/a:1", "IfNotPresent"),
        ("a:1", "IfNotPresent"),
        ("a@sha256:00", "IfNotPresent"),
        ("a:latest@sha256:00", "IfNotPresent"),
    ] {
        assert_eq!(default_pull_policy(reference), policy, "{reference}");
    }
}
