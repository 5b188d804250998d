use super::*;
use tagalong_index::Key;

fn route(name: &str) -> Source {
    Source {
        kind: ObjectKind::HttpRoute,
        key: Key::new("team", name),
    }
}

fn rules(rules: &[u16]) -> BTreeSet<u16> {
    rules.iter().copied().collect()
}

#[test]
fn each_change_is_due_once() {
    let mut reported = BTreeMap::new();
    let mut now: BTreeMap<_, _> = [(route("a"), rules(&[0])), (route("b"), rules(&[1]))].into();
    let news = due(&mut reported, &now);
    assert_eq!(news.len(), 2);
    reported.extend(news);
    assert!(due(&mut reported, &now).is_empty(), "nothing changed");
    now.insert(route("a"), rules(&[0, 2]));
    let news = due(&mut reported, &now);
    assert_eq!(news, [(route("a"), rules(&[0, 2]))]);
    reported.extend(news);
    let granted = [(route("b"), rules(&[1]))].into();
    assert!(
        due(&mut reported, &granted).is_empty(),
        "that it ended is no news"
    );
    assert_eq!(due(&mut reported, &now).len(), 1, "that it is back is");
}

#[test]
fn the_event_is_about_the_route_and_says_what_to_do() {
    let about = reference(&route("a"));
    assert_eq!(about.kind.as_deref(), Some("HTTPRoute"));
    let version = about.api_version.as_deref();
    assert_eq!(version, Some("gateway.networking.k8s.io/v1"));
    assert_eq!(about.namespace.as_deref(), Some("team"));
    let many: Vec<u16> = (0..1000).collect();
    let event = event(&rules(&many));
    let note = event.note.unwrap_or_default();
    assert!(note.starts_with("Rule 0, 1, "), "{note}");
    assert!(note.contains("ReferenceGrant"), "{note}");
    assert!(note.len() < 1000, "an Event's note holds no more");
    assert!(event.secondary.is_none(), "the Service's owner did nothing");
}
