//! Stand-in pods: requests that come evenly, and a sidecar that is asked as the collector asks.

use std::time::Duration;

use tagalong_wire::{Apart, BOUNDS, Buckets, Look, PodTotals, SUMMARY_END, Totals};

use crate::{Loads, NotKnown, PodSeen, ServiceSignal, SignalValue, WindowSettings};

pub(super) const PLANE: &str = "kong/a";
pub(super) const SERVICE: &str = "shop/cart";
const INTERVAL: i64 = 5_000;
const STEP: i64 = 100;
/// The process has lived for so long before anything happens here.
const BEFORE: i64 = 10_000;

/// A pod, whose every request ends as long after it came as the last one.
#[derive(Clone, Debug)]
pub(super) struct Kong {
    pub(super) uid: String,
    plane: String,
    /// From when on there are so many a second.
    rates: Vec<(i64, f64)>,
    latency: i64,
    phase: i64,
    every: i64,
    /// Requests wait from then until then.
    stall: Option<(i64, i64)>,
    pub(super) silent: bool,
    pub(super) hangs: bool,
    pub(super) ready: bool,
    pub(super) complete: bool,
    pub(super) cut_off: bool,
    pub(super) unsettled: u64,
    pub(super) apart: (u64, u64),
    now: i64,
    epochs: u32,
    epoch: Option<i64>,
    sequence: u64,
    looked: i64,
    /// The last look that was taken.
    taken: i64,
    want_look: bool,
}

impl Kong {
    pub(super) fn new(uid: &str) -> Self {
        Self {
            uid: uid.to_owned(),
            plane: PLANE.to_owned(),
            rates: vec![(-10_000_000, 0.0)],
            latency: 50,
            phase: 0,
            every: 1_000,
            stall: None,
            silent: false,
            hangs: false,
            ready: true,
            complete: true,
            cut_off: false,
            unsettled: 0,
            apart: (0, 0),
            now: 0,
            epochs: 0,
            epoch: None,
            sequence: 0,
            looked: i64::MIN / 2,
            taken: i64::MIN / 2,
            want_look: false,
        }
    }

    pub(super) fn rate(mut self, rate: f64) -> Self {
        self.rates = vec![(-10_000_000, rate)];
        self
    }

    pub(super) fn phase(mut self, phase: i64) -> Self {
        self.phase = phase.rem_euclid(INTERVAL);
        self
    }

    pub(super) fn every(mut self, every: i64) -> Self {
        self.every = every;
        self
    }

    pub(super) fn latency(mut self, latency: i64) -> Self {
        self.latency = latency;
        self
    }

    pub(super) fn plane(mut self, plane: &str) -> Self {
        plane.clone_into(&mut self.plane);
        self
    }

    pub(super) fn asked_since(mut self, since: i64) -> Self {
        (self.epoch, self.looked, self.sequence) = (Some(since), since, 1);
        self
    }

    pub(super) fn set_rate(&mut self, rate: f64) {
        self.rates.push((self.now, rate));
    }

    pub(super) fn restart(&mut self) {
        self.epoch = None;
        self.looked = i64::MIN / 2;
    }

    pub(super) fn stall(&mut self, time: i64) {
        self.stall = Some((self.now, self.now + time));
    }

    /// It has been looked at as it should since it began.
    pub(super) fn is_settled(&self) -> bool {
        let reached = !self.silent && !self.cut_off;
        reached && self.epoch.is_some() && self.now - self.taken <= INTERVAL + 1_000
    }

    /// It is looked at once more before anything else.
    pub(super) fn last_look(&mut self) {
        self.want_look = true;
    }

    /// Requests that had come by then.
    pub(super) fn came(&self, time: i64) -> f64 {
        let ends = self.rates.iter().skip(1).map(|(from, _)| *from);
        let each = self.rates.iter().zip(ends.chain([i64::MAX]));
        each.map(|((from, rate), end)| (time.min(end) - from).max(0) as f64 * rate / 1000.0)
            .sum()
    }

    /// Requests that had ended by then.
    pub(super) fn ended(&self, time: i64) -> f64 {
        match self.stall {
            Some((from, to)) if time > from && time < to => self.came(from - self.latency),
            _ => self.came(time - self.latency),
        }
        .floor()
    }

    /// How long those had waited, in milliseconds.
    fn waited(&self, time: i64) -> f64 {
        let plain = self.ended(time) * self.latency as f64;
        match self.stall {
            // Those that came meanwhile waited for half of the time each, on average.
            Some((from, to)) if time >= to => {
                let stalled = self.came(to - self.latency) - self.came(from - self.latency);
                plain + stalled * (to - from) as f64 / 2.0
            }
            _ => plain,
        }
    }

    fn totals(&self, time: i64, since: i64) -> Totals {
        let whole = |number: f64| number.round() as u64;
        let count = whole(self.ended(time) - self.ended(since));
        let bound = BOUNDS.iter().position(|bound| {
            bound
                .parse::<f64>()
                .is_ok_and(|at| at >= self.latency as f64)
        });
        let mut buckets = Buckets::default();
        for at in bound.unwrap_or(13)..BOUNDS.len() {
            buckets[at] = count;
        }
        Totals {
            arrivals: count,
            count: count + self.apart.0,
            sum: whole(self.waited(time) - self.waited(since)).saturating_add(self.apart.1),
            request_sum: whole(self.waited(time) - self.waited(since)),
            apart: Apart {
                count: self.apart.0,
                sum: self.apart.1,
            },
            unsettled: self.unsettled,
            buckets,
        }
    }

    /// What its sidecar answers.
    fn answer(&mut self, time: i64) -> (Look, Totals) {
        let allowed = time - self.looked >= self.every.max(INTERVAL * 8 / 10) || self.want_look;
        if self.epoch.is_none() {
            self.epochs += 1;
            (self.epoch, self.sequence, self.looked) = (Some(time), 1, time);
        } else if allowed && !self.hangs {
            self.sequence += 1;
            self.looked = time;
        }
        self.want_look = false;
        let since = self.epoch.unwrap_or(time);
        let under_way = (self.came(self.looked) - self.ended(self.looked)).round() as u64;
        let requests = (self.came(self.looked) - self.came(since)) as u64;
        let look = Look {
            epoch: format!("{}-{}", self.uid, self.epochs),
            sequence: self.sequence,
            // How old a look is, is told as well as anybody can.
            age_ms: (time - self.looked).unsigned_abs() / if self.hangs { 10 } else { 1 },
            every_ms: self.every.unsigned_abs(),
            since_ms: (time - since).unsigned_abs(),
            complete: self.complete,
            pod: PodTotals {
                requests,
                reading: 0,
                writing: under_way + 1,
                active: 7,
            },
        };
        (look, self.totals(self.looked, since))
    }
}

/// Pods, and who asks them.
pub(super) struct Bed {
    pub(super) loads: Loads,
    pub(super) pods: Vec<Kong>,
    pub(super) time: i64,
    table: Vec<String>,
    pub(super) refused: usize,
}

impl Bed {
    pub(super) fn new() -> Self {
        Self::with(WindowSettings::default())
    }

    pub(super) fn with(settings: WindowSettings) -> Self {
        Self {
            loads: Loads::new(settings),
            pods: Vec::new(),
            time: 0,
            table: vec![SERVICE.to_owned()],
            refused: 0,
        }
    }

    pub(super) fn add(&mut self, mut pod: Kong) {
        pod.now = self.time;
        if self.time > 0 && pod.epoch.is_none() {
            pod.rates[0].0 = self.time;
        }
        self.pods.push(pod);
        self.see();
    }

    pub(super) fn kong(&mut self, uid: &str) -> &mut Kong {
        self.pods.iter_mut().find(|pod| pod.uid == uid).unwrap()
    }

    pub(super) fn remove(&mut self, uid: &str) {
        let at = self.pods.iter().position(|pod| pod.uid == uid).unwrap();
        if self.pods[at].want_look {
            self.ask(at);
        }
        self.pods.remove(at);
        self.see();
    }

    pub(super) fn table(&mut self, services: &[&str]) {
        self.table = services.iter().map(|name| (*name).to_owned()).collect();
        self.see();
    }

    pub(super) fn now(&self) -> Duration {
        Duration::from_millis((self.time + BEFORE).unsigned_abs())
    }

    fn see(&mut self) {
        let now = self.now();
        for plane in [PLANE, "kong/b"] {
            let pods = self.pods.iter().filter(|pod| pod.plane == plane);
            let pods: Vec<PodSeen> = pods
                .map(|pod| PodSeen {
                    uid: pod.uid.clone(),
                    ready: pod.ready,
                    ends: false,
                })
                .collect();
            self.loads.pods(now, plane, &pods);
            let table = self.table.iter().map(String::as_str);
            self.loads.table(now, plane, table);
        }
    }

    fn ask(&mut self, at: usize) {
        let now = self.now();
        let pod = &mut self.pods[at];
        let (look, totals) = pod.answer(self.time);
        let mut json = Vec::new();
        look.begin_summary(&mut json);
        if totals != Totals::default() {
            let (namespace, name) = SERVICE.split_once('/').unwrap();
            totals.write(namespace, name, true, &mut json);
        }
        json.extend_from_slice(SUMMARY_END);
        if pod.cut_off {
            json.truncate(json.len() / 2);
        }
        let plane = pod.plane.clone();
        match self.loads.summary(now, &plane, &pod.uid, &json) {
            Ok(()) => pod.taken = pod.looked,
            Err(_) => self.refused += 1,
        }
    }

    /// Lets time go by.
    pub(super) fn run(&mut self, time: i64) {
        for _ in 0..time / STEP {
            self.time += STEP;
            for at in 0..self.pods.len() {
                let pod = &mut self.pods[at];
                pod.now = self.time;
                if (self.time - pod.phase).rem_euclid(INTERVAL) == 0 && !pod.silent {
                    self.ask(at);
                }
            }
            if self.time.rem_euclid(1_000) == 0 {
                self.see();
                let now = self.now();
                self.loads.tick(now);
            }
        }
    }

    pub(super) fn value(&self, signal: ServiceSignal) -> Result<SignalValue, NotKnown> {
        self.loads.service(self.now(), [PLANE], SERVICE, signal)
    }

    pub(super) fn known(&self, signal: ServiceSignal) -> f64 {
        match self.value(signal) {
            Ok(value) => value.value,
            Err(why) => panic!("{signal:?} at {}: {why}", self.time),
        }
    }
}

/// Within a twentieth.
pub(super) fn near(value: f64, truth: f64) {
    let bounds = truth * 0.95..=truth * 1.05;
    assert!(bounds.contains(&value), "{value} instead of {truth}");
}
