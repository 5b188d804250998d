//! The tables of 400 random worlds, held against what Kong's own translators made of them (`tests/data/translators`).

#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test may fail so, and say more"
)]

use std::collections::BTreeMap;

use tagalong_index::{Index, Key, Manifests, Settings};
use tagalong_tests::judge::Table;
use tagalong_tests::recorded::{World, answers, worlds};

/// How many names the translators made, over all lines of the recording.
const MADE: usize = 32_873;
/// How many may be missed in the `service` label, and in the `upstream` label, where a Service of weight 0 that has no addresses
/// yet costs the label, too. Each kind of them is named in `docs/design.md` §4.
const MISSED: [usize; 2] = [650, 860];

struct Indexed {
    world: World,
    index: Index,
    dataplane: Key,
    table: Table,
}

fn indexed(world: World) -> Indexed {
    let manifests = Manifests::read(world.objects.iter().cloned()).with_operators();
    assert_eq!(manifests.problems, Vec::<String>::new());
    let mut index = Index::new(Settings::default());
    for object in manifests.objects {
        index.apply(object);
    }
    let dataplane: Key = world.dataplane.parse().expect("a DataPlane");
    let table = index.snapshot(&dataplane).expect("a table");
    let [services, upstreams] = [table.services, table.upstreams].map(|names| {
        let names = names.0.into_iter();
        names
            .map(|(name, service)| (name, service.to_string()))
            .collect()
    });
    Indexed {
        world,
        index,
        dataplane,
        table: Table {
            services,
            upstreams,
        },
    }
}

impl Indexed {
    fn why(&self, name: &str, upstream: bool) -> String {
        let told = self.index.explain_name(name);
        let of_upstream = told.upstreams.get(&self.dataplane);
        let verdict = of_upstream
            .filter(|_| upstream)
            .or_else(|| told.dataplanes.get(&self.dataplane));
        verdict.map_or("not claimed".to_owned(), ToString::to_string)
    }
}

#[test]
fn no_label_is_wrong_and_few_are_missed() {
    let worlds: BTreeMap<String, Indexed> = worlds()
        .expect("worlds")
        .into_iter()
        .map(|world| (world.world.clone(), indexed(world)))
        .collect();
    assert_eq!(worlds.len(), 400);
    let (mut made, mut wrong, mut missed) = (0, Vec::new(), [0, 0]);
    let mut reasons: [BTreeMap<String, usize>; 2] = Default::default();
    for answer in answers().expect("answers") {
        let indexed = &worlds[&answer.world];
        let verdict = answer.judge(&indexed.table, |service| indexed.world.has_service(service));
        made += verdict.made;
        wrong.extend(verdict.wrong.iter().map(|wrong| {
            let (world, translator) = (&answer.world, &answer.translator);
            format!("world {world} {translator} {}: {wrong}", answer.flags)
        }));
        for (at, names) in [verdict.missed, verdict.missed_upstreams]
            .iter()
            .enumerate()
        {
            missed[at] += names.len();
            for name in names.keys() {
                let why = indexed.why(name, at == 1);
                *reasons[at].entry(why).or_default() += 1;
            }
        }
    }
    eprintln!("{made} names made, {missed:?} missed in services and upstreams: {reasons:#?}");
    assert_eq!(made, MADE, "the recording is read whole");
    assert_eq!(wrong, Vec::<String>::new());
    for (missed, most) in missed.iter().zip(MISSED) {
        assert!(*missed <= most, "{missed} missed");
    }
    let unclaimed = reasons.iter().any(|why| why.contains_key("not claimed"));
    assert!(!unclaimed, "every scheme of names is known");
}
