use super::*;
use serde_json::{Value, json};
use tagalong_index::{Object, ObjectKind, Settings};
use tagalong_wire::Table;

fn parse<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("an object")
}

fn dataplane(name: &str) -> Object {
    Object::DataPlane(parse(json!({
        "metadata": {"namespace": "kong", "name": name},
        "status": {"selector": name},
    })))
}

fn pod(uid: &str, dataplane: &str) -> Object {
    Object::Pod(parse(json!({"metadata": {
        "namespace": "kong", "name": format!("pod-{uid}"), "uid": uid,
        "labels": {"gateway-operator.konghq.com/selector": dataplane},
    }})))
}

fn ingress(name: &str, port: u16) -> Object {
    Object::Ingress(parse(json!({
        "metadata": {"namespace": "default", "name": name},
        "spec": {"defaultBackend": {"service": {"name": name, "port": {"number": port}}}},
    })))
}

struct Stream {
    subscription: Subscription,
    table: Table,
}

impl Stream {
    fn open(feeds: &mut Feeds, index: &Index, uid: &str) -> Self {
        let subscription = feeds.subscribe(uid, index).expect("a table");
        let mut table = Table::default();
        let line = &subscription.snapshot.line;
        table
            .apply(Message::parse(line).expect("a message"))
            .expect("a snapshot");
        Self {
            subscription,
            table,
        }
    }

    /// Applies what has come. Says how many messages there were.
    fn catch_up(&mut self) -> usize {
        let mut messages = 0;
        while let Ok(update) = self.subscription.updates.try_recv() {
            let message = Message::parse(&update.line).expect("a message");
            self.table.apply(message).expect("no gap");
            assert_eq!(self.table.version(), Some(update.version));
            messages += 1;
        }
        messages
    }

    fn agrees(&self, index: &Index, dataplane: &str) {
        let now = index
            .snapshot(&Key::new("kong", dataplane))
            .expect("a table");
        assert_eq!(self.table.entries().services, now.services);
        assert_eq!(self.table.entries().upstreams, now.upstreams);
    }
}

#[test]
fn every_stream_ends_up_with_the_table() {
    let (mut index, mut feeds) = (Index::new(Settings::default()), Feeds::default());
    for object in [
        dataplane("a"),
        pod("1", "a"),
        pod("2", "a"),
        ingress("x", 80),
    ] {
        let changes = index.apply(object);
        feeds.publish(&changes, &index);
    }
    let mut first = Stream::open(&mut feeds, &index, "1");
    first.agrees(&index, "a");
    for port in 81..90 {
        let changes = index.apply(ingress("x", port));
        assert_eq!(feeds.publish(&changes, &index), 1);
    }
    let mut second = Stream::open(&mut feeds, &index, "2");
    second.agrees(&index, "a");
    let changes = index.delete(ObjectKind::Ingress, &Key::new("default", "x"));
    feeds.publish(&changes, &index);
    assert_eq!((first.catch_up(), second.catch_up()), (10, 1));
    first.agrees(&index, "a");
    second.agrees(&index, "a");
}

#[test]
fn a_flood_of_changes_comes_as_a_snapshot() {
    let (mut index, mut feeds) = (Index::new(Settings::default()), Feeds::default());
    for object in [dataplane("a"), pod("1", "a")] {
        index.apply(object);
    }
    let mut stream = Stream::open(&mut feeds, &index, "1");
    let many = (0..5000).map(|i| ingress(&format!("x{i}"), 80)).collect();
    let changes = index.reset(ObjectKind::Ingress, many);
    feeds.publish(&changes, &index);
    assert_eq!(stream.catch_up(), 1);
    stream.agrees(&index, "a");
    assert!(stream.table.entries().services.len() > 1);
}

/// A snapshot is of now: it may hold what a change that is told of after it brought.
#[test]
fn what_a_snapshot_holds_is_not_said_again() {
    let (mut index, mut feeds) = (Index::new(Settings::default()), Feeds::default());
    for object in [dataplane("a"), pod("1", "a")] {
        index.apply(object);
    }
    let mut stream = Stream::open(&mut feeds, &index, "1");
    let many = (0..5000).map(|i| ingress(&format!("x{i}"), 80)).collect();
    let mut changes = index.reset(ObjectKind::Ingress, many);
    changes.absorb(index.apply(ingress("x1", 81)));
    feeds.publish(&changes, &index);
    assert_eq!(stream.catch_up(), 1);
    stream.agrees(&index, "a");
    let changes = index.apply(ingress("x1", 82));
    feeds.publish(&changes, &index);
    assert_eq!(stream.catch_up(), 1);
    stream.agrees(&index, "a");
}

#[test]
fn a_pod_that_is_gone_or_moved_is_cut_off() {
    let (mut index, mut feeds) = (Index::new(Settings::default()), Feeds::default());
    for object in [dataplane("a"), dataplane("b"), pod("1", "a"), pod("2", "a")] {
        index.apply(object);
    }
    let first = Stream::open(&mut feeds, &index, "1");
    let second = Stream::open(&mut feeds, &index, "2");
    let changes = index.delete(ObjectKind::Pod, &Key::new("kong", "pod-1"));
    feeds.publish(&changes, &index);
    assert!(first.subscription.gone.is_cancelled());
    assert!(!second.subscription.gone.is_cancelled());
    assert!(feeds.subscribe("1", &index).is_none());
    let changes = index.apply(pod("2", "b"));
    feeds.publish(&changes, &index);
    assert!(second.subscription.gone.is_cancelled());
    Stream::open(&mut feeds, &index, "2").agrees(&index, "b");
}

#[test]
fn who_is_of_no_dataplane_gets_nothing() {
    let (mut index, mut feeds) = (Index::new(Settings::default()), Feeds::default());
    index.apply(pod("1", "elsewhere"));
    assert!(feeds.subscribe("1", &index).is_none());
    assert!(feeds.subscribe("2", &index).is_none());
}
