use super::*;
use crate::reconcile::desired::policies::policies;
use crate::world::observed::ObservedPolicy;
use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::prelude::*;
use serde_json::{Value, json};
use tagalong_crds as crds;
use tagalong_index::{Index, ObjectKind, Settings};

fn parse<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("an object")
}

/// DataPlane `kong` in namespace `default`, attached.
fn index() -> Index {
    let mut index = Index::new(Settings::default());
    let meta = |name: &str| json!({"namespace": "default", "name": name});
    index.apply(parse::<crds::DataPlane>(
        json!({"metadata": meta("kong"), "status": {"selector": "s"}}),
    ));
    index.apply(parse::<crds::ControlPlane>(
        json!({"metadata": meta("cp"), "spec": {"dataplane": "kong",
            "extensions": [{"kind": "DataPlaneMetricsExtension", "name": "x"}]}}),
    ));
    index.apply(parse::<crds::DataPlaneMetricsExtension>(
        json!({"metadata": meta("x")}),
    ));
    index
}

/// A pod, of the DataPlane or not, with the sidecar if it has a port.
fn pod(name: &str, mut labels: Value, ours: bool, port: Option<u16>) -> crds::Pod {
    if ours {
        labels["gateway-operator.konghq.com/selector"] = json!("s");
    }
    let ports: Vec<Value> = port
        .map(|port| json!({"name": "tagalong", "containerPort": port}))
        .into_iter()
        .collect();
    parse(json!({
        "metadata": {"namespace": "default", "name": name, "uid": name, "labels": labels},
        "spec": {"initContainers": [{"name": "tagalong", "ports": ports}], "containers": []},
        "status": {"phase": "Running", "podIP": "10.0.0.1"},
    }))
}

fn policy(selector: &Value, types: &Value) -> ObservedPolicy {
    ObservedPolicy {
        version: "1".into(),
        uid: "u".into(),
        spec: parse(json!({"podSelector": selector, "policyTypes": types})),
        ..ObservedPolicy::default()
    }
}

fn admitted() -> Vec<NetworkPolicyPeer> {
    vec![parse(
        json!({"podSelector": {"matchLabels": {"app": "operator"}}}),
    )]
}

/// Does what the API server would do, and returns how much that was.
fn settle(index: &Index, observed: &mut Observed) -> usize {
    let actions = due(&policies(index, observed, &admitted()), observed);
    let count = actions.len();
    for action in actions {
        match action {
            Action::Policy { key, desired, .. } => {
                let policy = ObservedPolicy {
                    version: "2".into(),
                    uid: "ours".into(),
                    ours: true,
                    spec: desired.spec,
                    owners: vec![desired.owner],
                };
                observed.policies.insert(key, policy);
            }
            Action::DeletePolicy { key, .. } => {
                observed.policies.remove(&key).expect("it is there");
            }
            other => panic!("{other:?}"),
        }
    }
    count
}

fn ours(observed: &Observed) -> Vec<&ObservedPolicy> {
    observed.policies.values().filter(|one| one.ours).collect()
}

#[test]
fn admits_where_another_policy_isolates_and_nowhere_else() {
    let mut index = index();
    index.apply(pod("one", json!({"app": "kong"}), true, Some(9542)));
    let mut observed = Observed::default();
    let key = |name: &str| Key::new("default", name);
    assert_eq!(settle(&index, &mut observed), 0, "nobody isolates");
    let egress = policy(&json!({"matchLabels": {"app": "kong"}}), &json!(["Egress"]));
    let other = policy(&json!({"matchLabels": {"app": "db"}}), &json!(["Ingress"]));
    observed.policies.insert(key("egress"), egress);
    observed.policies.insert(key("other"), other);
    let far = policy(&json!({}), &json!(["Ingress"]));
    observed.policies.insert(Key::new("elsewhere", "all"), far);
    assert_eq!(settle(&index, &mut observed), 0, "nobody isolates our pods");

    let admin = policy(
        &json!({"matchLabels": {"app": "kong"}}),
        &json!(["Ingress"]),
    );
    observed.policies.insert(key("kong-limit-admin-api"), admin);
    assert_eq!(settle(&index, &mut observed), 1);
    assert_eq!(settle(&index, &mut observed), 0, "nothing changed");
    let made = ours(&observed)[0].clone();
    assert_eq!(
        serde_json::to_value(&made.spec).expect("a spec"),
        json!({
            "podSelector": {"matchLabels": {"app": "kong"}, "matchExpressions": [
                {"key": "gateway-operator.konghq.com/selector", "operator": "In", "values": ["s"]}]},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "operator"}}}],
                "ports": [{"port": 9542, "protocol": "TCP"}]}],
        })
    );
    assert_eq!(
        (made.owners[0].kind.as_str(), made.owners[0].name.as_str()),
        ("NetworkPolicy", "kong-limit-admin-api")
    );

    observed.policies.remove(&key("kong-limit-admin-api"));
    assert_eq!(settle(&index, &mut observed), 1, "ours alone would isolate");
    assert!(ours(&observed).is_empty());
}

#[test]
fn a_policy_without_types_isolates_and_one_of_our_name_stays() {
    let mut index = index();
    index.apply(pod("one", json!({}), true, Some(9542)));
    let mut observed = Observed::default();
    let key = Key::new("default", "all");
    observed
        .policies
        .insert(key, policy(&json!({}), &Value::Null));
    let (name, _) = policies(&index, &observed, &admitted())
        .pop_first()
        .expect("one is wanted");
    let theirs = policy(&json!({"matchLabels": {"a": "b"}}), &json!(["Egress"]));
    observed.policies.insert(name.clone(), theirs.clone());
    assert_eq!(settle(&index, &mut observed), 0);
    assert_eq!(observed.policies[&name], theirs);
}

#[test]
fn what_was_changed_is_made_right_and_goes_with_the_attachment() {
    let mut index = index();
    index.apply(pod("one", json!({}), true, Some(9542)));
    let mut observed = Observed::default();
    let key = Key::new("default", "all");
    observed
        .policies
        .insert(key, policy(&json!({}), &json!(["Ingress"])));
    settle(&index, &mut observed);
    for policy in observed.policies.values_mut().filter(|one| one.ours) {
        policy.spec.ingress = None;
    }
    assert_eq!(settle(&index, &mut observed), 1, "somebody changed it");
    index.delete(ObjectKind::Extension, &Key::new("default", "x"));
    assert_eq!(settle(&index, &mut observed), 1);
    assert!(ours(&observed).is_empty() && observed.policies.len() == 1);
}

/// A second opinion.
fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector.match_labels.iter().flatten();
    let requirements = selector.match_expressions.iter().flatten();
    equal
        .into_iter()
        .all(|(key, value)| labels.get(key) == Some(value))
        && requirements.into_iter().all(|one| {
            let value = labels.get(&one.key);
            let listed = value.is_some_and(|value| one.values.iter().flatten().any(|v| v == value));
            match one.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                _ => value.is_none(),
            }
        })
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[ab]", "[xy]", 0..3)
}

fn selectors() -> impl Strategy<Value = Value> {
    let operators = prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist"]);
    let expression = ("[ab]", operators, "[xy]").prop_map(|(key, operator, value)| {
        let values = operator.ends_with("In").then(|| vec![value]);
        json!({"key": key, "operator": operator, "values": values})
    });
    (labels(), prop::option::of(expression)).prop_map(|(labels, expression)| {
        json!({"matchLabels": labels, "matchExpressions": expression.map(|one| vec![one])})
    })
}

proptest! {
    /// Who is isolated does not depend on us, and who is, and has a sidecar, is reached.
    #[test]
    fn never_isolates_and_always_admits(
        pods in prop::collection::vec((labels(), any::<bool>(), prop::option::of(9000_u16..9003)), 0..6),
        later in prop::collection::vec((labels(), any::<bool>()), 0..6),
        selectors in prop::collection::vec((selectors(), any::<bool>()), 0..4),
    ) {
        let mut index = index();
        let mut observed = Observed::default();
        for (at, (selector, ingress)) in selectors.iter().enumerate() {
            let types = if *ingress { json!(["Ingress"]) } else { json!(["Egress"]) };
            let key = Key::new("default", format!("theirs-{at}"));
            observed.policies.insert(key, policy(selector, &types));
        }
        let theirs = observed.policies.clone();
        for (at, (labels, ours, port)) in pods.iter().enumerate() {
            index.apply(pod(&format!("pod-{at}"), json!(labels), *ours, *port));
        }
        settle(&index, &mut observed);
        prop_assert_eq!(settle(&index, &mut observed), 0, "settled at once");
        let isolated = |labels: &BTreeMap<String, String>| theirs.values().any(|policy| {
            policy.isolates() && selects(&policy.selector(), labels)
        });
        let whole = |labels: &BTreeMap<String, String>, ours: bool| {
            let mut labels = labels.clone();
            if ours {
                labels.insert("gateway-operator.konghq.com/selector".into(), "s".into());
            }
            labels
        };
        let everybody = pods.iter().map(|(labels, ours, _)| (labels, *ours));
        for (labels, of_ours) in everybody.chain(later.iter().map(|(labels, ours)| (labels, *ours))) {
            let labels = whole(labels, of_ours);
            for policy in ours(&observed) {
                let selected = selects(&policy.selector(), &labels);
                prop_assert!(!selected || (of_ours && isolated(&labels)), "{:?} by {:?}", labels, policy);
            }
        }
        for (labels, of_ours, port) in &pods {
            let (labels, Some(port)) = (whole(labels, *of_ours), port) else { continue };
            let admits = ours(&observed).iter().any(|policy| {
                let ports = policy.spec.ingress.iter().flatten().flat_map(|rule| rule.ports.iter().flatten());
                let mut ports = ports.filter_map(|port| port.port.clone());
                selects(&policy.selector(), &labels) && ports.any(|one| one == IntOrString::Int(i32::from(*port)))
            });
            prop_assert_eq!(admits, *of_ours && isolated(&labels), "{:?}", labels);
        }
    }
}
