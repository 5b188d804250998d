//! Every kind that the index knows can be read where the chart's rules hold, and the rules name no other.

use std::collections::BTreeSet;

use serde_json::Value;
use tagalong_index::ObjectKind;

const RULES: &str =
    include_str!("../../../../charts/tagalong/files/operator-clusterrole-rules.yaml");

/// What is watched beside the index: the reconcilers' own.
const BESIDE: [(&str, &str); 2] = [("", "configmaps"), ("networking.k8s.io", "networkpolicies")];

/// Group and plural of what the rules let the operator watch.
fn watchable() -> BTreeSet<(String, String)> {
    let rules: Vec<Value> = serde_saphyr::from_str(RULES).expect("rules");
    let texts = |rule: &Value, key: &str| -> Vec<String> {
        serde_json::from_value(rule[key].clone()).expect("a list of texts")
    };
    let mut all = BTreeSet::new();
    for rule in &rules {
        let verbs = texts(rule, "verbs");
        if !["list", "watch"]
            .iter()
            .all(|verb| verbs.iter().any(|other| other == verb))
        {
            continue;
        }
        for group in texts(rule, "apiGroups") {
            for resource in texts(rule, "resources") {
                all.insert((group.clone(), resource));
            }
        }
    }
    all
}

#[test]
fn the_chart_allows_every_kind() {
    let watchable = watchable();
    for kind in ObjectKind::ALL {
        let (group, plural) = kind.resource();
        assert!(
            watchable.contains(&(group.to_owned(), plural.to_owned())),
            "{kind}: operator-clusterrole-rules.yaml does not allow `list` and `watch` of {plural} in group {group:?}"
        );
    }
}

#[test]
fn the_chart_allows_no_other_kind() {
    for (group, plural) in watchable() {
        let known = ObjectKind::ALL
            .iter()
            .map(|kind| kind.resource())
            .chain(BESIDE)
            .any(|known| known == (group.as_str(), plural.as_str()));
        assert!(known, "nobody watches {plural} in group {group:?}");
    }
}
