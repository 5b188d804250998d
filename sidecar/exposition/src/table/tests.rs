use std::collections::BTreeMap;

use proptest::prelude::*;

use super::builder::LabelTableBuilder;
use super::*;

/// Kong names, each with the namespace and name of its Service; none where it is ambiguous.
type Names = BTreeMap<String, Option<(String, String)>>;

fn build(mut builder: LabelTableBuilder, services: &Names, upstreams: &Names) -> LabelTable {
    for (kong, service) in services {
        match service {
            Some((namespace, name)) => builder.set_service(kong, namespace, name),
            None => builder.set_ambiguous_service(kong),
        };
    }
    for (kong, service) in upstreams {
        match service {
            Some((namespace, name)) => builder.set_upstream(kong, namespace, name),
            None => builder.set_ambiguous_upstream(kong),
        };
    }
    builder.build()
}

/// How many services, upstreams and ambiguous names there are.
fn counts(services: &Names, upstreams: &Names) -> [usize; 3] {
    let mapped = |names: &Names| names.values().flatten().count();
    let all = services.len() + upstreams.len();
    let (services, upstreams) = (mapped(services), mapped(upstreams));
    [services, upstreams, all - services - upstreams]
}

fn counted(table: &LabelTable) -> [usize; 3] {
    [table.services(), table.upstreams(), table.ambiguous()]
}

/// What the table says of each of these names.
fn told<'t>(table: &'t LabelTable, names: &[String]) -> Vec<[Known<'t>; 2]> {
    let escaped = |name: &String| {
        name.replace('\\', r"\\")
            .replace('"', r#"\""#)
            .replace('\n', r"\n")
    };
    names
        .iter()
        .map(|name| {
            let key = escaped(name);
            [
                table.service(key.as_bytes()),
                table.upstream(key.as_bytes()),
            ]
        })
        .collect()
}

fn name() -> impl Strategy<Value = String> {
    "[ab\\\\\"\n]{0,2}"
}

fn known() -> impl Strategy<Value = Names> {
    let service = proptest::option::weighted(0.7, ("[mn]", "[st]{1,2}"));
    proptest::collection::btree_map(name(), service, 0..12)
}

proptest! {
    /// A table that was changed is the one that would have been built.
    #[test]
    fn a_changed_table_is_as_one_built_anew(
        mut services in known(), mut upstreams in known(), more in known(), others in known(),
        gone in proptest::collection::vec(name(), 0..4), away in proptest::collection::vec(name(), 0..4),
    ) {
        let first = build(LabelTable::builder(), &services, &upstreams);
        prop_assert_eq!(counted(&first), counts(&services, &upstreams));
        let changed = build(first.without(&gone, &away), &more, &others);
        services.retain(|name, _| !gone.contains(name));
        upstreams.retain(|name, _| !away.contains(name));
        services.extend(more);
        upstreams.extend(others);
        let anew = build(LabelTable::builder(), &services, &upstreams);
        let names: Vec<String> = services.keys().chain(upstreams.keys()).chain(&gone).chain(&away).cloned().collect();
        prop_assert_eq!(told(&changed, &names), told(&anew, &names));
        prop_assert_eq!(counted(&changed), counts(&services, &upstreams));
        // Nothing of what is gone is kept, but for labels that the last change took away.
        let twice = changed.without::<String>(&[], &[]).build();
        prop_assert_eq!(twice.bytes(), anew.bytes());
    }
}

#[test]
fn a_name_of_both_kinds_and_the_labels_of_a_service_stand_once() {
    let long = "s".repeat(60);
    let table = |names: usize, both: bool| {
        let mut builder = LabelTable::builder();
        for at in 0..names {
            let kong = format!("httproute.namespace.a-route-with-a-name.{at:05}");
            assert!(builder.set_service(&kong, "namespace", &long));
            if both {
                assert!(builder.set_upstream(&kong, "namespace", &long));
            }
        }
        builder.build()
    };
    assert_eq!(table(7000, true).bytes(), table(7000, false).bytes());
    // 45 bytes of name, 17 of what leads to it at a load of 7/8.
    let per_name = table(7000, true).bytes() / 7000;
    assert!(per_name < 70, "{per_name} bytes");
}

#[test]
fn what_is_known_as_one_kind_is_not_known_as_the_other() {
    let table = LabelTable::builder()
        .service("s", "n", "a")
        .upstream("u", "n", "a")
        .build();
    let ends = |known: Known<'_>, end: &[u8]| matches!(known, Known::Labels(labels) if labels.ends_with(end));
    assert!(ends(table.service(b"s"), b"\",kong_"));
    assert!(ends(table.upstream(b"u"), b"\","));
    assert_eq!(
        (table.service(b"u"), table.upstream(b"s")),
        (Known::Nothing, Known::Nothing)
    );
}

#[test]
fn an_ambiguous_name_costs_no_more_than_another() {
    let mut builder = LabelTable::builder().service("s", "n", "a");
    for at in 0..7000 {
        builder.set_ambiguous_service(&format!("httproute.namespace.a-route-with-a-name.{at:05}"));
    }
    let per_name = builder.build().bytes() / 7000;
    assert!((45..70).contains(&per_name), "{per_name} bytes");
}
