use super::*;

#[test]
fn what_is_misspelt_admits_nobody() {
    let good = r#"[{"namespaceSelector": {"matchLabels": {"team": "observability"}}, "podSelector": {}},
        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]"#;
    assert_eq!(peers(good).map(|peers| peers.0.len()), Ok(2));
    assert_eq!(peers("[]"), Ok(Peers::default()));
    for bad in [
        r#"[{"namespaceSelector": {"matchLabels": {"a": "b"}}, "podSelectr": {}}]"#,
        r#"[{"namespaceSelector": {"matchLabel": {"a": "b"}}}]"#,
        "[{}]",
        "{}",
        "monitoring",
    ] {
        assert!(peers(bad).is_err(), "{bad}");
    }
}

#[test]
fn labels_of_pods() {
    let read = labels("app.kubernetes.io/name=tagalong,x=").map(|labels| labels.0);
    let wanted = [("app.kubernetes.io/name", "tagalong"), ("x", "")];
    let wanted = wanted.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(read, Ok(wanted.into()));
    for bad in ["", "a", "a=b,", "=b"] {
        assert!(labels(bad).is_err(), "{bad:?}");
    }
}
