//! The pods of one DataPlane, and what grew of each Service: increments in.

use std::collections::HashMap;

use tagalong_wire::{Look, PodTotals};

use crate::grown::{NUMBERS, RATES, ServiceBase, VOID};
use crate::names::Id;
use crate::pod::{
    CONNECTIONS, LastLook, PLANE_NUMBERS, PodLoad, REQUESTS, UNDER_WAY, Whole, under_way,
};
use crate::ring::{CELL, Ring, narrow};
use crate::settings::{Millis, WindowSettings, millis, said};

/// How long a pod's last rate stands for it.
pub(crate) const STANDS_IN: Millis = 300_000;
/// The window of the average that names it.
pub(crate) const AVERAGE: Millis = 60_000;
/// No pod answers more requests in a second, nor holds more at a time.
const MOST: f64 = 1e6;

/// One DataPlane.
#[derive(Debug)]
pub(crate) struct PlaneLoad {
    pub(crate) pods: HashMap<Box<str>, PodLoad>,
    /// The Services of its table, since when.
    pub(crate) table: HashMap<Id, Millis>,
    pub(crate) services: HashMap<Id, Ring<NUMBERS>>,
    pub(crate) nginx: Ring<PLANE_NUMBERS>,
    pub(crate) known_since: Millis,
    /// What grew since then is known.
    pub(crate) since: Option<Millis>,
}

/// What became of a look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Noted {
    /// Increments that cannot be.
    pub(crate) absurd: u64,
}

impl PlaneLoad {
    pub(crate) fn new(now: Millis) -> Self {
        Self {
            pods: HashMap::new(),
            table: HashMap::new(),
            services: HashMap::new(),
            nginx: Ring::default(),
            known_since: now,
            since: None,
        }
    }

    fn slowest(&self) -> Millis {
        let looks = self.pods.values().filter_map(|pod| pod.last.as_ref());
        looks.map(|look| look.pace).max().unwrap_or_default()
    }

    /// What is older is in no window.
    fn oldest(&self, now: Millis, settings: &WindowSettings) -> Millis {
        let slowest = self.slowest();
        let window = millis(settings.window).max(AVERAGE).max(3 * slowest);
        now - window - 2 * slowest - 10 * CELL
    }

    /// Time goes by: pods become late, and what is old goes.
    pub(crate) fn tick(&mut self, now: Millis, settings: &WindowSettings) {
        let late: Vec<Box<str>> = self
            .pods
            .iter()
            .filter(|(_, pod)| {
                let last = pod.last.as_ref();
                last.is_some_and(|last| last.late.is_none() && now - last.at > last.patience())
            })
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in late {
            let Some(last) = self.pods.get(&uid).and_then(|pod| pod.last.as_ref()) else {
                continue;
            };
            let (until, bases) = (last.at, &last.bases);
            let whole = |base: &ServiceBase| (base.id, self.whole(base.id, until, settings));
            let then: Vec<_> = bases.iter().map(whole).collect();
            if let Some(last) = self.pods.get_mut(&uid).and_then(|pod| pod.last.as_mut()) {
                last.late = Some(then.into());
            }
        }
        let oldest = self.oldest(now, settings);
        self.services.retain(|_, ring| ring.trim(oldest));
        self.nginx.trim(oldest);
    }

    /// What the DataPlane had of a Service, in a second, when a pod was last looked at.
    fn whole(&self, id: Id, until: Millis, settings: &WindowSettings) -> [f32; RATES] {
        let until = floor(until);
        let window = millis(settings.window).max(3 * self.slowest());
        let from = (until - window).max(self.since.map_or(Millis::MIN / 4, ceil));
        let (Some(ring), true) = (self.services.get(&id), from < until) else {
            return [0.0; RATES];
        };
        let sums = ring.sum(from, until);
        let seconds = (until - from) as f64 / 1000.0;
        std::array::from_fn(|at| narrow(sums[at] / seconds))
    }

    /// A pod has been looked at again, or answered that it has not. `read` is all that it says of Services, in the order
    /// of their numbers; none where nothing changed since the last look.
    pub(crate) fn looked(
        &mut self,
        uid: &str,
        now: Millis,
        look: &Look,
        read: Option<Vec<ServiceBase>>,
        settings: &WindowSettings,
    ) -> Noted {
        let mut noted = Noted::default();
        let (window, oldest) = (millis(settings.window).max(1), self.oldest(now, settings));
        let at = now - said(look.age_ms);
        let Some(pod) = self.pods.get_mut(uid) else {
            return noted;
        };
        let (born, last) = (pod.born, pod.last.take());
        let goes_on = last.as_ref().is_some_and(|last| last.epoch == look.epoch);
        if let Some(old) = &last
            && goes_on
            && (look.sequence <= old.sequence || at <= old.at)
        {
            // Nothing new: what it said then stands.
            pod.last = last;
            return noted;
        }
        let from = since(last.as_ref(), look, now, at, window);
        let mut new = LastLook::first(look, at, millis(settings.interval).max(1));
        let rated = last.as_ref().is_some_and(|last| last.rated);
        // Where there was no rate before, the first one is all there is to know.
        let weight = match from {
            Some(from) if rated => ((at - from) as f32 / window as f32).min(1.0),
            Some(_) => 1.0,
            None => 0.0,
        };
        let old: &[ServiceBase] = last.as_ref().map_or(&[], |last| &last.bases);
        let mut bases = read.unwrap_or_else(|| old.to_vec());
        let mut beside = old.iter().peekable();
        let mut unnamed = Vec::new();
        for base in &mut bases {
            while let Some(old) = beside.next_if(|old| old.id < base.id) {
                unnamed.push(old);
            }
            let before = beside.next_if(|old| old.id == base.id);
            base.rates = before.map_or([0.0; RATES], |before| before.rates);
            let Some(from) = from else { continue };
            let listed = self.table.get(&base.id).copied();
            let none = ServiceBase::none(base.id);
            let before = match before {
                Some(before) if goes_on => before,
                // It may have been counted long before it was in our table.
                None if goes_on && listed.is_none_or(|listed| listed >= from) => continue,
                _ => &none,
            };
            let grown = before.grown(base, at - from).unwrap_or_else(|_void| {
                noted.absurd += 1;
                let mut void = [0.0; NUMBERS];
                void[VOID] = 1.0;
                void
            });
            base.note_rates(&grown, at - from, weight);
            if listed.is_some() {
                let ring = self.services.entry(base.id).or_default();
                ring.add(from, at, &grown, oldest);
            }
        }
        if !goes_on {
            // A sidecar that begins again names a Service at its next request.
            unnamed.extend(beside);
            bases.extend(unnamed.into_iter().map(ServiceBase::begun_again));
            bases.sort_unstable_by_key(|base| base.id);
        }
        new.plane_rates = last
            .as_ref()
            .map_or(new.plane_rates, |last| last.plane_rates);
        if let Some(from) = from {
            let had = last.as_ref().filter(|_| goes_on);
            let had = had.map_or(0, |last| last.nginx.requests);
            match grown_of_all(&look.pod, had, at - from) {
                Some(grown) => {
                    self.nginx.add(from, at, &grown, oldest);
                    new.note_rates(&grown, at - from, weight);
                }
                None => noted.absurd += 1,
            }
        }
        new.rated = rated || from.is_some();
        if let Some(last) = &last {
            new.looks = last.looks.saturating_add(1);
            new.held[1] = last.held[0];
        }
        new.bases = bases;
        let begins = *self.since.get_or_insert(at);
        // What nobody saw is taken to have been as it is: before the first increment of a pod that was there before us, and
        // while a sidecar began again.
        let unseen = match (last, from) {
            (Some(last), from) if !goes_on && last.rated => {
                // As long as it would have been stood in for, so that the value does not fall when it is back.
                let to = from.unwrap_or(at);
                (to - last.at <= STANDS_IN).then_some((last.at, to, last.late))
            }
            (_, Some(from)) if !born && !rated => Some((begins, from, None)),
            _ => None,
        };
        if let Some((from, to, whole)) = unseen {
            self.fill(from, to, &new, whole.as_deref(), oldest);
        }
        if let Some(pod) = self.pods.get_mut(uid) {
            pod.last = Some(new);
        }
        noted
    }

    /// Stands in for a pod where nothing will ever be known of it, up to what the whole was.
    fn fill(
        &mut self,
        from: Millis,
        to: Millis,
        pod: &LastLook,
        whole: Option<&Whole>,
        oldest: Millis,
    ) {
        let seconds = (to - from).max(0) as f64 / 1000.0;
        for base in pod
            .bases
            .iter()
            .filter(|base| self.table.contains_key(&base.id))
        {
            let ring = self.services.entry(base.id).or_default();
            let has = ring.sum(from, to);
            let then = whole.and_then(|whole| find(whole, base.id));
            let mut grown = [0.0; NUMBERS];
            for (at, (number, rate)) in grown.iter_mut().zip(base.rates).enumerate() {
                let own = f64::from(rate) * seconds;
                let room = then.map_or(own, |then| f64::from(then[at]) * seconds - has[at]);
                *number = own.min(room).max(0.0);
            }
            ring.add(from, to, &grown, oldest);
        }
        let grown = pod.plane_rates.map(|rate| f64::from(rate) * seconds);
        self.nginx.add(from, to, &grown, oldest);
    }

    pub(crate) fn services(&self) -> usize {
        self.services.len()
    }

    /// These Services are in no table any more.
    pub(crate) fn forget(&mut self, ids: &[Id]) {
        self.services.retain(|id, _| !ids.contains(id));
        for last in self.pods.values_mut().filter_map(|pod| pod.last.as_mut()) {
            last.bases.retain(|base| !ids.contains(&base.id));
        }
    }
}

/// Since when a look tells all that grew; none where it finds only what to compare the next one with.
fn since(
    last: Option<&LastLook>,
    look: &Look,
    now: Millis,
    at: Millis,
    window: Millis,
) -> Option<Millis> {
    let begun = now - said(look.since_ms);
    let from = match last {
        Some(last) if last.epoch == look.epoch => return Some(last.at),
        // An epoch that began after the last look. One that did not is of another sidecar, which answers in turn.
        Some(last) if begun >= last.at - CELL => begun.max(last.at),
        Some(_) => return None,
        // One that began long ago tells how much there was ever, but not when.
        None if begun >= at - window => begun,
        None => return None,
    };
    (at - from >= CELL).then_some(from)
}

/// What grew of Nginx' own numbers; none where that cannot be.
fn grown_of_all(nginx: &PodTotals, had: u64, span: Millis) -> Option<[f64; PLANE_NUMBERS]> {
    let seconds = span as f64 / 1000.0;
    let mut grown = [0.0; PLANE_NUMBERS];
    grown[REQUESTS] = nginx.requests.checked_sub(had)? as f64;
    grown[UNDER_WAY] = under_way(nginx) as f64 * seconds;
    grown[CONNECTIONS] = nginx.active as f64 * seconds;
    let most = MOST * seconds.max(1.0);
    grown.iter().all(|number| *number <= most).then_some(grown)
}

pub(crate) fn find(all: &Whole, id: Id) -> Option<&[f32; RATES]> {
    let at = all.binary_search_by_key(&id, |(one, _)| *one).ok()?;
    all.get(at).map(|(_, numbers)| numbers)
}

pub(crate) fn floor(time: Millis) -> Millis {
    time.div_euclid(CELL) * CELL
}

pub(crate) fn ceil(time: Millis) -> Millis {
    floor(time + CELL - 1)
}
