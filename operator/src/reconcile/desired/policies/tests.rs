use super::*;

fn requirement(key: &str, operator: &str, values: Option<&[&str]>) -> LabelSelectorRequirement {
    LabelSelectorRequirement {
        key: key.to_owned(),
        operator: operator.to_owned(),
        values: values.map(|values| values.iter().map(|value| (*value).to_owned()).collect()),
    }
}

/// Names that stand in clusters: they were made by earlier versions, and must be found again.
#[test]
fn names_are_for_ever() {
    let dataplane = Key::new("default", "kong");
    let one = [requirement(
        "gateway-operator.konghq.com/selector",
        "In",
        Some(&["s-1"]),
    )];
    assert_eq!(
        name(&dataplane, "kong-limit-admin-api", &one),
        "kong-tagalong-3abc8cbbd4"
    );
    let two = [
        requirement("a.example/b", "In", Some(&["x", "y"])),
        requirement("c", "Exists", None),
    ];
    assert_eq!(
        named("all", &two),
        r#"all/[LabelSelectorRequirement { key: "a.example/b", operator: "In", values: Some(["x", "y"]) }, LabelSelectorRequirement { key: "c", operator: "Exists", values: None }]"#
    );
    assert_eq!(name(&dataplane, "all", &two), "kong-tagalong-5979654259");
    let long = Key::new("default", "x".repeat(253));
    assert!(name(&long, "all", &two).len() <= 253);
    // What the names were made of before this text was written by hand.
    assert_eq!(named("all", &two), format!("all/{two:?}"));
}
