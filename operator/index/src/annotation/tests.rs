use proptest::prelude::*;

use super::*;

#[test]
fn a_plugin_is_added_at_the_end_once() {
    assert_eq!(with(None, "p"), "p");
    assert_eq!(with(Some("a, b"), "p"), "a, b,p");
    assert_eq!(with(Some(" p ,a"), "p"), " p ,a");
    assert_eq!(with(Some(""), "p"), ",p");
    assert_eq!(with(Some("pp"), "p"), "pp,p");
}

#[test]
fn a_plugin_is_removed_wherever_it_stands() {
    assert_eq!(without(None, "p"), None);
    assert_eq!(without(Some("p"), "p"), None);
    assert_eq!(without(Some("a, p ,b"), "p").as_deref(), Some("a,b"));
    assert_eq!(without(Some("p,b"), "p").as_deref(), Some("b"));
    assert_eq!(without(Some("a,b"), "p").as_deref(), Some("a,b"));
    assert_eq!(without(Some(",p"), "p").as_deref(), Some(""));
}

proptest! {
    #[test]
    fn what_was_found_is_left(value in proptest::option::of("[ab, :]{0,12}")) {
        let with = with(value.as_deref(), "p");
        prop_assert!(items(&with).any(|item| item == "p"));
        prop_assert_eq!(without(Some(&with), "p"), value);
    }
}
