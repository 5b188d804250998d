//! Which failures are forgiven, and that no others are.

use super::{Failed, Forgiven, PartStats, is_unreached};

fn after(forgiven: Forgiven, again: bool, answer: Result<(), Failed>) -> PartStats {
    let mut stats = PartStats::of("a part", forgiven);
    for (again, answer) in [(false, Ok(())), (again, answer), (false, Ok(()))] {
        stats.begin();
        stats.end(again, answer);
    }
    stats
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
            let stats = after(forgiven, again, answer);
            assert_eq!(stats.is_well(), may, "{stats:?}");
        }
    }
}

#[test]
fn a_part_without_a_request_or_an_answer_shows_nothing() {
    let mut stats = PartStats::of("a part", Forgiven::Nothing);
    assert!(!stats.is_well());
    stats.begin();
    assert!(!stats.is_well());
    stats.end(false, Ok(()));
    assert!(stats.is_well());
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
