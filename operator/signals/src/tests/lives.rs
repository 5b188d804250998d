//! Random lives of pods, against one who knows when each request truly ended.

use proptest::collection::vec;
use proptest::prelude::*;

use super::bed::{Bed, Kong};
use crate::ServiceSignal;

const RATE: ServiceSignal = ServiceSignal::UpstreamRequests;
const WINDOW: f64 = 30_000.0;

#[derive(Clone, Debug)]
enum Event {
    Born(f64, i64),
    Killed(usize),
    Reset(usize),
    Silent(usize, i64),
    CutOff(usize),
    Nothing,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => (10.0..500.0_f64, 0..5_000_i64).prop_map(|(rate, phase)| Event::Born(rate, phase / 100 * 100)),
        1 => any::<usize>().prop_map(Event::Killed),
        2 => any::<usize>().prop_map(Event::Reset),
        2 => (any::<usize>(), 1..60_i64).prop_map(|(at, time)| Event::Silent(at, time)),
        2 => any::<usize>().prop_map(Event::CutOff),
        4 => Just(Event::Nothing),
    ]
}

fn constant() -> impl Strategy<Value = Vec<(f64, i64, i64)>> {
    let pod = (
        20.0..900.0_f64,
        0..50_i64,
        prop_oneof![Just(1_000_i64), 1_000..20_000_i64],
    );
    vec(
        pod.prop_map(|(rate, phase, every)| (rate, phase * 100, every)),
        1..6,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn constant_load_reads_constant_whatever_the_phases(pods in constant(), latency in 1..400_i64) {
        let mut bed = Bed::new();
        let total: f64 = pods.iter().map(|(rate, ..)| rate).sum();
        for (at, (rate, phase, every)) in pods.into_iter().enumerate() {
            let pod = Kong::new(&format!("pod-{at}")).rate(rate).phase(phase).every(every);
            bed.add(pod.latency(latency));
        }
        bed.run(120_000);
        for _ in 0..40 {
            bed.run(700);
            let value = bed.known(RATE);
            prop_assert!((total * 0.95..total * 1.05).contains(&value), "{value} of {total}");
            let flight = bed.known(ServiceSignal::InFlight);
            let truth = total * latency as f64 / 1000.0;
            prop_assert!((truth * 0.95..truth * 1.05).contains(&flight), "{flight} of {truth}");
        }
    }

    #[test]
    fn values_are_near_the_truth_and_nothing_jumps_up(events in vec(event(), 1..25), seconds in vec(1..20_i64, 25)) {
        let mut bed = Bed::new();
        for at in 0..4 {
            bed.add(Kong::new(&format!("pod-{at}")).rate(100.0).phase(at * 1_300));
        }
        bed.run(90_000);
        let mut born = 4;
        let mut silent: Vec<(String, i64)> = Vec::new();
        let mut gone: Vec<(Kong, i64)> = Vec::new();
        // The largest rate that there was so far, and what may be missing of the window: a look of each that came or went.
        let mut largest = 400.0_f64;
        let mut unseen: Vec<(i64, f64)> = Vec::new();
        for (event, seconds) in events.iter().zip(seconds) {
            let count = bed.pods.len();
            match *event {
                Event::Born(rate, phase) => {
                    bed.add(Kong::new(&format!("pod-{born}")).rate(rate).phase(phase));
                    unseen.push((bed.time, rate * 15.0));
                    born += 1;
                }
                Event::Killed(at) if count > 2 => {
                    let pod = bed.pods[at % count].clone();
                    // What it did since its last look is nobody's to know.
                    let quiet = if pod.is_settled() { 11.0 } else { WINDOW / 1000.0 };
                    unseen.push((bed.time, pod.ended(bed.time) - pod.ended(bed.time - (quiet * 1000.0) as i64)));
                    bed.remove(&pod.uid);
                    gone.push((pod, bed.time));
                }
                // Of one that was silent there would be a hole that nobody can fill.
                Event::Reset(at) if bed.pods[at % count].is_settled() => {
                    bed.pods[at % count].restart();
                }
                Event::CutOff(at) if bed.pods[at % count].is_settled() => {
                    let pod = &mut bed.pods[at % count];
                    (pod.cut_off, pod.silent) = (true, false);
                    let uid = pod.uid.clone();
                    silent.push((uid, bed.time + 7_000));
                }
                Event::Silent(at, time) if bed.pods[at % count].is_settled() => {
                    let pod = &mut bed.pods[at % count];
                    pod.silent = true;
                    let uid = pod.uid.clone();
                    silent.push((uid, bed.time + time * 1_000));
                }
                _ => {}
            }
            for _ in 0..seconds {
                bed.run(1_000);
                let time = bed.time;
                let each = bed.pods.iter().map(|pod| pod.came(time) - pod.came(time - 1_000));
                largest = largest.max(each.sum());
                silent.retain(|(uid, until)| {
                    if let Some(pod) = bed.pods.iter_mut().find(|pod| pod.uid == *uid)
                        && *until <= time
                    {
                        (pod.silent, pod.cut_off) = (false, false);
                        return false;
                    }
                    *until > time
                });
                let Ok(value) = bed.value(RATE) else { continue };
                // Those are as the others, whatever they are.
                if value.basis.missing > 0 {
                    continue;
                }
                let until = time - value.age.as_millis() as i64;
                let from = until - value.window.as_millis() as i64;
                let here = bed.pods.iter().map(|pod| (pod, i64::MAX));
                let all = here.chain(gone.iter().map(|(pod, died)| (pod, *died)));
                let truth: f64 = all
                    .map(|(pod, died)| pod.ended(until.min(died)) - pod.ended(from.min(died)))
                    .sum();
                // A pod of this bed has had its load for ever, one that was born here since it was added.
                let rate = truth / (until - from) as f64 * 1000.0;
                let missing = unseen.iter().filter(|(at, _)| *at > from - 75_000);
                let missing = missing.map(|(_, lost)| lost).sum::<f64>() / (WINDOW / 1000.0);
                // What is late stands in up to what the whole was, which may have grown since.
                let late = bed.pods.iter().filter(|pod| !pod.is_settled());
                let late: f64 = late.map(|pod| pod.came(time) - pod.came(time - 1_000)).sum();
                let missing = missing + late;
                prop_assert!(value.value >= rate * 0.93 - missing, "{value:?}, {rate} in truth, {missing} unseen");
                prop_assert!(value.value <= largest * 1.06, "{value:?}, never more than {largest}");
            }
        }
    }
}
