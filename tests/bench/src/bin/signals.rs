//! What the load of a large installation costs the operator: reading summaries, holding what they say, and answering an HPA.
//! Without the network.

#![allow(clippy::disallowed_methods, reason = "real time is what is measured")]

use std::{hint::black_box, process::ExitCode, time::Duration, time::Instant};

use tagalong_bench::{Figure, Good, exit, median, print_all};
use tagalong_signals::{Loads, PodSeen, ServiceSignal, WindowSettings};
use tagalong_wire::{Buckets, Look, PodTotals, SUMMARY_END, Totals};

const PODS: usize = 1_000;
const SERVICES: usize = 200;
const INTERVAL: u64 = 5;
/// More than the window of a minute, so that no ring grows any more.
const ROUNDS: u64 = 20;
const PLANE: &str = "kong/kong";

type Failure = Box<dyn std::error::Error>;

fn name(service: usize) -> String {
    format!("service-{service:03}")
}

/// What a pod says after so many rounds, in which each Service had some requests.
fn summary(pod: usize, round: u64) -> Vec<u8> {
    let mut json = Vec::new();
    let look = Look {
        epoch: format!("epoch-of-{pod}"),
        sequence: round + 1,
        every_ms: 1_000,
        since_ms: round * INTERVAL * 1_000,
        complete: true,
        pod: PodTotals {
            requests: round * 4_000,
            writing: 40,
            active: 100,
            ..PodTotals::default()
        },
        ..Look::default()
    };
    look.begin_summary(&mut json);
    for service in 0..SERVICES {
        let count = round * (10 + service as u64 % 7);
        let mut buckets = Buckets::default();
        for at in 0..14 {
            buckets[at] = count * (at as u64 + 1) / 14;
        }
        let totals = Totals {
            arrivals: count,
            count,
            sum: count * 120,
            request_sum: count * 130,
            buckets,
            ..Totals::default()
        };
        totals.write("default", &name(service), service == 0, &mut json);
    }
    json.extend_from_slice(SUMMARY_END);
    json
}

/// What is in memory, in MiB.
fn resident() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kib.ok_or("no VmRSS")?.parse::<f64>()? / 1024.0)
}

fn main() -> Result<ExitCode, Failure> {
    let before = resident()?;
    let mut loads = Loads::new(WindowSettings::default());
    let now = |round: u64| Duration::from_secs(3_600 + round * INTERVAL);
    let pods: Vec<PodSeen> = (0..PODS)
        .map(|pod| PodSeen {
            uid: format!("00000000-0000-0000-0000-{pod:012}"),
            ready: true,
            ends: false,
        })
        .collect();
    loads.pods(now(0), PLANE, &pods);
    let names: Vec<String> = (0..SERVICES)
        .map(|service| format!("default/{}", name(service)))
        .collect();
    loads.table(now(0), PLANE, names.iter().map(String::as_str));
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let mut took = Duration::ZERO;
        for (at, pod) in pods.iter().enumerate() {
            let json = summary(at, round);
            let begun = Instant::now();
            loads.summary(now(round), PLANE, &pod.uid, &json)?;
            took += begun.elapsed();
        }
        for second in 0..INTERVAL {
            let begun = Instant::now();
            loads.tick(now(round) + Duration::from_secs(second));
            took += begun.elapsed();
        }
        rounds.push(took.as_secs_f64() * 1_000.0 / INTERVAL as f64);
    }
    let weight = resident()? - before;
    let (mut answers, at) = (Vec::new(), now(ROUNDS - 1));
    for service in names.iter().cycle().take(10 * SERVICES) {
        let begun = Instant::now();
        let value = loads.service(at, [PLANE], service, ServiceSignal::InFlight);
        answers.push(begun.elapsed().as_secs_f64() * 1_000.0);
        black_box(value?);
    }
    answers.sort_by(f64::total_cmp);
    let slow = answers.get(answers.len() * 99 / 100).copied();
    let ok = print_all([
        Figure {
            figure: "signals: 1,000 summaries of 200 Services each 5 s, without the network",
            value: median(rounds),
            unit: "millicores",
            floor: 100.0,
            good: Good::AtMost,
        },
        Figure {
            figure: "signals: what is held of them",
            value: weight,
            unit: "MiB",
            floor: 64.0,
            good: Good::AtMost,
        },
        Figure {
            figure: "signals: a value of a Service in 1,000 pods, 99th percentile",
            value: slow.unwrap_or(f64::NAN),
            unit: "ms",
            floor: 5.0,
            good: Good::AtMost,
        },
    ])?;
    Ok(exit(ok))
}
