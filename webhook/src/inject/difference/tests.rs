use serde_json::{Value, json};

use super::difference;

fn patch(from: &Value, to: &Value) -> Value {
    let patch = difference("/t", from, to);
    let mut object = json!({"t": from});
    json_patch::patch(&mut object, &patch).expect("it fits");
    assert_eq!(&object["t"], to);
    json!(patch)
}

#[test]
fn items_are_added_and_taken_out_and_none_of_the_users_is_in_the_patch() {
    let (a, b) = (json!({"name": "a", "x": 1}), json!({"name": "b", "x": 2}));
    let (ours, newer) = (
        json!({"name": "tagalong", "v": 1}),
        json!({"name": "tagalong", "v": 2}),
    );
    let bare = json!({"name": "cluster-certificate"});
    for (from, to, expected) in [
        (
            json!([a]),
            json!([a, ours]),
            json!([{"op": "add", "path": "/t/1", "value": ours}]),
        ),
        (
            json!([a, b]),
            json!([bare, a, b, ours]),
            json!([
                {"op": "add", "path": "/t/0", "value": bare},
                {"op": "add", "path": "/t/3", "value": ours},
            ]),
        ),
        (
            json!([a, ours]),
            json!([a, newer]),
            json!([{"op": "replace", "path": "/t/1", "value": newer}]),
        ),
        (
            json!([a, ours, b]),
            json!([a, b, newer]),
            json!([
                {"op": "remove", "path": "/t/1"},
                {"op": "add", "path": "/t/2", "value": newer},
            ]),
        ),
        (
            json!([bare, a, ours]),
            json!([a]),
            json!([{"op": "remove", "path": "/t/0"}, {"op": "remove", "path": "/t/1"}]),
        ),
        (
            json!(null),
            json!([ours]),
            json!([{"op": "replace", "path": "/t", "value": [ours]}]),
        ),
        (
            json!({"a": 1, "b": 2}),
            json!({"b": 2, "c/d": 3}),
            json!([
                {"op": "add", "path": "/t/c~1d", "value": 3},
                {"op": "remove", "path": "/t/a"},
            ]),
        ),
    ] {
        assert_eq!(patch(&from, &to), expected, "{from} {to}");
    }
}
