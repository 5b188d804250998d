use super::*;
use std::io;

#[derive(Debug, thiserror::Error)]
#[error("cannot ask")]
struct Silent(#[source] io::Error);

#[derive(Debug, thiserror::Error)]
#[error("cannot ask: {0}")]
struct Wordy(#[source] Silent);

#[test]
fn every_cause_once() {
    let error = || Silent(io::Error::other("nobody listens"));
    assert_eq!(with_causes(&error()), "cannot ask: nobody listens");
    assert_eq!(
        with_causes(&Wordy(error())),
        "cannot ask: cannot ask: nobody listens"
    );
    let alone = io::Error::other("alone");
    assert_eq!(with_causes(&alone), "alone");
}
