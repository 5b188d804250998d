//! No name ever stands for a Service that its traffic might not reach, in whichever version and mode of the controller; and
//! wherever every version agrees that it reaches one, the name is there.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{Thing, referent, settled, some_service, source};
use crate::oracle;
use proptest::prelude::*;
use serde_json::json;
use tagalong_index::{Index, Key, NameState, ObjectKind, Settings};
use tagalong_wire::{Names, Snapshot};

fn dataplane(gateway: Option<&str>, namespaces: Option<&str>) -> Thing {
    let owners: Vec<_> = gateway
        .iter()
        .map(|name| json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": name, "uid": "u"}))
        .collect();
    let mut body = json!({"metadata": {"ownerReferences": owners}});
    if let Some(namespaces) = namespaces {
        body["metadata"]["annotations"] = json!({"tagalong.dev/watch-namespaces": namespaces});
    }
    Thing::new(ObjectKind::DataPlane, "a", "kong", body)
}

/// What a controller of that DataPlane would see.
fn seen(things: &[Thing], gateway: Option<&str>, namespaces: Option<&str>) -> Vec<Thing> {
    let watched = |thing: &&Thing| {
        let namespace = thing.json["metadata"]["namespace"].as_str().unwrap();
        namespaces.is_none_or(|all| all.split(',').any(|one| one == namespace))
    };
    let attached = |thing: &&Thing| match (&thing.json["spec"]["parentRefs"], gateway) {
        (serde_json::Value::Array(parents), Some(gateway)) => parents
            .iter()
            .any(|parent| parent["name"] == gateway || parent["kind"] == "ListenerSet"),
        _ => true,
    };
    let names = |thing: &&Thing| {
        let kinds = [
            ObjectKind::Service,
            ObjectKind::Grant,
            ObjectKind::UpstreamPolicy,
            ObjectKind::Gateway,
        ];
        !kinds.contains(&thing.kind)
    };
    let kept = |thing: &&Thing| !names(thing) || (watched(thing) && attached(thing));
    things.iter().filter(kept).cloned().collect()
}

fn table(things: &[Thing], dataplane: &Thing) -> Snapshot {
    let mut index = Index::new(Settings::default());
    index.apply(dataplane.object());
    for thing in things {
        index.apply(thing.object());
    }
    index.snapshot(&dataplane.key()).expect("a table")
}

/// For each name, what it reaches in each mode that has it, and whether leaving it out would be right.
type Truth = BTreeMap<String, Vec<(BTreeSet<String>, bool)>>;

fn truth(cluster: oracle::Cluster<'_>) -> (Truth, Truth) {
    let (mut services, mut upstreams) = (Truth::new(), Truth::new());
    for mode in oracle::modes() {
        for (name, service) in oracle::services(mode, cluster) {
            let oracle::Reaches {
                traffic,
                addresses,
                odd,
            } = service.reaches;
            upstreams
                .entry(service.host)
                .or_default()
                .push((addresses, odd));
            services.entry(name).or_default().push((traffic, odd));
        }
    }
    (services, upstreams)
}

/// Where `requests` are counted, not only addresses, a name that reaches nothing in one mode is no Service's in another.
fn check(table: &Names, truth: &Truth, requests: bool) -> Result<(), TestCaseError> {
    for (name, _) in table.iter() {
        // A timeout is in a name only if another rule has another one; the table has it in any case.
        let known = truth.contains_key(name) || name.contains(".timeout.");
        prop_assert!(known, "no controller has the name {}", name);
    }
    for (name, facts) in truth {
        let said = table.0.get(name).map(ToString::to_string);
        for (reaches, odd) in facts {
            let right = said.as_ref().is_none_or(|said| {
                reaches.iter().all(|service| service == said)
                    && (*odd || !requests || !reaches.is_empty())
            });
            prop_assert!(
                right,
                "{} stands for {:?}, but reaches {:?}",
                name,
                said,
                reaches
            );
        }
        let all: BTreeSet<&String> = facts.iter().flat_map(|(reaches, _)| reaches).collect();
        let out =
            |(reaches, odd): &(BTreeSet<String>, bool)| *odd || (requests && reaches.is_empty());
        if all.len() == 1 && !facts.iter().any(out) {
            prop_assert_eq!(said.as_ref(), all.first().copied(), "{} is left out", name);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_label_is_wrong_and_none_is_missing(
        sources in prop::collection::vec(source(), 1..8),
        services in prop::collection::vec(some_service(), 0..14),
        referents in prop::collection::vec(referent(), 0..6),
        gateway in prop::option::of(prop::sample::select(vec!["g1", "g2"])),
        namespaces in prop::option::of(prop::sample::select(vec!["a", "b", "a,svc"])),
    ) {
        let things = settled(&[sources, services, referents].concat());
        let table = table(&things, &dataplane(gateway, namespaces));
        let seen = seen(&things, gateway, namespaces);
        let (services, upstreams) = truth(oracle::Cluster { things: &seen, watched: namespaces });
        check(&table.services, &services, true)?;
        check(&table.upstreams, &upstreams, false)?;
    }
}

/// A rule that waits as long as one that says nothing shares its Kong service.
#[test]
fn the_usual_timeout_is_none() {
    let backend = json!([{"name": "y", "port": 80}]);
    let rules = json!([{"backendRefs": backend}, {"backendRefs": backend, "timeouts": {"backendRequest": "60s"}}]);
    let route = Thing::new(
        ObjectKind::HttpRoute,
        "a",
        "r",
        json!({"spec": {"rules": rules}}),
    );
    let names = table(&[route], &dataplane(None, None)).services;
    assert_eq!(names.0["httproute.a.r.0"].to_string(), "a/y");
    assert!(names.0.keys().all(|name| !name.contains(".timeout.60000.")));
}

/// Two objects that give one name to two Services: the name is nobody's, and is reported.
#[test]
fn a_name_that_could_stand_for_two_services_is_in_no_table() {
    let route = |name: &str, service: &str, hosts: &[&str]| {
        let spec = json!({"hostnames": hosts, "rules": [{"backendRefs": [{"name": service, "port": 80}]}]});
        Thing::new(ObjectKind::HttpRoute, "a", name, json!({"spec": spec}))
    };
    // A router by host names route `r` `httproute.a.r.0.0`; so does any other router route `r.0`.
    let (one, other) = (route("r", "x", &["0"]), route("r.0", "y", &[]));
    let name = "httproute.a.r.0.0";
    let dataplane = dataplane(None, None);
    let mut index = Index::new(Settings::default());
    index.apply(dataplane.object());
    index.apply(one.object());
    let table = |index: &Index| {
        index
            .snapshot(&Key::new("a", "kong"))
            .expect("a table")
            .services
    };
    assert_eq!(table(&index).0[name].to_string(), "a/x");
    index.apply(other.object());
    assert!(!table(&index).0.contains_key(name));

    let kong = Key::new("a", "kong");
    let left_out = index.left_out(&kong).expect("a DataPlane");
    let ambiguous: Vec<_> = left_out
        .iter()
        .filter(|one| one.state == NameState::Ambiguous)
        .collect();
    assert_eq!(ambiguous.len(), 1);
    assert_eq!(ambiguous[0].name, name);
    assert_eq!(ambiguous[0].claims.len(), 2);
    let concerned: Vec<String> = ambiguous[0]
        .services
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(concerned, ["a/x", "a/y"]);
    let states = index.states(&kong).expect("a DataPlane");
    assert_eq!(states.get(NameState::Ambiguous), 1);
    let text = index.explain_name(name).to_string();
    assert!(
        text.contains("left out: it could stand for two Services"),
        "{text}"
    );

    index.delete(ObjectKind::HttpRoute, &one.key());
    assert_eq!(table(&index).0[name].to_string(), "a/y");
}

/// One object gives a name to one Service, another to several: which of the two Kong means is not known either.
#[test]
fn a_name_that_could_stand_for_several_services_is_in_no_table() {
    let route = |name: &str, services: &[&str], hosts: &[&str]| {
        let backends: Vec<_> = services
            .iter()
            .map(|service| json!({"name": service, "port": 80}))
            .collect();
        let spec = json!({"hostnames": hosts, "rules": [{"backendRefs": backends}]});
        Thing::new(ObjectKind::HttpRoute, "a", name, json!({"spec": spec}))
    };
    let (one, several) = (route("r", &["x"], &["0"]), route("r.0", &["x", "y"], &[]));
    let [x, y] = ["x", "y"].map(|name| Thing::new(ObjectKind::Service, "a", name, json!({})));
    for routes in [[one.clone(), several.clone()], [several, one]] {
        let things = [&routes[..], &[x.clone(), y.clone()]].concat();
        let names = table(&things, &dataplane(None, None)).services;
        assert!(!names.0.contains_key("httproute.a.r.0.0"), "{things:?}");
        assert_eq!(names.0["httproute.a.r.0"].to_string(), "a/x");
    }
}
