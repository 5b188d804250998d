use std::collections::BTreeMap;

use proptest::prelude::*;

use super::builder::LabelTableBuilder;
use super::*;

type Known = BTreeMap<String, (String, String)>;

fn build(mut builder: LabelTableBuilder, services: &Known, upstreams: &Known) -> LabelTable {
    for (kong, (namespace, name)) in services {
        builder = builder.service(kong, namespace, name);
    }
    for (kong, (namespace, name)) in upstreams {
        builder = builder.upstream(kong, namespace, name);
    }
    builder.build()
}

/// What the table says of each of these names.
fn told<'t>(table: &'t LabelTable, names: &[String]) -> Vec<[Option<&'t [u8]>; 2]> {
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

fn known() -> impl Strategy<Value = Known> {
    proptest::collection::btree_map(name(), ("[mn]", "[st]{1,2}"), 0..12)
}

proptest! {
    /// A table that was changed is the one that would have been built.
    #[test]
    fn a_changed_table_is_as_one_built_anew(
        mut services in known(), mut upstreams in known(), more in known(), others in known(),
        gone in proptest::collection::vec(name(), 0..4), away in proptest::collection::vec(name(), 0..4),
    ) {
        let first = build(LabelTable::builder(), &services, &upstreams);
        prop_assert_eq!((first.services(), first.upstreams()), (services.len(), upstreams.len()));
        let changed = build(first.without(&gone, &away), &more, &others);
        services.retain(|name, _| !gone.contains(name));
        upstreams.retain(|name, _| !away.contains(name));
        services.extend(more);
        upstreams.extend(others);
        let anew = build(LabelTable::builder(), &services, &upstreams);
        let names: Vec<String> = services.keys().chain(upstreams.keys()).chain(&gone).chain(&away).cloned().collect();
        prop_assert_eq!(told(&changed, &names), told(&anew, &names));
        prop_assert_eq!((changed.services(), changed.upstreams()), (services.len(), upstreams.len()));
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
    assert!(
        table
            .service(b"s")
            .is_some_and(|labels| labels.ends_with(b"\",kong_"))
    );
    assert!(
        table
            .upstream(b"u")
            .is_some_and(|labels| labels.ends_with(b"\","))
    );
    assert_eq!((table.service(b"u"), table.upstream(b"s")), (None, None));
}
