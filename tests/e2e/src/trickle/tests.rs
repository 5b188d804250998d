//! What is forgiven, and nothing beside it.

use std::time::Duration;

use super::{Failed, Fared, Forgiven};

fn after(forgiven: Forgiven, answers: impl IntoIterator<Item = Result<(), Failed>>) -> Fared {
    let mut fared = Fared::of("a part", forgiven);
    for answer in answers {
        fared.count(false, answer, Duration::ZERO);
    }
    fared
}

#[test]
fn only_what_is_forgiven_may_fail() {
    let lost = || Err(Failed::Lost("503".to_owned()));
    let unreached = || Err(Failed::Unreached);
    for (forgiven, may_be_unreached, may_be_lost) in [
        (Forgiven::Nothing, false, false),
        (Forgiven::Unreached, true, false),
        (Forgiven::Everything, true, true),
    ] {
        assert!(after(forgiven, [Ok(())]).is_well());
        let fared = after(forgiven, [Ok(()), unreached(), Ok(())]);
        assert_eq!(fared.is_well(), may_be_unreached, "{fared:?}");
        let fared = after(forgiven, [Ok(()), lost(), Ok(())]);
        assert_eq!(fared.is_well(), may_be_lost, "{fared:?}");
    }
}
