use super::*;
use crate::world::observed::Observe as _;
use serde_json::Value;
use tagalong_crds as crds;
use tagalong_index::{Object, ObjectKind, Settings};

const GRACE: Duration = Duration::from_secs(120);
const AGAIN: Duration = Duration::from_secs(600);

fn parse<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("an object")
}

/// A pod of Kong's, `change`d.
fn pod(change: impl FnOnce(&mut Value)) -> Object {
    let mut pod = json!({
        "metadata": {"namespace": "default", "name": "p", "uid": "u",
            "labels": {"gateway-operator.konghq.com/selector": "s"}},
        "spec": {"containers": [{"name": "c"}]},
        "status": {"phase": "Running"},
    });
    change(&mut pod);
    Object::Pod(parse(pod))
}

fn bare() -> Object {
    pod(|_| ())
}

fn whole() -> Object {
    pod(|pod| {
        pod["spec"]["containers"][0]["ports"] =
            json!([{"name": "tagalong", "containerPort": 9542}]);
    })
}

fn world(change: impl FnOnce(&mut Value)) -> (Index, Observed) {
    let (mut index, mut observed) = (Index::new(Settings::default()), Observed::default());
    let mut dataplane = json!({
        "metadata": {"namespace": "default", "name": "kong", "resourceVersion": "7",
            "labels": {"tagalong.dev/inject": "enabled"}},
        "status": {"selector": "s"},
    });
    change(&mut dataplane);
    let dataplane: crds::DataPlane = parse(dataplane);
    dataplane.seen(&mut observed);
    index.apply(dataplane);
    index.apply(Object::ControlPlane(parse(json!({"metadata": {"namespace": "default", "name": "cp"},
        "spec": {"dataplane": "kong", "extensions": [{"kind": "DataPlaneMetricsExtension", "name": "x"}]}}))));
    index.apply(Object::Extension(parse(
        json!({"metadata": {"namespace": "default", "name": "x"}}),
    )));
    index.apply(bare());
    (index, observed)
}

/// How many pods are told of, and how many DataPlanes are brought through.
fn counts(found: &Found) -> (usize, usize) {
    (found.pods.len(), found.touch.len())
}

#[tokio::test(start_paused = true)]
async fn told_after_a_while_and_touched_now_and_then() {
    let (mut index, observed) = world(|_| ());
    let mut uninjected = Uninjected::new(GRACE);
    let start = Instant::now();
    let first = uninjected.check(&index, &observed, start);
    assert_eq!((first.all, counts(&first)), (1, (0, 0)));
    assert_eq!(first.next, Some(GRACE));

    let later = uninjected.check(&index, &observed, start + GRACE);
    assert_eq!(counts(&later), (1, 1));
    assert_eq!(later.next, Some(AGAIN));
    // An update that changes nothing, and that does nothing where somebody else was faster.
    let touch = Action::Metadata {
        kind: Patched::DataPlane,
        key: Key::new("default", "kong"),
        patch: json!({"metadata": {"resourceVersion": "7"}}),
    };
    assert_eq!(later.touch, [touch]);
    let mut touches = 0;
    for minute in 0..60 {
        let now = start + GRACE + Duration::from_secs(60 * minute);
        touches += uninjected.check(&index, &observed, now).touch.len();
    }
    assert_eq!(touches, 5, "one in ten minutes, after the first");

    index.apply(whole());
    assert_eq!(
        uninjected.check(&index, &observed, start + 2 * AGAIN),
        Found::default()
    );
}

/// Who is well in between gets its time anew, and yet is not brought through more often.
#[tokio::test(start_paused = true)]
async fn a_second_rollout_has_its_own_time_and_no_touch_of_its_own() {
    let (mut index, observed) = world(|_| ());
    let mut uninjected = Uninjected::new(GRACE);
    let start = Instant::now();
    uninjected.check(&index, &observed, start);
    let touched = start + GRACE;
    assert_eq!(
        counts(&uninjected.check(&index, &observed, touched)),
        (1, 1)
    );

    index.apply(whole());
    uninjected.check(&index, &observed, touched);
    index.apply(bare());
    let again = touched + GRACE;
    assert_eq!(counts(&uninjected.check(&index, &observed, again)), (0, 0));
    let told = again + GRACE;
    let found = uninjected.check(&index, &observed, told);
    assert_eq!(counts(&found), (1, 0));
    assert_eq!(found.next, Some(touched + AGAIN - told));
    assert_eq!(
        counts(&uninjected.check(&index, &observed, touched + AGAIN)),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn only_pods_that_run_and_stay_are_missed() {
    let (mut index, observed) = world(|_| ());
    let mut uninjected = Uninjected::new(GRACE);
    let now = Instant::now();
    for other in [
        pod(|pod| pod["status"]["phase"] = json!("Pending")),
        pod(|pod| pod["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z")),
        pod(|pod| pod["metadata"]["labels"] = json!({})),
    ] {
        index.apply(other);
        uninjected.check(&index, &observed, now);
        assert_eq!(
            uninjected.check(&index, &observed, now + AGAIN),
            Found::default()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_dataplane_on_its_way_out_is_not_brought_through() {
    let (index, observed) = world(|dataplane| {
        dataplane["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
    });
    let mut uninjected = Uninjected::new(GRACE);
    let now = Instant::now();
    uninjected.check(&index, &observed, now);
    assert_eq!(
        counts(&uninjected.check(&index, &observed, now + AGAIN)),
        (1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_not_to_have_one_misses_none() {
    let (unmarked, mut unattached) = (
        world(|dataplane| {
            dataplane["metadata"]["labels"]["tagalong.dev/inject"] = json!("disabled");
        }),
        world(|_| ()),
    );
    let extension = Key::new("default", "x");
    unattached.0.delete(ObjectKind::Extension, &extension);
    for (index, observed) in [unmarked, unattached] {
        let mut uninjected = Uninjected::new(GRACE);
        let now = Instant::now();
        uninjected.check(&index, &observed, now);
        assert_eq!(
            uninjected.check(&index, &observed, now + AGAIN),
            Found::default()
        );
    }
}

/// Its pods still run with the sidecar, and new ones cannot be made.
#[tokio::test(start_paused = true)]
async fn one_of_which_a_part_is_left_is_brought_through_and_nobody_is_told() {
    let template = |volumes: Value| {
        json!({"deployment": {"podTemplateSpec": {
            "metadata": {"annotations": {"tagalong.dev/injected": "{}"}},
            "spec": {"initContainers": [{"name": "tagalong"}], "volumes": volumes},
        }}})
    };
    for (volumes, touched) in [
        (json!([{"name": "tagalong"}]), 0),
        (json!([{"name": "mine"}]), 1),
    ] {
        let (mut index, observed) = world(|dataplane| dataplane["spec"] = template(volumes));
        index.apply(whole());
        let mut uninjected = Uninjected::new(GRACE);
        let start = Instant::now();
        assert_eq!(counts(&uninjected.check(&index, &observed, start)), (0, 0));
        let later = uninjected.check(&index, &observed, start + GRACE);
        assert_eq!((later.all, counts(&later)), (0, (0, touched)));
    }
}
