use super::*;
use crate::reconcile::action::Patched;
use crate::world::observed::ADDED_PLUGIN;
use serde_json::json;
use tagalong_index::Key;

fn action(name: &str, version: &str) -> Action {
    Action::DeletePlugin {
        key: Key::new("default", name),
        version: version.to_owned(),
    }
}

fn failed(action: Action, error: Option<&str>) -> Written {
    Written {
        failed: vec![(action, error.map(str::to_owned))],
        ..Written::default()
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Looks every 100 ms for so long, as in a busy world, and counts how often the write is tried.
fn tries(
    backoff: &mut Backoff,
    from: Instant,
    length: Duration,
    version: impl Fn(u32) -> String,
) -> u32 {
    let mut tries = 0;
    for step in 0.. {
        let now = from + Duration::from_millis(100) * step;
        if now >= from + length {
            break;
        }
        let action = action("a", &version(step));
        if backoff.admit(vec![vec![action.clone()]], now) != [vec![]] {
            tries += 1;
            backoff.note(failed(action, Some("forbidden")), now);
        }
    }
    tries
}

#[test]
fn whatever_else_changes_it_is_tried_ever_less_often() {
    let (mut backoff, start) = (Backoff::default(), Instant::now());
    let first = tries(&mut backoff, start, seconds(60.0), |_| "1".into());
    assert!((6..=8).contains(&first), "{first} in the first minute");
    let later = tries(&mut backoff, start + seconds(60.0), seconds(600.0), |_| {
        "1".into()
    });
    assert!((10..=21).contains(&later), "{later} in ten minutes more");
}

#[test]
fn a_service_waits_with_the_plugin_that_it_is_to_name() {
    let naming = |plugin: &str| Action::Metadata {
        kind: Patched::Service,
        key: Key::new("default", "echo"),
        patch: json!({"metadata": {"annotations": {ADDED_PLUGIN: plugin}}}),
    };
    let (mut backoff, start) = (Backoff::default(), Instant::now());
    backoff.note(failed(action("a", "1"), Some("forbidden")), start);
    let stages = |plugin: &str| vec![vec![action("a", "1")], vec![naming(plugin)]];
    assert_eq!(backoff.admit(stages("a"), start), [vec![], vec![]]);
    assert_eq!(
        backoff.admit(stages("b"), start),
        [vec![], vec![naming("b")]]
    );
    let later = start + seconds(60.0);
    assert_eq!(backoff.admit(stages("a"), later), stages("a"));
}

#[test]
fn an_object_that_changes_is_tried_sooner_but_not_at_every_change() {
    let (mut backoff, start) = (Backoff::default(), Instant::now());
    backoff.note(failed(action("a", "1"), Some("forbidden")), start);
    let changed = vec![vec![action("a", "2")]];
    let soon = backoff.admit(changed.clone(), start + seconds(0.13));
    assert_eq!(soon, changed, "an eighth of a second is the most it waits");
    let same = vec![vec![action("a", "1")]];
    assert_eq!(backoff.admit(same, start + seconds(0.13)), [vec![]]);

    let restless = tries(&mut backoff, start, seconds(600.0), |step| step.to_string());
    assert!(restless < 600 / 3, "{restless} in ten minutes");
}

#[test]
fn one_object_holds_back_no_other_and_success_ends_it() {
    let (mut backoff, start) = (Backoff::default(), Instant::now());
    backoff.note(failed(action("a", "1"), Some("forbidden")), start);
    let stages = vec![vec![action("a", "1"), action("b", "1")]];
    assert_eq!(backoff.admit(stages, start), [vec![action("b", "1")]]);
    assert_eq!(backoff.errors().len(), 1);
    assert!(
        backoff
            .next(start)
            .is_some_and(|next| next >= seconds(0.5) && next <= seconds(1.0))
    );
    let written = Written {
        done: vec![action("a", "1")],
        ..Written::default()
    };
    backoff.note(written, start);
    assert!(backoff.errors().is_empty() && backoff.next(start).is_none());
}

#[test]
fn a_conflict_waits_and_is_no_failure() {
    let (mut backoff, start) = (Backoff::default(), Instant::now());
    backoff.note(failed(action("a", "1"), None), start);
    assert!(backoff.errors().is_empty());
    assert_eq!(
        backoff.admit(vec![vec![action("a", "1")]], start),
        [vec![]],
        "the watch has not told yet"
    );
    assert!(backoff.next(start).is_some());
}

#[test]
fn what_is_due_no_longer_is_told_no_longer_but_remembered_for_its_time() {
    let (mut backoff, start) = (Backoff::default(), Instant::now());
    backoff.note(failed(action("a", "1"), Some("forbidden")), start);
    backoff.admit(Vec::new(), start);
    assert!(backoff.errors().is_empty() && backoff.next(start).is_none());
    let again = backoff.admit(vec![vec![action("a", "1")]], start + seconds(0.1));
    assert_eq!(again, [vec![]]);
    backoff.admit(Vec::new(), start + seconds(1.1));
    let again = vec![vec![action("a", "1")]];
    assert_eq!(backoff.admit(again.clone(), start + seconds(1.1)), again);
}
