//! The table waits for Kong: each rule of `docs/design.md` §4, "Two readings", as a story.

mod controller;
mod restart;

use std::time::Duration;

use crate::common::Thing;
use serde_json::{Value, json};
use tagalong_index::{Index, Key, ObjectKind, Settings};

const NAME: &str = "httproute.n.r.0";

struct Story {
    index: Index,
    now: Duration,
}

impl Story {
    /// Two DataPlanes, of Gateways `g1` and `g2`.
    fn new() -> Self {
        let settings = Settings {
            wait_for_kong: true,
            ..Settings::default()
        };
        let mut story = Self {
            index: Index::new(settings),
            now: Duration::ZERO,
        };
        for gateway in ["g1", "g2"] {
            let owner = json!([{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": gateway, "uid": "u"}]);
            let body = json!({"metadata": {"ownerReferences": owner}});
            story.apply(&Thing::new(ObjectKind::DataPlane, "n", gateway, body));
            story.apply(&Thing::new(ObjectKind::Gateway, "n", gateway, json!({})));
        }
        for service in ["a", "b"] {
            story.apply(&Thing::new(ObjectKind::Service, "n", service, json!({})));
        }
        story
    }

    /// With controllers that were seen to show what Kong has.
    fn reported() -> Self {
        let mut story = Self::new();
        story.apply(&other());
        story
    }

    fn apply(&mut self, thing: &Thing) {
        self.index.apply(thing.object());
    }

    fn delete(&mut self, kind: ObjectKind, name: &str) {
        self.index.delete(kind, &Key::new("n", name));
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.index.tick(self.now);
    }

    fn label_at(&self, dataplane: &str, name: &str) -> Option<String> {
        let table = self.index.snapshot(&Key::new("n", dataplane)).unwrap();
        table.services.0.get(name).map(ToString::to_string)
    }

    #[track_caller]
    fn says(&self, label: Option<&str>) {
        assert_eq!(self.label_at("g1", NAME).as_deref(), label);
    }
}

/// Another route, of which Kong's controllers have said that Kong has it.
fn other() -> Thing {
    let mut other = route(1, &["a"], &SHOWN_1);
    other.json["metadata"]["name"] = json!("other");
    other
}

/// Route `n/r` of a generation, to these Services, with what its controllers say: Gateway, status, generation.
fn route(generation: i64, services: &[&str], programmed: &[(&str, &str, i64)]) -> Thing {
    let backends: Vec<Value> = services
        .iter()
        .map(|service| json!({"name": service, "port": 80}))
        .collect();
    let parents: Vec<Value> = programmed
        .iter()
        .map(|(gateway, status, generation)| {
            json!({"parentRef": {"name": gateway}, "controllerName": "konghq.com/kic-gateway-controller", "conditions": [
                {"type": "Accepted", "status": "True", "observedGeneration": 99},
                {"type": "Programmed", "status": status, "observedGeneration": generation},
            ]})
        })
        .collect();
    let body = json!({
        "metadata": {"generation": generation, "uid": "u"},
        "spec": {"parentRefs": [{"name": "g1"}, {"name": "g2"}], "rules": [{"backendRefs": backends}]},
        "status": {"parents": parents},
    });
    Thing::new(ObjectKind::HttpRoute, "n", "r", body)
}

const SHOWN_1: [(&str, &str, i64); 2] = [("g1", "True", 1), ("g2", "True", 1)];
const SHOWN_2: [(&str, &str, i64); 2] = [("g1", "True", 2), ("g2", "True", 2)];

#[test]
fn an_edit_waits_until_kong_has_it() {
    let mut story = Story::reported();
    story.apply(&route(1, &["a"], &SHOWN_1));
    story.says(Some("n/a"));
    story.apply(&route(2, &["b"], &SHOWN_1));
    story.says(None);
    // A name that only one of the readings claims keeps its label.
    let only = |story: &Story, name: &str| story.label_at("g1", name);
    assert_eq!(
        only(&story, "httproute.n.svc.n.a.80.1").as_deref(),
        Some("n/a")
    );
    assert_eq!(
        only(&story, "httproute.n.svc.n.b.80.1").as_deref(),
        Some("n/b")
    );
    story.wait(3_600);
    story.says(None);
    story.apply(&route(
        2,
        &["b"],
        &[("g1", "Unknown", 2), ("g2", "True", 1)],
    ));
    story.says(None);
    story.apply(&route(2, &["b"], &SHOWN_2));
    story.says(Some("n/b"));
    assert_eq!(story.index.next_tick(), None);
}

#[test]
fn each_dataplane_waits_for_its_own_controller() {
    let mut story = Story::reported();
    story.apply(&route(1, &["a"], &SHOWN_1));
    story.apply(&route(2, &["b"], &[("g1", "True", 2), ("g2", "True", 1)]));
    assert_eq!(story.label_at("g1", NAME).as_deref(), Some("n/b"));
    assert_eq!(story.label_at("g2", NAME), None);
}

#[test]
fn what_kong_refuses_has_no_label() {
    let mut story = Story::reported();
    story.apply(&route(1, &["a"], &SHOWN_1));
    story.apply(&route(2, &["b"], &SHOWN_1));
    story.apply(&route(2, &["b"], &[("g1", "False", 2), ("g2", "False", 2)]));
    story.wait(3_600);
    story.says(None);
}

#[test]
fn a_refusal_is_waited_for_even_where_none_was_ever_shown() {
    let mut story = Story::new();
    story.apply(&route(1, &["a"], &[]));
    story.apply(&route(2, &["b"], &[]));
    story.apply(&route(2, &["b"], &[("g1", "False", 2), ("g2", "False", 2)]));
    story.wait(3_600);
    story.says(None);
}

#[test]
fn what_was_taken_back_holds_after_ten_seconds() {
    let mut story = Story::reported();
    story.apply(&route(1, &["a"], &SHOWN_1));
    story.apply(&route(2, &["b"], &SHOWN_1));
    story.apply(&route(3, &["a"], &SHOWN_1));
    story.says(None);
    story.wait(9);
    story.says(None);
    story.wait(1);
    story.says(Some("n/a"));
}

#[test]
fn without_a_status_the_newest_holds_after_a_minute() {
    let mut story = Story::new();
    story.apply(&route(1, &["a"], &[]));
    story.says(Some("n/a"));
    story.apply(&route(2, &["b"], &[]));
    story.says(None);
    assert_eq!(story.index.next_tick(), Some(Duration::from_secs(60)));
    story.wait(59);
    story.says(None);
    story.wait(1);
    story.says(Some("n/b"));
}

#[test]
fn what_has_no_generation_waits_for_half_a_minute() {
    let mut story = Story::reported();
    story.apply(&route(1, &["a", "b"], &SHOWN_1));
    story.says(None);
    story.index.delete(ObjectKind::Service, &Key::new("n", "b"));
    story.says(None);
    story.wait(29);
    story.says(None);
    story.wait(1);
    story.says(Some("n/a"));
}

#[test]
fn from_nothing_to_a_service_is_at_once() {
    let mut story = Story::reported();
    let mut foreign = route(1, &["p"], &SHOWN_1);
    foreign.json["spec"]["rules"][0]["backendRefs"][0]["namespace"] = json!("m");
    story.apply(&foreign);
    story.says(None);
    let from =
        json!([{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "n"}]);
    let spec = json!({"from": from, "to": [{"group": "", "kind": "Service"}]});
    story.apply(&Thing::new(
        ObjectKind::Grant,
        "m",
        "g",
        json!({"spec": spec}),
    ));
    story.says(Some("m/p"));
    // When the grant is gone, Kong sends it requests for a while yet, and then answers them itself under the same name.
    story.index.delete(ObjectKind::Grant, &Key::new("m", "g"));
    story.says(None);
}

#[test]
fn a_route_that_is_gone_is_known_for_half_a_minute() {
    let mut story = Story::reported();
    story.apply(&route(1, &["a"], &SHOWN_1));
    story
        .index
        .delete(ObjectKind::HttpRoute, &Key::new("n", "r"));
    story.says(Some("n/a"));
    // And made again, for another Service.
    story.apply(&route(1, &["b"], &[]));
    story.says(None);
    story.wait(30);
    story.says(Some("n/b"));
}

#[test]
fn after_a_restart_what_kong_has_is_what_the_status_says() {
    let mut story = Story::new();
    story.apply(&route(2, &["b"], &SHOWN_1));
    story.says(None);
    story.apply(&route(2, &["b"], &SHOWN_2));
    story.says(Some("n/b"));
    let mut story = Story::new();
    story.apply(&route(7, &["b"], &[]));
    story.says(Some("n/b"));
}

#[test]
fn many_edits_hold_no_more_than_one() {
    let mut story = Story::reported();
    story.apply(&route(1, &["a"], &SHOWN_1));
    for generation in 2..100 {
        let service = ["b", "c", "d"][usize::try_from(generation % 3).unwrap()];
        story.apply(&route(generation, &[service], &SHOWN_1));
        story.says(None);
    }
    let all = [("g1", "True", 99), ("g2", "True", 99)];
    story.apply(&route(99, &["b"], &all));
    story.says(Some("n/b"));
}

#[test]
fn a_route_that_goes_before_kong_has_it_is_not_waited_for() {
    let mut story = Story::reported();
    story.apply(&route(1, &["a"], &SHOWN_1));
    story.apply(&route(2, &["b"], &SHOWN_1));
    story.delete(ObjectKind::HttpRoute, "r");
    let mut again = route(1, &["b"], &[]);
    again.json["metadata"]["uid"] = json!("another");
    story.apply(&again);
    story.says(None);
    story.wait(30);
    story.says(Some("n/b"));
    assert_eq!(story.index.next_tick(), None);
}

#[test]
fn a_gateway_that_is_gone_is_waited_for_a_minute() {
    // Of a Kong without a Gateway of its own, all parents count.
    let mut story = Story::reported();
    let labels = json!({"tagalong.dev/inject": "enabled"});
    let selector = json!({"matchLabels": {"app": "kong"}});
    let body = json!({"metadata": {"labels": labels}, "spec": {"selector": selector}});
    story.apply(&Thing::new(ObjectKind::Deployment, "n", "kong", body));
    story.apply(&route(1, &["a"], &SHOWN_1));
    let of_one = [("g1", "True", 2), ("g2", "True", 1)];
    story.apply(&route(2, &["b"], &of_one));
    story.wait(3_600);
    assert_eq!(story.label_at("kong", NAME), None);
    story.delete(ObjectKind::Gateway, "g2");
    story.wait(59);
    assert_eq!(story.label_at("kong", NAME), None);
    story.wait(1);
    assert_eq!(story.label_at("kong", NAME).as_deref(), Some("n/b"));
    // What nobody will write again is no news.
    story.apply(&route(2, &["b"], &of_one));
    assert_eq!(story.label_at("kong", NAME).as_deref(), Some("n/b"));
    story.apply(&route(3, &["a"], &of_one));
    story.apply(&route(3, &["a"], &[("g1", "True", 3), ("g2", "True", 1)]));
    story.wait(60);
    assert_eq!(story.label_at("kong", NAME).as_deref(), Some("n/a"));
    assert_eq!(story.index.next_tick(), None);
}

#[test]
fn after_a_restart_only_parents_that_are_there_are_waited_for() {
    // Gateways may be seen after their routes.
    let mut story = Story::new();
    story.delete(ObjectKind::Gateway, "g1");
    story.apply(&route(2, &["b"], &SHOWN_1));
    story.apply(&Thing::new(ObjectKind::Gateway, "n", "g1", json!({})));
    story.apply(&route(3, &["b"], &[("g1", "True", 1), ("g2", "True", 3)]));
    story.wait(3_600);
    story.says(None);
    story.delete(ObjectKind::Gateway, "g1");
    story.wait(60);
    story.says(Some("n/b"));
    let mut story = Story::new();
    let mut moved = route(2, &["b"], &[("g1", "True", 2), ("gone", "True", 1)]);
    moved.json["spec"]["parentRefs"] = json!([{"name": "g1"}]);
    story.apply(&moved);
    story.says(Some("n/b"));
}

#[test]
fn a_kind_of_which_nothing_was_ever_shown_waits_for_a_minute() {
    let mut story = Story::reported();
    let of = |services: &[&str], generation| {
        let mut thing = route(generation, services, &[]);
        thing.kind = ObjectKind::TcpRoute;
        thing
    };
    story.apply(&of(&["a"], 1));
    story.apply(&of(&["b"], 2));
    let at = |story: &Story| story.label_at("g1", "tcproute.n.r.0");
    assert_eq!(at(&story), None);
    story.wait(60);
    assert_eq!(at(&story).as_deref(), Some("n/b"));
}

#[test]
fn what_waits_for_kong_is_no_fault_of_anybody() {
    let mut story = Story::reported();
    let ambiguous = |story: &Story| {
        let left_out = story.index.left_out(&Key::new("n", "g1")).unwrap();
        let names = left_out.into_iter().map(|left_out| left_out.name);
        names.filter(|name| name == NAME).count()
    };
    story.apply(&route(1, &["a"], &SHOWN_1));
    story.apply(&route(2, &["b"], &SHOWN_1));
    story.says(None);
    assert_eq!(ambiguous(&story), 0);
}

#[test]
fn what_is_held_back_says_why_and_until_when() {
    let mut story = Story::reported();
    let explained = |story: &Story| story.index.explain_name(NAME).to_string();
    story.apply(&route(1, &["a"], &SHOWN_1));
    assert!(!explained(&story).contains("held back"));
    story.apply(&route(2, &["b"], &SHOWN_1));
    let text = explained(&story);
    let waits = "in the table of DataPlane n/g1: held back: Kong is not known to have generation 2 of HTTPRoute n/r (no \
                 Programmed=True in its status for Gateway n/g1)\n";
    assert!(text.contains(waits), "{text}");
    let claim = |text: &str, service: &str| {
        let mut lines = text
            .lines()
            .filter(|line| line.contains(&format!("-> Service {service} [")));
        lines.next().unwrap().ends_with("older reading]")
    };
    assert!(claim(&text, "n/a") && !claim(&text, "n/b"), "{text}");
    let service = story.index.explain_service(&Key::new("n", "b")).to_string();
    assert!(
        service.contains(&format!("{NAME}: held back: ")),
        "{service}"
    );
    // Shown by one of the two; and what nobody shows.
    story.apply(&route(2, &["b"], &[("g1", "True", 2), ("g2", "False", 2)]));
    let text = explained(&story);
    assert!(text.contains("DataPlane n/g1: Service n/b\n"), "{text}");
    let refuses = "DataPlane n/g2: held back: Kong refuses generation 2 of HTTPRoute n/r and still has an older one \
                   (Programmed=False in its status for Gateway n/g2, with the reason)\n";
    assert!(text.contains(refuses), "{text}");
    story.apply(&route(2, &["b"], &SHOWN_2));
    story.delete(ObjectKind::HttpRoute, "r");
    let mut again = route(1, &["a"], &[]);
    again.json["metadata"]["uid"] = json!("another");
    story.apply(&again);
    story.wait(18);
    let text = explained(&story);
    let gone = "held back: Kong may still have what HTTPRoute n/r meant before, for 12 s at most\n";
    assert!(text.contains(gone), "{text}");
}

#[test]
fn a_refusal_is_told_and_waiting_is_not() {
    let mut story = Story::reported();
    let g1 = Key::new("n", "g1");
    let told = |story: &Story| {
        let all = story.index.left_out(&g1).unwrap().into_iter();
        all.map(|name| (name.to_string(), name.is_refused(), name.services.len()))
            .collect::<Vec<_>>()
    };
    story.apply(&route(1, &["a"], &SHOWN_1));
    story.apply(&route(2, &["b"], &SHOWN_1));
    assert_eq!(told(&story), []);
    let refused = route(2, &["b"], &[("g1", "False", 2), ("g2", "True", 1)]);
    let changes = story.index.apply(refused.object());
    assert!(
        changes.states.contains(&g1),
        "whoever surveys must look again"
    );
    let sentence = format!(
        "{NAME} is held back: Kong refuses generation 2 of HTTPRoute n/r and still has an older one (Programmed=False in its \
         status for Gateway n/g1, with the reason) (HTTPRoute n/r rule 0 -> Service n/a, in Kong; HTTPRoute n/r rule 0 -> Service n/b)"
    );
    // Both Services lack the label. The other DataPlane's controller has refused nothing.
    assert!(
        told(&story).contains(&(sentence, true, 2)),
        "{:?}",
        told(&story)
    );
    assert_eq!(story.index.left_out(&Key::new("n", "g2")).unwrap(), []);
    assert!(
        story.index.apply(refused.object()).states.is_empty(),
        "no news"
    );
    let changes = story.index.apply(route(2, &["b"], &SHOWN_2).object());
    assert!(changes.states.contains(&g1));
    assert_eq!(told(&story), []);
}

#[test]
fn after_a_restart_a_refusal_is_waited_for_whatever_is_seen_first() {
    let settings = Settings {
        wait_for_kong: true,
        ..Settings::default()
    };
    let mut story = Story {
        index: Index::new(settings),
        now: Duration::ZERO,
    };
    story.apply(&route(2, &["b"], &[("g1", "False", 2)]));
    let owner = json!([{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": "g1", "uid": "u"}]);
    let body = json!({"metadata": {"ownerReferences": owner}});
    story.apply(&Thing::new(ObjectKind::DataPlane, "n", "g1", body));
    story.apply(&Thing::new(ObjectKind::Gateway, "n", "g1", json!({})));
    story.wait(3_600);
    story.says(None);
    story.apply(&route(2, &["b"], &SHOWN_2));
    story.says(Some("n/b"));
}

/// As after a watch that was away: the route was deleted and created again, and nobody saw it go.
#[test]
fn another_object_of_the_name_counts_its_own_generations() {
    let mut story = Story::reported();
    story.apply(&route(6, &["a"], &[("g1", "True", 6), ("g2", "True", 6)]));
    story.apply(&route(7, &["b"], &[("g1", "True", 6), ("g2", "True", 6)]));
    let mut another = route(1, &["b"], &[("g1", "Unknown", 1)]);
    another.json["metadata"]["uid"] = json!("another");
    story.apply(&another);
    story.says(None);
    another.json["status"] = route(1, &["b"], &SHOWN_1).json["status"].clone();
    story.apply(&another);
    story.says(Some("n/b"));
}

/// The sidecar is to say which of the ambiguous names it sees; an older one must drop the label.
#[test]
fn a_name_that_becomes_ambiguous_is_told_as_such() {
    let mut story = Story::reported();
    story.apply(&route(1, &["a"], &SHOWN_1));
    let changes = story.index.apply(route(2, &["b"], &SHOWN_1).object());
    for change in &changes.tables {
        let tagalong_index::TableUpdate::Delta(delta) = &change.update else {
            panic!("{change:?}");
        };
        let ambiguous = &delta.set.ambiguous;
        assert!(ambiguous.services.contains(NAME) && ambiguous.upstreams.contains(NAME));
        assert!(delta.unset.services.iter().any(|name| name == NAME));
    }
    assert_eq!(changes.tables.len(), 2);
    let table = |story: &Story| story.index.snapshot(&Key::new("n", "g1")).unwrap();
    assert!(table(&story).ambiguous.services.contains(NAME));
    story.apply(&route(2, &["b"], &SHOWN_2));
    assert!(table(&story).ambiguous.is_empty());
}
