use super::*;
use proptest::prelude::*;

const OURS: &str = "echo-metrics-prometheus";

#[test]
fn others_may_write_in_between() {
    for (found, left) in [
        ("echo-metrics-prometheus", None),
        ("echo-metrics-prometheus,later", Some("later")),
        ("a,echo-metrics-prometheus,later", Some("a,later")),
        ("a , echo-metrics-prometheus ,later", Some("a ,later")),
        ("a,later", Some("a,later")),
    ] {
        assert_eq!(without(found, OURS).as_deref(), left, "{found}");
    }
}

#[test]
fn only_the_whole_name_is_the_name() {
    assert!(names(Some("a, echo-metrics-prometheus "), OURS));
    assert!(!names(Some("other:echo-metrics-prometheus"), OURS));
    assert!(!names(Some("my-echo-metrics-prometheus"), OURS));
    assert!(!names(None, OURS));
}

proptest! {
    #[test]
    fn leaves_it_as_it_was_found(value in prop::option::of("[a-z:, \t-]{0,40}|\\PC{0,20}")) {
        prop_assume!(!names(value.as_deref(), OURS));
        let added = with(value.as_deref(), OURS);
        prop_assert!(names(Some(&added), OURS));
        prop_assert_eq!(without(&added, OURS), value);
    }
}
