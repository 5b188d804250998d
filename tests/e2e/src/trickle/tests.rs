//! Which failures are forgiven, and that no others are.

use super::{Failed, Fared, Forgiven, is_unreached};

fn after(forgiven: Forgiven, again: bool, answer: Result<(), Failed>) -> Fared {
    let mut fared = Fared::of("a part", forgiven);
    for (again, answer) in [(false, Ok(())), (again, answer), (false, Ok(()))] {
        fared.begin();
        fared.end(again, answer);
    }
    fared
}

#[test]
fn only_what_is_forgiven_may_fail() {
    for (forgiven, may) in [
        (Forgiven::Nothing, [true, false, false, false]),
        (Forgiven::Again, [true, true, false, false]),
        (Forgiven::Unreached, [true, true, true, false]),
        (Forgiven::Everything, [true, true, true, true]),
    ] {
        let lost = Failed::Lost("503".to_owned());
        let answers = [
            (false, Ok(())),
            (true, Ok(())),
            (true, Err(Failed::Unreached)),
            (false, Err(lost)),
        ];
        for ((again, answer), may) in answers.into_iter().zip(may) {
            let fared = after(forgiven, again, answer);
            assert_eq!(fared.is_well(), may, "{fared:?}");
        }
    }
}

#[test]
fn a_part_without_a_request_or_an_answer_shows_nothing() {
    let mut fared = Fared::of("a part", Forgiven::Nothing);
    assert!(!fared.is_well());
    fared.begin();
    assert!(!fared.is_well());
    fared.end(false, Ok(()));
    assert!(fared.is_well());
}

/// As the errors of `Cluster::connect` and of HTTP read.
#[test]
fn only_what_was_not_sent_may_be_tried_again() {
    assert!(is_unreached(
        "connection to 10.96.0.7:80: Connection refused (os error 111)"
    ));
    assert!(is_unreached(
        "connection to 10.96.0.7:80: connection timed out"
    ));
    assert!(!is_unreached("connection closed before message completed"));
    assert!(!is_unreached("503 Service Unavailable: "));
}
