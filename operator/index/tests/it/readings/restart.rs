//! What the status tells whoever begins: an older generation may be in Kong, whatever is not known of it.

use super::*;

/// The controller pushed the first generation and went before it said so.
const UNKNOWN_1: [(&str, &str, i64); 2] = [("g1", "Unknown", 1), ("g2", "Unknown", 1)];
/// It has seen the second, and with that forgotten what it said of the first.
const UNKNOWN_2: [(&str, &str, i64); 2] = [("g1", "Unknown", 2), ("g2", "Unknown", 2)];

#[test]
fn what_was_never_shown_of_an_older_generation_is_waited_for() {
    for unknown in [UNKNOWN_1, UNKNOWN_2] {
        let mut story = Story::reported();
        story.apply(&route(2, &["b"], &unknown));
        story.wait(3_600);
        story.says(None);
        story.apply(&route(2, &["b"], &SHOWN_2));
        story.says(Some("n/b"));
        assert_eq!(story.index.next_tick(), None);
    }
}

/// As of a controller that is told to write no status: it writes `Unknown` all the same.
#[test]
fn where_none_was_ever_shown_it_is_waited_for_a_minute() {
    for unknown in [UNKNOWN_1, UNKNOWN_2] {
        let mut story = Story::new();
        story.apply(&route(2, &["b"], &unknown));
        story.wait(59);
        story.says(None);
        story.wait(1);
        story.says(Some("n/b"));
        assert_eq!(story.index.next_tick(), None);
    }
}

/// Routes come in any order.
#[test]
fn a_controller_that_is_seen_later_to_show_is_waited_for() {
    let mut story = Story::new();
    story.apply(&route(2, &["b"], &UNKNOWN_2));
    let mut left = route(2, &["b"], &[]);
    left.kind = ObjectKind::TcpRoute;
    story.apply(&left);
    left = route(3, &["a"], &[]);
    left.kind = ObjectKind::TcpRoute;
    story.apply(&left);
    story.wait(30);
    story.apply(&other());
    story.wait(30);
    // It shows HTTPRoutes; of others nothing is known, and they wait as long as they would have.
    let at = story.label_at("g1", "tcproute.n.r.0");
    assert_eq!(at.as_deref(), Some("n/a"));
    story.wait(3_600);
    story.says(None);
}

#[test]
fn nothing_is_before_a_first_generation() {
    let mut story = Story::reported();
    story.apply(&route(1, &["b"], &UNKNOWN_1));
    story.says(Some("n/b"));
}

/// As another vendor's controller writes, whose Gateway the route has as well.
#[test]
fn who_says_nothing_of_programming_and_has_seen_the_newest_is_not_waited_for() {
    let mut story = Story::reported();
    let mut foreign = route(2, &["b"], &UNKNOWN_2);
    let conditions = |generation: i64| json!([{"type": "Accepted", "status": "True", "observedGeneration": generation}]);
    let told = |foreign: &mut Thing, generation: i64| {
        for at in 0..2 {
            foreign.json["status"]["parents"][at]["conditions"] = conditions(generation);
        }
    };
    told(&mut foreign, 2);
    story.apply(&foreign);
    story.says(Some("n/b"));
    // It has not even seen it.
    let mut story = Story::reported();
    told(&mut foreign, 1);
    story.apply(&foreign);
    story.wait(3_600);
    story.says(None);
}

#[test]
fn a_name_that_says_its_backends_keeps_its_label() {
    let mut story = Story::reported();
    let mut other = route(1, &["b"], &SHOWN_1);
    other.json["metadata"]["name"] = json!("other");
    story.apply(&other);
    story.apply(&route(
        2,
        &["b"],
        &[("g1", "False", 2), ("g2", "Unknown", 2)],
    ));
    story.says(None);
    let shared = story.label_at("g1", "httproute.n.svc.n.b.80.1");
    assert_eq!(shared.as_deref(), Some("n/b"));
}

/// It is not attached there any more, so nobody will write that entry again.
#[test]
fn a_gateway_that_a_route_has_left_is_not_waited_for_longer_when_it_is_made_again() {
    let mut story = Story::reported();
    story.apply(&route(1, &["a"], &SHOWN_1));
    let mut moved = route(2, &["b"], &[("g1", "True", 2), ("g2", "False", 2)]);
    moved.json["spec"]["parentRefs"] = json!([{"name": "g1"}]);
    story.apply(&moved);
    story.delete(ObjectKind::Gateway, "g2");
    story.apply(&Thing::new(ObjectKind::Gateway, "n", "g2", json!({})));
    // News of it, which say the same of the Gateway.
    moved.json["spec"]["hostnames"] = json!([]);
    story.apply(&moved);
    story.wait(30);
    assert_eq!(story.index.next_tick(), None);
    assert_eq!(story.label_at("g2", NAME), None);
}

/// A Gateway has an entry for each listener that the route names.
#[test]
fn what_is_refused_at_one_listener_is_not_shown_by_another() {
    let mut story = Story::reported();
    story.apply(&route(1, &["a"], &SHOWN_1));
    let refused = [
        ("g1", "False", 2),
        ("g1", "True", 2),
        ("g2", "True", 2),
        ("g2", "False", 2),
    ];
    for told in [&refused[..], &refused[2..]] {
        story.apply(&route(2, &["b"], told));
        assert_eq!(story.label_at("g2", NAME), None);
    }
    story.apply(&route(2, &["b"], &SHOWN_2));
    story.says(Some("n/b"));
}
