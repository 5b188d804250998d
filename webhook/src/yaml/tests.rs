use proptest::prelude::*;
use serde_json::{Value, json};

use super::text;

#[test]
fn it_reads_as_kubectl_writes() {
    let value = json!({
        "apiVersion": "apps/v1",
        "spec": {"args": ["--x=1", "off"], "empty": {}, "none": [], "list": [{"a": 1, "b": [true, null]}, [1, 2]], "port": "80"},
    });
    let expected = "apiVersion: apps/v1
spec:
  args:
  - \"--x=1\"
  - \"off\"
  empty: {}
  list:
  - a: 1
    b:
    - true
    - null
  - - 1
    - 2
  none: []
  port: \"80\"
";
    assert_eq!(text(&value), expected);
}

fn anything() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        any::<String>(),
        "[yYnN~a-f0-9:. #'\"\\-_]{0,6}",
        Just("off".to_owned()),
        Just("1e3".to_owned()),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        let fields = prop::collection::vec((word.clone(), inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            fields.prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(value in anything()) {
        let read: Value = serde_saphyr::from_str(&text(&value)).map_err(|error| TestCaseError::fail(format!("{error}: {}", text(&value))))?;
        prop_assert_eq!(read, value);
    }
}
