use serde_json::{Value, json};

use super::{field, fields, items};

#[test]
fn each_value_is_found_as_it_stands() {
    let text =
        " { \"a\" : 1.50 , \"\\u0062\":[1, {\"x\":\"}\\\"]\"}],\"c\":null,\"\":{}, \"ä\" : -2e3 } ";
    let mut found = Vec::new();
    fields(text, |key, value| found.push((key.into_owned(), value))).expect("an object");
    let expected = [
        ("a", "1.50"),
        ("b", "[1, {\"x\":\"}\\\"]\"}]"),
        ("c", "null"),
        ("", "{}"),
        ("ä", "-2e3"),
    ];
    assert_eq!(
        found,
        expected
            .map(|(key, value)| (key.to_owned(), value))
            .to_vec()
    );
    let mut found = Vec::new();
    items(" [ 1 ,\"a,]\" , [] ] ", |item| found.push(item)).expect("a list");
    assert_eq!(found, ["1", "\"a,]\"", "[]"]);
}

#[test]
fn of_two_fields_the_last_counts_as_it_does_for_serde() {
    let text = "{\"a\":1,\"a\":2}";
    let value: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(field(text, "a"), Some("2"));
    assert_eq!(value["a"], json!(2));
}

#[test]
fn what_is_neither_object_nor_list_has_no_parts() {
    for text in [
        "",
        "1",
        "\"{}\"",
        "null",
        "{",
        "{\"a\"",
        "{\"a\":1 2}",
        "{\"\\ud800\":1}",
    ] {
        assert_eq!(fields(text, |_, _| {}), None, "{text}");
    }
    for text in ["", "{}", "[", "[1", "[1 2]"] {
        assert_eq!(items(text, |_| {}), None, "{text}");
    }
}

#[test]
fn depth_costs_no_stack() {
    let deep = format!(
        "{{\"a\":{}{},\"b\":7}}",
        "[".repeat(1 << 20),
        "]".repeat(1 << 20)
    );
    assert_eq!(field(&deep, "b"), Some("7"));
}
