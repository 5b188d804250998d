use std::fmt::Write as _;

use tagalong_wire::{Entries, ServiceRef};

use super::*;

fn names(from: usize, to: usize) -> Vec<(String, ServiceRef)> {
    let service = |at: usize| ServiceRef::new("namespace", format!("service-{}", at % 100));
    (from..to)
        .map(|at| (format!("httproute.namespace.route-{at}.0"), service(at)))
        .collect()
}

fn snapshot(count: usize) -> String {
    let mut json = String::from(r#"{"type":"SNAPSHOT","version":1,"services":{"#);
    for (at, (kong, service)) in names(0, count).into_iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let ServiceRef { namespace, name } = service;
        let _ = write!(
            json,
            r#"{comma}"{kong}":{{"namespace":"{namespace}","name":"{name}"}}"#
        );
    }
    json + "}}"
}

fn load(json: &str, in_use: &ActiveTable, room: Room) -> Result<ActiveTable, LoadError> {
    ActiveTable::snapshot(json.as_bytes(), in_use, room)
}

/// The most names that a room of this limit takes as the first snapshot.
fn most(room: Room) -> usize {
    let (mut fits, mut does_not) = (0, 100_000);
    while does_not - fits > 1 {
        let middle = usize::midpoint(fits, does_not);
        match load(&snapshot(middle), &ActiveTable::default(), room) {
            Ok(_) => fits = middle,
            Err(LoadError::TooLarge(_)) => does_not = middle,
            Err(LoadError::Parse(error)) => panic!("{error}"),
        }
    }
    fits
}

#[test]
fn what_is_taken_once_is_taken_again_and_may_not_grow_beyond_it() {
    let room = Room::within(Some(16 << 20));
    let most = most(room);
    assert!(most > 5_000, "{most} names in 4 MiB");
    let json = snapshot(most);
    let table = load(&json, &ActiveTable::default(), room).expect("it fits");
    let again = load(&json, &table, room).expect("the same, beside the one in use");
    let mut delta = Delta {
        version: 2,
        ..Delta::default()
    };
    let changed = again.changed(&delta, room).expect("nothing more");
    assert_eq!((changed.labels.len(), changed.version), (most, Some(2)));
    let more = names(most, most + most / 10);
    delta.set = Entries {
        services: more.into_iter().collect(),
        ..Entries::default()
    };
    assert!(again.changed(&delta, room).is_err());
    assert!(again.changed(&delta, Room::within(None)).is_ok());
}

#[test]
fn ambiguous_names_take_of_the_room_and_come_and_go_with_changes() {
    let room = Room::within(Some(16 << 20));
    let json = r#"{"version":1,"services":{"k":{"namespace":"n","name":"s"}},"ambiguous":{"services":["a"],"upstreams":["a","b"]}}"#;
    let table = load(json, &ActiveTable::default(), room).expect("a table");
    let counts = |table: &ActiveTable| (table.labels.len(), table.labels.ambiguous());
    assert_eq!(counts(&table), (1, 3));
    let mut delta = Delta {
        version: 2,
        ..Delta::default()
    };
    delta.set.services = [("a", ServiceRef::new("n", "s"))].into_iter().collect();
    delta.set.ambiguous.services.insert("k".to_owned());
    delta.set.ambiguous.upstreams.insert("c".to_owned());
    delta.unset.upstreams = vec!["a".to_owned()];
    let changed = table.changed(&delta, room).expect("it fits");
    assert_eq!(counts(&changed), (1, 3));

    let many: Vec<_> = names(0, 3 * most(room))
        .into_iter()
        .map(|(kong, _)| kong)
        .collect();
    let listed = format!(r#"{{"version":1,"ambiguous":{{"services":{many:?}}}}}"#);
    let refused = load(&listed, &ActiveTable::default(), room);
    assert!(
        matches!(refused, Err(LoadError::TooLarge(_))),
        "{refused:?}"
    );
    delta.set.ambiguous.services.extend(many);
    assert!(table.changed(&delta, room).is_err());
}

#[test]
fn what_is_no_snapshot_is_told_before_what_does_not_fit() {
    let room = Room::within(None);
    let error = load(r#"{"services":{}}"#, &ActiveTable::default(), room).expect_err("no version");
    assert!(
        error.to_string().contains("missing field `version`"),
        "{error}"
    );
    let empty = load(r#"{"version":3}"#, &ActiveTable::default(), room).expect("a table");
    assert_eq!((empty.version, empty.labels.len()), (Some(3), 0));
}
