use super::*;

fn user(name: &str, groups: &[&str]) -> User {
    User {
        name: name.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..User::default()
    }
}

#[test]
fn whoever_is_known_is_in_the_group_of_the_known() {
    for (name, groups, after) in [
        (
            "system:kube-aggregator",
            &[][..],
            &["system:authenticated"][..],
        ),
        (
            "ann",
            &["dev", "system:authenticated"],
            &["dev", "system:authenticated"],
        ),
        (
            "system:anonymous",
            &["system:unauthenticated"],
            &["system:unauthenticated"],
        ),
        ("system:anonymous", &[], &[]),
        (
            "ann",
            &["system:unauthenticated"],
            &["system:unauthenticated"],
        ),
    ] {
        let known = user(name, groups).authenticated();
        assert_eq!(known.groups, after, "{name} {groups:?}");
        assert_eq!(
            known.is_authenticated(),
            after.contains(&"system:authenticated")
        );
    }
}

#[test]
fn two_users_are_never_taken_for_one() {
    let extra = |key: &str, values: &[&str]| User {
        extra: [(
            key.to_owned(),
            values.iter().map(|v| (*v).to_owned()).collect(),
        )]
        .into(),
        ..user("a", &[])
    };
    let all = [
        user("a", &[]),
        user("a", &["b"]),
        user("ab", &[]),
        user("a", &["b", "c"]),
        user("a", &["bc"]),
        User {
            uid: Some("b".to_owned()),
            ..user("a", &[])
        },
        extra("k", &[]),
        extra("k", &["v"]),
        extra("k", &["v", "w"]),
        extra("kv", &[]),
    ];
    let digests: std::collections::BTreeSet<_> = all.iter().map(User::digest).collect();
    assert_eq!(digests.len(), all.len());
}
