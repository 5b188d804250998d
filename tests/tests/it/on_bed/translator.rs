//! Kong's own translator (Kong Ingress Controller 3.4.0) over random worlds: no label of ours is wrong by what Kong would be
//! told, and every name that is left out has a reason that is listed (`reasons`).
//!
//! `TAGALONG_WORLDS=N` tries so many (3,000 if not given), `TAGALONG_WORLD=SEED` that one, with everything said.
//! A world that fails is reduced and written to a file as a Kubernetes List, which `tagalong-operator table DATAPLANE
//! --manifests FILE` reads.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod program;
mod random;
mod reasons;
mod recorded;
mod reduce;
mod table;
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use tagalong_tests::judge::{Answer, Verdict, Why};

use self::program::Translator;
use self::reasons::{Reason, reasons};
use self::world::World;

/// The settings that change names, two for each world.
const FLAGS: [[&str; 2]; 2] = [["ids", "combined,ids"], ["ids,expr", "combined,ids,expr"]];

/// What was seen over all worlds.
#[derive(Debug, Default)]
struct Seen {
    worlds: usize,
    made: usize,
    labelled: usize,
    wrong: BTreeMap<Why, usize>,
    missed: BTreeMap<Reason, usize>,
    failed: Vec<(World, Vec<String>)>,
}

/// What is wrong with the table of a world, by its kind: the first words of each fault.
fn judged(world: &World, translator: &mut Translator, seen: &mut Seen) -> Vec<String> {
    let index = table::index(world);
    let table = table::table(&index, world);
    let flags = FLAGS[usize::from(world.seed % 2 == 1)];
    let mut faults = Vec::new();
    let mut verdicts: Vec<(Answer, Verdict)> = Vec::new();
    for answer in translator.ask(world.controller(), &world.objects, &flags) {
        if let Some(error) = &answer.error {
            faults.push(format!("the translator ({}): {error}", answer.flags));
        }
        let verdict = answer.judge(&table, |service| world.has_service(service));
        seen.made += verdict.made;
        seen.labelled += verdict.labelled;
        for wrong in &verdict.wrong {
            *seen.wrong.entry(wrong.why).or_default() += 1;
            faults.push(format!("wrong ({}): {wrong}", answer.flags));
        }
        verdicts.push((answer, verdict));
    }
    for (name, reason) in reasons(world, &index, &verdicts, translator) {
        *seen.missed.entry(reason).or_default() += 1;
        if reason == Reason::Unexplained {
            faults.push(format!("missed: {}", index.explain_name(&name)));
        }
    }
    faults
}

/// The kind of a fault: a reduced world must have the same.
fn kind(fault: &str) -> &str {
    fault.split_once([':', '(']).map_or(fault, |(kind, _)| kind)
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}

#[test]
fn no_label_is_wrong_by_kongs_own_translator() {
    let seeds = number("TAGALONG_WORLD").map_or_else(
        || 0..number("TAGALONG_WORLDS").unwrap_or(3_000),
        |seed| seed..seed + 1,
    );
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut translator = Translator::start();
        let mut seen = Seen::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return seen;
            }
            let world = World::new(seed);
            seen.worlds += 1;
            let faults = judged(&world, &mut translator, &mut seen);
            if !faults.is_empty() {
                seen.failed.push((world, faults));
            }
        }
    };
    let all = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        let mut all = Seen::default();
        for worker in workers {
            all.add(worker.join().expect("a worker"));
        }
        all
    });
    println!("{}", all.said());
    let first = all.failed.iter().min_by_key(|(world, _)| world.seed);
    assert!(
        first.is_none(),
        "{}\n{}",
        all.said(),
        first
            .map(|(world, faults)| told(world, faults))
            .unwrap_or_default()
    );
    assert!(
        all.labelled > all.worlds,
        "the worlds have too little in them: {}",
        all.said()
    );
}

/// A failed world, as small as it can be made.
fn told(world: &World, faults: &[String]) -> String {
    let mut translator = Translator::start();
    let wanted = kind(&faults[0]);
    let least = reduce::reduced(world, |world| {
        let faults = judged(world, &mut translator, &mut Seen::default());
        faults.iter().any(|fault| kind(fault) == wanted)
    });
    let faults = judged(&least, &mut translator, &mut Seen::default());
    let list = json!({"apiVersion": "v1", "kind": "List", "items": least.objects});
    let path = format!("{}/world-{}.json", env!("CARGO_TARGET_TMPDIR"), world.seed);
    std::fs::write(&path, format!("{list:#}")).expect("a file");
    let past = if least.past.is_empty() {
        String::new()
    } else {
        format!("\nbefore that: {:#?}", least.past)
    };
    format!(
        "TAGALONG_WORLD={} (DataPlane {}), reduced in {path}:\n{}{past}",
        world.seed,
        world.dataplane,
        faults.join("\n"),
    )
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.made += other.made;
        self.labelled += other.labelled;
        for (why, count) in other.wrong {
            *self.wrong.entry(why).or_default() += count;
        }
        for (reason, count) in other.missed {
            *self.missed.entry(reason).or_default() += count;
        }
        self.failed.extend(other.failed);
    }

    fn said(&self) -> String {
        format!(
            "{} worlds, {} services made, {} labelled; wrong: {:?}; missed: {:?}; worlds that fail: {}",
            self.worlds,
            self.made,
            self.labelled,
            self.wrong,
            self.missed,
            self.failed.len(),
        )
    }
}
