//! A controller as Kong's is, in steps of any order: no label says anything that Kong does not have, over our own restarts,
//! while the configuration is refused and while the controller is away; and each comes back.
//!
//! Sources of the steps: Kong Ingress Controller, `internal/controllers/gateway/httproute_controller.go` (`Reconcile`,
//! `ensureGatewayReferenceStatusAdded`) and `internal/dataplane/kong_client.go` (`Update`, `triggerKubernetesObjectReport`).

use proptest::prelude::*;

use super::*;

/// A rule's Services.
type Meaning = &'static [&'static str];

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody edits the route. A controller that is there has read in a moment what was taken back.
    Edit(Meaning),
    /// The controller reads it, and writes its entry anew if that is about an older generation.
    See,
    /// It sends what it has read.
    Push,
    /// It says what Kong has.
    Show,
    /// Kong refuses whatever comes, because of something else; or no longer.
    Refuse(bool),
    /// The controller goes, or comes back with nothing but what it reads.
    Away(bool),
    /// We begin anew, and see the other route before or after this one.
    Restart(bool),
    /// A controller that is there reads and sends meanwhile.
    Wait(u64),
}

struct World {
    story: Story,
    generation: i64,
    route: Meaning,
    /// Status and generation of the entry's `Programmed`.
    entry: Option<(&'static str, i64)>,
    away: bool,
    refuses: bool,
    /// What the controller has read.
    read: Option<(Meaning, i64)>,
    /// What it has sent last, as far as it knows.
    sent: Option<Meaning>,
    /// The generation that was in the last configuration that was another than the one before.
    reported: Option<i64>,
    kong: Option<Meaning>,
    /// What the route has meant since Kong was last said to have it.
    past: Vec<Meaning>,
}

fn step() -> impl Strategy<Value = Step> {
    let meanings: Vec<Meaning> = vec![&["a"], &["b"], &["a", "b"], &[]];
    prop_oneof![
        4 => prop::sample::select(meanings).prop_map(Step::Edit),
        6 => Just(Step::See),
        5 => Just(Step::Push),
        5 => Just(Step::Show),
        1 => any::<bool>().prop_map(Step::Refuse),
        1 => any::<bool>().prop_map(Step::Away),
        3 => any::<bool>().prop_map(Step::Restart),
        2 => prop::sample::select(vec![4, 8, 40, 4_000]).prop_map(Step::Wait),
    ]
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            story: Story::reported(),
            generation: 1,
            route: &["a"],
            entry: None,
            away: false,
            refuses: false,
            read: None,
            sent: None,
            reported: None,
            kong: None,
            past: vec![&["a"]],
        };
        world.tell();
        world
    }

    fn tell(&mut self) {
        let entry = self
            .entry
            .map(|(status, generation)| ("g1", status, generation));
        let mut route = route(self.generation, self.route, entry.as_slice());
        route.json["spec"]["parentRefs"] = json!([{"name": "g1"}]);
        self.story.apply(&route);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Edit(meaning) => {
                self.generation += 1;
                self.route = meaning;
                self.tell();
                if self.past.contains(&meaning) {
                    self.step(Step::See);
                }
                self.past.push(meaning);
            }
            Step::See if !self.away => {
                self.read = Some((self.route, self.generation));
                if self.entry.is_none_or(|(_, of)| of != self.generation) {
                    self.entry = Some(("Unknown", self.generation));
                    self.tell();
                }
            }
            Step::Push if !self.away && !self.refuses => {
                let Some((meaning, generation)) = self.read else {
                    return;
                };
                self.kong = Some(meaning);
                if self.sent.replace(meaning) != Some(meaning) {
                    self.reported = Some(generation);
                }
            }
            Step::Show if !self.away => {
                let Some((_, of)) = self.entry else { return };
                if of == self.generation && self.reported == Some(of) {
                    self.entry = Some(("True", of));
                    self.past = vec![self.route];
                    self.tell();
                }
            }
            Step::Refuse(refuses) => self.refuses = refuses,
            Step::Away(away) if away != self.away => {
                self.away = away;
                (self.read, self.sent, self.reported) = (None, None, None);
            }
            Step::Restart(shown_first) => {
                let now = self.story.now;
                self.story = if shown_first {
                    Story::reported()
                } else {
                    Story::new()
                };
                self.story.now = now;
                self.tell();
                if !shown_first {
                    self.story.apply(&other());
                }
            }
            Step::Wait(seconds) => {
                self.step(Step::See);
                self.step(Step::Push);
                self.story.wait(seconds);
            }
            Step::See | Step::Push | Step::Show | Step::Away(_) => {}
        }
    }

    fn label(&self) -> Option<String> {
        self.story.label_at("g1", NAME)
    }

    fn is_right(&self) -> bool {
        let (Some(label), Some(kong)) = (self.label(), self.kong) else {
            return true;
        };
        // What leads nowhere is nobody's.
        kong.is_empty() || matches!(kong, [service] if format!("n/{service}") == label)
    }

    /// Whether a meaning is taken back that Kong has not: the index cannot tell it from what Kong never left.
    fn takes_back(&self, meaning: Meaning) -> bool {
        self.past.contains(&meaning) && self.kong.is_some_and(|kong| kong != meaning)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn no_label_is_ahead_of_kong_and_each_comes_back(steps in prop::collection::vec(step(), 1..30)) {
        let mut world = World::new();
        let mut done = Vec::new();
        for step in steps {
            if matches!(step, Step::Edit(meaning) if world.takes_back(meaning)) {
                continue;
            }
            world.step(step);
            done.push(step);
            prop_assert!(world.is_right(), "{:?} though Kong has {:?} after {done:?}", world.label(), world.kong);
        }
        world.step(Step::Refuse(false));
        // As one that comes back it reports everything.
        for step in [Step::Away(true), Step::Away(false), Step::See, Step::Push, Step::Show, Step::Wait(100)] {
            world.step(step);
            prop_assert!(world.is_right(), "{:?} though Kong has {:?} after {done:?}", world.label(), world.kong);
        }
        let only = match world.route {
            [service] => Some(format!("n/{service}")),
            _ => None,
        };
        prop_assert_eq!(world.label(), only, "{:?}", done);
    }
}
