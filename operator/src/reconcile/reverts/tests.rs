use super::*;
use crate::reconcile::action::Patched;
use serde_json::json;
use tagalong_index::Key;

fn named(version: &str, plugins: &str) -> Action {
    Action::Metadata {
        kind: Patched::Service,
        key: Key::new("shop", "web"),
        patch: json!({"metadata": {
            "resourceVersion": version, "annotations": {"konghq.com/plugins": plugins},
        }}),
    }
}

/// Writes it as often as it may within `time`, while somebody takes it back each second.
fn fought(reverts: &mut Reverts, from: Instant, time: Duration) -> Vec<u64> {
    let mut written = Vec::new();
    for second in 0..time.as_secs() {
        let now = from + Duration::from_secs(second);
        let action = named(&second.to_string(), "mine,ours");
        let admitted = reverts.admit(vec![vec![action]], now).concat();
        for action in admitted {
            reverts.note(&[action], now);
            written.push(second);
        }
    }
    written
}

#[test]
fn what_is_taken_back_is_written_again_after_growing_pauses() {
    let (mut reverts, now) = (Reverts::default(), Instant::now());
    let written = fought(&mut reverts, now, Duration::from_secs(7200));
    assert_eq!(written[..8], [0, 1, 2, 4, 8, 16, 32, 64]);
    assert!(written.len() < 25, "{written:?}");
    assert!(written.windows(2).all(|pair| pair[1] - pair[0] <= 600));
    assert_eq!(reverts.told().len(), 1);
    // It stays at last.
    assert!(reverts.next(now).is_some(), "it waits for its next time");
    let later = now + Duration::from_secs(7200) + STANDS;
    let anew = named("later", "mine,ours");
    assert_eq!(reverts.admit(vec![vec![anew]], later).concat().len(), 1);
    assert!(reverts.told().is_empty());
}

#[test]
fn something_else_is_no_revert_and_is_written_at_once() {
    let (mut reverts, now) = (Reverts::default(), Instant::now());
    fought(&mut reverts, now, Duration::from_secs(100));
    assert_eq!(reverts.told().len(), 1);
    let other = named("x", "ours");
    let at = now + Duration::from_secs(100);
    let admitted = reverts.admit(vec![vec![other]], at).concat();
    assert_eq!(admitted.len(), 1);
    reverts.note(&admitted, at);
    assert!(reverts.told().is_empty());
}

#[test]
fn to_bring_an_object_through_the_webhook_says_nothing_that_could_be_taken_back() {
    let (mut reverts, now) = (Reverts::default(), Instant::now());
    let touch = Action::Metadata {
        kind: Patched::DataPlane,
        key: Key::new("shop", "dp"),
        patch: json!({"metadata": {"resourceVersion": "7"}}),
    };
    for _ in 0..20 {
        let admitted = reverts.admit(vec![vec![touch.clone()]], now).concat();
        assert_eq!(admitted.len(), 1);
        reverts.note(&admitted, now);
    }
    assert!(reverts.told().is_empty());
}
