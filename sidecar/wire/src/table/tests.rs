use super::*;
use crate::ServiceRef;

fn names(pairs: &[(&str, &str)]) -> Names {
    pairs
        .iter()
        .map(|(kong, service)| (*kong, ServiceRef::new("n", *service)))
        .collect()
}

fn entries(services: &[(&str, &str)], upstreams: &[(&str, &str)]) -> Entries {
    Entries {
        services: names(services),
        upstreams: names(upstreams),
        ..Entries::default()
    }
}

fn ambiguous(mut entries: Entries, services: &[&str]) -> Entries {
    let services = services.iter().map(ToString::to_string);
    entries.ambiguous.services.extend(services);
    entries
}

fn snapshot(version: u64, content: Entries) -> Message {
    Message::Snapshot(Snapshot {
        version,
        services: content.services,
        upstreams: content.upstreams,
        ambiguous: content.ambiguous,
    })
}

fn delta(version: u64, set: Entries, unset: &[&str]) -> Message {
    Message::Delta(Delta {
        version,
        set,
        unset: Unset {
            services: unset.iter().map(ToString::to_string).collect(),
            upstreams: Vec::new(),
        },
    })
}

#[test]
fn messages_in_order_make_the_table() {
    let mut table = Table::default();
    let content = entries(&[("a", "1"), ("b", "2")], &[("u", "1")]);
    assert_eq!(table.apply(snapshot(41, content)), Ok(Applied::Changed));
    let change = delta(
        42,
        entries(&[("b", "3"), ("c", "4")], &[]),
        &["a", "never there"],
    );
    assert_eq!(table.apply(change), Ok(Applied::Changed));
    assert_eq!(
        table.apply(Message::Heartbeat { version: 42 }),
        Ok(Applied::Unchanged)
    );
    assert_eq!(table.apply(Message::Unknown), Ok(Applied::Unchanged));
    assert_eq!(table.version(), Some(42));
    assert_eq!(
        table.entries(),
        &entries(&[("b", "3"), ("c", "4")], &[("u", "1")])
    );
    // A new stream, perhaps of another replica, which counts differently.
    let same = table.entries().clone();
    assert_eq!(table.apply(snapshot(7, same)), Ok(Applied::Unchanged));
    assert_eq!(table.version(), Some(7));
}

#[test]
fn a_name_both_unset_and_set_is_set() {
    let mut table = Table::default();
    table
        .apply(snapshot(1, entries(&[("a", "1")], &[])))
        .expect("first");
    table
        .apply(delta(2, entries(&[("a", "2")], &[]), &["a"]))
        .expect("next");
    assert_eq!(table.entries(), &entries(&[("a", "2")], &[]));
}

#[test]
fn what_does_not_follow_leaves_the_table_as_it_was() {
    let mut table = Table::default();
    assert_eq!(
        table.apply(delta(1, Entries::default(), &[])),
        Err(Resync::NoSnapshot { got: 1 })
    );
    assert_eq!(
        table.apply(Message::Heartbeat { version: 1 }),
        Err(Resync::NoSnapshot { got: 1 })
    );
    table
        .apply(snapshot(5, entries(&[("a", "1")], &[])))
        .expect("a snapshot always fits");
    let before = table.clone();
    for (message, expected, got) in [
        (delta(5, Entries::default(), &["a"]), 6, 5),
        (delta(7, Entries::default(), &["a"]), 6, 7),
        (Message::Heartbeat { version: 6 }, 5, 6),
        (Message::Heartbeat { version: 4 }, 5, 4),
    ] {
        assert_eq!(table.apply(message), Err(Resync::Gap { expected, got }));
        assert_eq!(table, before);
    }
}

#[test]
fn what_one_end_says_the_other_end_understands() {
    let (mut server, mut client) = (Table::default(), Table::default());
    let states = [
        entries(&[], &[]),
        entries(&[("a", "1"), ("b", "2")], &[("u", "1")]),
        entries(&[("b", "3")], &[("u", "1"), ("v", "2")]),
        entries(&[("b", "3")], &[("u", "1"), ("v", "2")]),
        entries(&[], &[("v", "1")]),
        ambiguous(entries(&[("b", "3")], &[]), &["a", "c"]),
        ambiguous(entries(&[("a", "3")], &[]), &["b"]),
        entries(&[], &[]),
    ];
    for (at, state) in states.into_iter().enumerate() {
        let message = server.advance(state.clone());
        assert_eq!(
            message.is_none(),
            at == 3,
            "only the unchanged state says nothing"
        );
        if let Some(message) = message {
            let mut line = Vec::new();
            message.write(&mut line);
            client
                .apply(Message::parse(&line).expect("our own"))
                .expect("in order");
        }
        assert_eq!(client.entries(), &state);
        assert_eq!(client, server);
    }
}
