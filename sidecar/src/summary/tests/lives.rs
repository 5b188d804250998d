//! Random lives of series.

use proptest::collection::vec;
use proptest::prelude::*;

use super::kong::{Cells, Kong};
use super::{Looker, Truth};

const NAMES: [&str; 3] = ["a", "b", "c"];
const ROUTES: [&str; 2] = ["r", "s"];
const SERVICES: [&str; 3] = ["one", "two", "three"];

#[derive(Clone, Debug)]
enum Event {
    Answer(usize, usize, u64, Option<u64>),
    Probe(u64),
    Look,
    /// A look at a body that lacks every line of which the hash is even.
    LookWithHoles(u64),
    CutOff(usize),
    Twice,
    /// From here on, what Kong has counted may be gone.
    Lose(usize, usize, usize),
    LoseAll(usize, usize),
    /// What a series was before it was lost comes back.
    Return(usize, usize),
    Restart(bool),
    Move(usize, Option<usize>),
}

fn harmless() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..3_usize, 0..2_usize, 1..40_u64, proptest::option::weighted(0.8, 0..3000_u64))
            .prop_map(|(n, r, times, waited)| Event::Answer(n, r, times, waited)),
        2 => (0..300_u64).prop_map(Event::Probe),
        5 => Just(Event::Look),
        1 => any::<u64>().prop_map(Event::LookWithHoles),
        1 => any::<usize>().prop_map(Event::CutOff),
        1 => Just(Event::Twice),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => harmless(),
        1 => (0..3_usize, 0..2_usize, any::<usize>()).prop_map(|(n, r, key)| Event::Lose(n, r, key)),
        1 => (0..3_usize, 0..2_usize).prop_map(|(n, r)| Event::LoseAll(n, r)),
        1 => (0..3_usize, 0..2_usize).prop_map(|(n, r)| Event::Return(n, r)),
        1 => any::<bool>().prop_map(Event::Restart),
        1 => (0..3_usize, proptest::option::of(0..3_usize)).prop_map(|(n, s)| Event::Move(n, s)),
    ]
}

struct Life {
    kong: Kong,
    looker: Looker,
    lost: std::collections::BTreeMap<(usize, usize), Cells>,
    was_lost: std::collections::BTreeSet<(usize, usize)>,
    /// Series that a look has seen since Kong began.
    seen: std::collections::BTreeSet<(usize, usize)>,
    /// Names that have moved since the last look that counted.
    moved: Vec<usize>,
    ever_moved: bool,
    /// Names that a look has seen since Kong began.
    known: std::collections::BTreeSet<usize>,
}

impl Life {
    fn new() -> Self {
        let (mut kong, mut looker) = (Kong::new(), Looker::new());
        for (name, service) in NAMES.iter().zip(SERVICES) {
            kong.owns(name, Some(service));
            kong.answer(name, "r", 10_000, Some(500));
        }
        assert!(looker.see(&kong));
        kong.forget_truth();
        Self {
            kong,
            looker,
            lost: std::collections::BTreeMap::new(),
            was_lost: std::collections::BTreeSet::new(),
            seen: (0..NAMES.len()).map(|n| (n, 0)).collect(),
            moved: Vec::new(),
            ever_moved: false,
            known: (0..NAMES.len()).collect(),
        }
    }

    fn looked(&mut self) {
        self.moved.clear();
        let keys = self.kong.keys();
        let counted = |n: &usize| keys.iter().any(|(name, _)| name == NAMES[*n]);
        self.known.extend((0..NAMES.len()).filter(counted));
        for (n, name) in NAMES.iter().enumerate() {
            for (r, route) in ROUTES.iter().enumerate() {
                if keys.contains(&((*name).into(), (*route).into())) {
                    self.seen.insert((n, r));
                }
            }
        }
    }

    fn happens(&mut self, event: &Event) {
        let (kong, looker) = (&mut self.kong, &mut self.looker);
        match *event {
            Event::Answer(n, r, times, waited) => kong.answer(NAMES[n], ROUTES[r], times, waited),
            Event::Probe(times) => kong.probe(times),
            Event::Look => {
                assert!(looker.see(kong));
                self.looked();
            }
            Event::LookWithHoles(seed) => {
                // A line that shows for the first time, although it was there before its name moved, looks new.
                let mut at = if self.ever_moved { return } else { seed };
                let text: String = kong
                    .print()
                    .split_inclusive('\n')
                    .filter(|line| {
                        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        line.contains("kong_nginx") || at >> 63 == 0
                    })
                    .collect();
                assert!(looker.look(kong, &text));
                self.looked();
            }
            Event::CutOff(at) => {
                let text = kong.print();
                kong.show(&text[..at % text.len()], &mut looker.ledger);
            }
            Event::Twice => {
                let text = kong.print();
                assert!(looker.look(kong, &format!("{text}{text}")));
                self.looked();
            }
            Event::Lose(n, r, key) => {
                let has = kong.keys().contains(&(NAMES[n].into(), ROUTES[r].into()));
                if has {
                    self.was_lost.insert((n, r));
                    let keys: Vec<String> =
                        kong.cells(NAMES[n], ROUTES[r]).keys().cloned().collect();
                    if !keys.is_empty() {
                        kong.lose(NAMES[n], ROUTES[r], &keys[key % keys.len()]);
                    }
                }
            }
            Event::LoseAll(n, r) => {
                if kong.keys().contains(&(NAMES[n].into(), ROUTES[r].into())) {
                    let cells = kong.cells(NAMES[n], ROUTES[r]);
                    kong.lose_all(NAMES[n], ROUTES[r]);
                    // What it was before it was lost a second time, or before any look, is bounded by Nginx' number only.
                    let told = self.seen.contains(&(n, r)) && !self.moved.contains(&n);
                    if self.was_lost.insert((n, r)) && told {
                        self.lost.insert((n, r), cells);
                    }
                }
            }
            Event::Return(n, r) => {
                if let Some(cells) = self.lost.remove(&(n, r)) {
                    kong.set_cells(NAMES[n], ROUTES[r], cells);
                }
            }
            Event::Restart(node) => {
                kong.restart(node);
                self.lost.clear();
                self.known.clear();
                self.seen.clear();
            }
            Event::Move(n, service) => {
                // Twice within one interval is not seen, nor where no look has seen the name since Kong began.
                if self.known.contains(&n) && !self.moved.contains(&n) {
                    kong.owns(NAMES[n], service.map(|s| SERVICES[s]));
                    // What was lost before and is back after may be anybody's: two looks can be the same either way.
                    self.lost.retain(|(name, _), _| *name != n);
                    self.moved.push(n);
                    self.ever_moved = true;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn holes_and_cuts_lose_nothing(events in vec(harmless(), 0..40)) {
        // Each series has been whole once: what was never seen beside others may have any past.
        let mut life = Life::new();
        for name in NAMES {
            life.kong.answer(name, "s", 1, Some(1));
        }
        life.happens(&Event::Look);
        for event in &events {
            life.happens(event);
        }
        life.happens(&Event::Look);
        for service in SERVICES {
            life.looker.is(service, &life.kong.truth(service));
            let totals = life.looker.of(service);
            prop_assert_eq!(totals.unsettled, 0);
        }
    }

    #[test]
    fn nothing_ever_jumps_up_because_something_was_lost(events in vec(any_event(), 0..60)) {
        let mut life = Life::new();
        for event in &events {
            life.happens(event);
            for service in SERVICES {
                let Truth { arrivals, count, sum, request_sum } = life.kong.truth(service);
                let totals = life.looker.of(service);
                prop_assert!(totals.arrivals <= arrivals, "{service}: {totals:?}, {arrivals} in truth");
                prop_assert!(totals.count <= count, "{service}: {totals:?}, {count} in truth");
                prop_assert!(totals.sum <= sum, "{service}: {totals:?}, {sum} in truth");
                prop_assert!(totals.request_sum <= request_sum, "{service}: {totals:?}");
                prop_assert!(totals.buckets[13] <= count, "{service}: {totals:?}");
            }
        }
    }
}
