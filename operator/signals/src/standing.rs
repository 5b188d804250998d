//! How the pods of one DataPlane stand, and what follows: values out.

use std::time::Duration;

use tagalong_wire::BOUNDS;

use crate::grown::{
    APART_COUNT, APART_SUM, BUCKETS, COUNT, NUMBERS, RATES, REQUEST_SUM, SUM, UNSETTLED, VOID,
};
use crate::names::Id;
use crate::plane::{PlaneLoad, STANDS_IN, ceil, find, floor};
use crate::pod::{LastLook, PLANE_NUMBERS, Whole};
use crate::settings::{Millis, WindowSettings, millis};
use crate::value::{Basis, NotKnown};

/// Less is no measurement.
const SHORTEST: Millis = 15_000;

/// What grew in a second, in a DataPlane.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) rates: [f64; RATES],
    /// Of the pods that report, for averages.
    pub(crate) measured: [f64; NUMBERS],
    pub(crate) window: Millis,
    pub(crate) until: Millis,
    pub(crate) basis: Basis,
}

/// How the pods stand, for one Service or for all.
struct Standing {
    basis: Basis,
    /// The oldest of the newest looks.
    until: Millis,
    /// The longest pace of those that report.
    pace: Millis,
    /// Requests that they hold; none where not all say.
    held: Option<u64>,
}

impl PlaneLoad {
    fn standing(&self, now: Millis, id: Option<Id>, settings: &WindowSettings) -> Standing {
        let grace = 3 * millis(settings.interval);
        let mut basis = Basis::default();
        let (mut until, mut pace) = (Millis::MAX, 0);
        let mut held = Some(0_u64);
        for pod in self.pods.values() {
            let last = pod.last.as_ref();
            let fresh = last.filter(|last| last.late.is_none());
            if let Some(last) = last {
                let most = last.held[0].max(last.held[1]);
                held = held
                    .filter(|_| last.looks > 1)
                    .map(|all| all.saturating_add(most));
            } else if !pod.ends && (pod.ready || now - pod.known_since <= grace) {
                // Nobody knows what it holds.
                held = None;
            }
            if pod.ends {
                continue;
            }
            match (last, fresh) {
                (_, Some(fresh)) => {
                    let unknown = !fresh.rated && !pod.born;
                    let unnamed = id.is_some_and(|id| !fresh.complete && fresh.base(id).is_none());
                    if unknown || unnamed {
                        basis.missing += 1;
                        continue;
                    }
                    basis.reporting += 1;
                    until = until.min(fresh.at);
                    pace = pace.max(fresh.pace);
                }
                (Some(last), None) if pod.ready => {
                    if last.rated && now - last.at <= STANDS_IN {
                        basis.late += 1;
                    } else {
                        basis.missing += 1;
                    }
                }
                (None, _) if pod.ready && now - pod.known_since > grace => basis.missing += 1,
                _ => {}
            }
        }
        Standing {
            basis,
            until: floor(until),
            pace,
            held,
        }
    }

    /// From when to when the ring is read.
    fn span(
        &self,
        now: Millis,
        standing: &Standing,
        since: Millis,
        window: Millis,
        settings: &WindowSettings,
    ) -> Result<(Millis, Millis), NotKnown> {
        let Standing {
            basis, until, pace, ..
        } = *standing;
        let all = basis.all();
        let young = |seen: Millis| {
            let least = SHORTEST.max(2 * pace);
            (seen < least).then(|| NotKnown::TooEarly(duration(least - seen)))
        };
        if basis.reporting * 2 < all || basis.missing * 4 > all || basis.reporting == 0 {
            let few = NotKnown::TooFew {
                reporting: basis.reporting,
                of: all,
            };
            if self.pods.is_empty() {
                return Err(NotKnown::NoPods);
            }
            let early = SHORTEST + 2 * millis(settings.interval) - (now - self.known_since);
            return Err(if early > 0 {
                NotKnown::TooEarly(duration(early))
            } else {
                few
            });
        }
        let since = self.since.unwrap_or(until).max(since);
        if let Some(early) = young(until - since) {
            return Err(early);
        }
        let from = (until - ceil(window.max(3 * pace))).max(ceil(since));
        Ok((from, until))
    }

    /// What grew of a Service.
    pub(crate) fn part(
        &self,
        now: Millis,
        id: Id,
        window: Millis,
        settings: &WindowSettings,
    ) -> Result<Part, NotKnown> {
        let standing = self.standing(now, Some(id), settings);
        // A name that has come into the table later is counted from the look after.
        let listed = match self.table.get(&id) {
            Some(since) if *since <= self.known_since => Millis::MIN / 4,
            Some(since) => since + standing.pace,
            None => now,
        };
        let (from, until) = self.span(now, &standing, listed, window, settings)?;
        let seconds = (until - from) as f64 / 1000.0;
        let sums = self.services.get(&id).map(|ring| ring.sum(from, until));
        let measured = sums.unwrap_or([0.0; NUMBERS]).map(|sum| sum / seconds);
        if measured[VOID] > 0.0 {
            return Err(NotKnown::Absurd);
        }
        if measured[UNSETTLED] > 0.0 {
            return Err(NotKnown::Unsettled(duration(until - from)));
        }
        let mut rates: [f64; RATES] = std::array::from_fn(|at| measured[at]);
        if let Some(held) = standing.held {
            // A sample of what is held has an error of its own, of about its root.
            let held = held as f64;
            let most = (held + 3.0 * held.sqrt() + 3.0) * 1000.0;
            rates[SUM] = rates[SUM].min(most);
            rates[REQUEST_SUM] = rates[REQUEST_SUM].min(most);
        }
        let (mut stand_in, mut whole) = ([0.0; RATES], [0.0_f64; RATES]);
        for (last, then) in self.late(now) {
            let gone = (until - last.at.max(from)).max(0) as f64 / 1000.0 / seconds;
            let (Some(base), Some(then)) = (last.base(id), find(then, id)) else {
                continue;
            };
            for at in 0..RATES {
                stand_in[at] += f64::from(base.rates[at]) * gone;
                whole[at] = whole[at].max(f64::from(then[at]));
            }
        }
        for at in 0..RATES {
            let with = (rates[at] + stand_in[at]).min(whole[at]);
            rates[at] = rates[at].max(with) * mean(standing.basis);
        }
        Ok(Part {
            rates,
            measured,
            window: until - from,
            until,
            basis: standing.basis,
        })
    }

    /// What grew of Nginx' own numbers, in a second.
    pub(crate) fn own(
        &self,
        now: Millis,
        settings: &WindowSettings,
    ) -> Result<([f64; PLANE_NUMBERS], Part), NotKnown> {
        let standing = self.standing(now, None, settings);
        let (from, until) = self.span(
            now,
            &standing,
            Millis::MIN / 4,
            millis(settings.window),
            settings,
        )?;
        let seconds = (until - from) as f64 / 1000.0;
        let mut rates = self.nginx.sum(from, until).map(|sum| sum / seconds);
        for (last, _) in self.late(now) {
            let gone = (until - last.at.max(from)).max(0) as f64 / 1000.0 / seconds;
            for (rate, own) in rates.iter_mut().zip(last.plane_rates) {
                *rate += f64::from(own) * gone;
            }
        }
        let rates = rates.map(|rate| rate * mean(standing.basis));
        let part = Part {
            rates: [0.0; RATES],
            measured: [0.0; NUMBERS],
            window: until - from,
            until,
            basis: standing.basis,
        };
        Ok((rates, part))
    }

    /// The pods that are late, and what the whole was when they became so.
    fn late(&self, now: Millis) -> impl Iterator<Item = (&LastLook, &Whole)> {
        let pods = self.pods.values().filter(|pod| pod.ready && !pod.ends);
        pods.filter_map(move |pod| {
            let last = pod.last.as_ref()?;
            let then = last.late.as_deref()?;
            (last.rated && now - last.at <= STANDS_IN).then_some((last, then))
        })
    }

    /// How its pods stand.
    pub(crate) fn basis(&self, now: Millis, settings: &WindowSettings) -> Basis {
        self.standing(now, None, settings).basis
    }
}

impl Part {
    /// The buckets that grew.
    pub(crate) fn buckets(&self) -> [f64; BOUNDS.len()] {
        let seconds = self.window as f64 / 1000.0;
        std::array::from_fn(|at| self.measured[BUCKETS + at] * seconds)
    }

    /// How many requests the averages rest on.
    pub(crate) fn counted(&self) -> f64 {
        self.measured[COUNT] - self.measured[APART_COUNT]
    }

    /// How long these waited.
    pub(crate) fn waited(&self) -> f64 {
        self.measured[SUM] - self.measured[APART_SUM]
    }
}

/// Pods of which nothing is known are taken to be as the others are.
fn mean(basis: Basis) -> f64 {
    let known = basis.reporting + basis.late;
    basis.all() as f64 / known.max(1) as f64
}

fn duration(time: Millis) -> Duration {
    Duration::from_millis(time.try_into().unwrap_or_default())
}
