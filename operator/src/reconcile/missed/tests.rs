use super::*;
use crate::reconcile::observed::Observe as _;
use serde_json::Value;
use tagalong_crds as crds;
use tagalong_index::{Object, Settings};

const PATIENCE: Duration = Duration::from_secs(120);
const AGAIN: Duration = Duration::from_secs(600);

fn parse<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("an object")
}

fn pod(ports: &Value) -> Object {
    Object::Pod(parse(json!({
        "metadata": {"namespace": "default", "name": "p", "uid": "u",
            "labels": {"gateway-operator.konghq.com/selector": "s"}},
        "spec": {"containers": [{"name": "c", "ports": ports}]},
        "status": {"phase": "Running"},
    })))
}

fn world(label: &str) -> (Index, Observed) {
    let (mut index, mut observed) = (Index::new(Settings::default()), Observed::default());
    let dataplane: crds::DataPlane = parse(json!({
        "metadata": {"namespace": "default", "name": "kong", "labels": {"tagalong.dev/inject": label}},
        "status": {"selector": "s"},
    }));
    dataplane.seen(&mut observed);
    index.apply(dataplane);
    index.apply(Object::ControlPlane(parse(json!({"metadata": {"namespace": "default", "name": "cp"},
        "spec": {"dataplane": "kong", "extensions": [{"kind": "DataPlaneMetricsExtension", "name": "x"}]}}))));
    index.apply(Object::Extension(parse(
        json!({"metadata": {"namespace": "default", "name": "x"}}),
    )));
    index.apply(pod(&json!([])));
    (index, observed)
}

#[tokio::test(start_paused = true)]
async fn told_after_a_while_and_touched_now_and_then() {
    let (mut index, observed) = world("enabled");
    let mut missed = Missed::new(PATIENCE);
    let start = Instant::now();
    let first = missed.look(&index, &observed, start);
    assert_eq!((first.all, first.pods.len(), first.touch.len()), (1, 0, 0));
    assert_eq!(first.next, Some(PATIENCE));

    let later = missed.look(&index, &observed, start + PATIENCE);
    assert_eq!((later.pods.len(), later.touch.len()), (1, 1));
    let mut touches = 0;
    for minute in 0..60 {
        let now = start + PATIENCE + Duration::from_secs(60 * minute);
        touches += missed.look(&index, &observed, now).touch.len();
    }
    assert_eq!(touches, 5, "one in ten minutes, after the first");

    index.apply(pod(&json!([{"name": "tagalong", "containerPort": 9542}])));
    assert_eq!(
        missed.look(&index, &observed, start + 2 * AGAIN),
        Found::default()
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_not_to_have_one_misses_none() {
    let (index, observed) = world("disabled");
    let mut missed = Missed::new(PATIENCE);
    let now = Instant::now();
    missed.look(&index, &observed, now);
    assert_eq!(
        missed.look(&index, &observed, now + AGAIN),
        Found::default()
    );
}
