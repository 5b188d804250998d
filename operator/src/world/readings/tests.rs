use super::*;
use crate::metrics;
use crate::push::server::TableSource as _;
use crate::watch::Sink as _;
use serde_json::{Value, json};
use std::time::Duration;
use tagalong_crds as crds;
use tagalong_index::{Key, Settings};
use tokio::time::Instant;

const NAME: &str = "httproute.n.r.0";

fn parse<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("an object")
}

fn route(generation: i64, service: &str) -> crds::HttpRoute {
    parse(json!({
        "metadata": {"namespace": "n", "name": "r", "generation": generation, "uid": "u"},
        "spec": {"parentRefs": [{"name": "kong"}], "rules": [{"backendRefs": [{"name": service, "port": 80}]}]},
    }))
}

/// A DataPlane, two Services and a route to the first, of which nobody shows what Kong has.
fn world(wait_for_kong: bool) -> World {
    let settings = Settings {
        wait_for_kong,
        ..Settings::default()
    };
    let world = World::new(settings, metrics::PushMetrics::default());
    world.apply(parse::<crds::DataPlane>(
        json!({"metadata": {"namespace": "n", "name": "dp"}}),
    ));
    for name in ["a", "b"] {
        world.apply(parse::<crds::Service>(
            json!({"metadata": {"namespace": "n", "name": name}}),
        ));
    }
    world.apply(route(1, "a"));
    world
}

fn label(world: &World) -> Option<String> {
    let table = world.with(|state| state.index.snapshot(&Key::new("n", "dp")));
    let services = table.expect("a table").services;
    services.0.get(NAME).map(ToString::to_string)
}

#[tokio::test(start_paused = true)]
async fn what_is_held_ends_in_time_and_is_pushed() {
    let world = world(true);
    let (_trigger, drain) = tagalong_runtime::drain::channel();
    tokio::spawn(end(world.clone(), drain));
    tokio::time::sleep(Duration::from_secs(1_000)).await;
    assert_eq!(label(&world).as_deref(), Some("n/a"));
    let mut subscription = world.subscribe_to(Some("n/dp")).expect("a table");
    world.apply(route(2, "b"));
    let edited = Instant::now();
    assert_eq!(label(&world), None);
    let _taken_out = subscription.updates.recv().await.expect("a delta");
    let _put_in = subscription.updates.recv().await.expect("a delta");
    assert_eq!(label(&world).as_deref(), Some("n/b"));
    let waited = edited.elapsed();
    assert!((60_000..60_010).contains(&waited.as_millis()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_comes_after_what_has_ended_before_it() {
    let world = world(true);
    world.apply(route(2, "b"));
    // Nobody wakes it here.
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(label(&world), None);
    world.apply(parse::<crds::Service>(
        json!({"metadata": {"namespace": "n", "name": "c"}}),
    ));
    assert_eq!(label(&world).as_deref(), Some("n/b"));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_woken_while_nothing_is_held() {
    let waiting = world(true);
    assert_eq!(*waiting.next_tick().borrow(), None);
    waiting.apply(route(2, "b"));
    let minute = Instant::now() + Duration::from_secs(60);
    assert_eq!(*waiting.next_tick().borrow(), Some(minute));
    let plain = world(false);
    plain.apply(route(2, "b"));
    assert_eq!(label(&plain).as_deref(), Some("n/b"));
    assert_eq!(*plain.next_tick().borrow(), None);
}
