//! The load of everything.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tagalong_wire::{Look, read_summary};

use crate::catalogue::{PlaneSignal, ServiceSignal};
use crate::grown::{ARRIVALS, COUNT, REQUEST_SUM, SUM, ServiceBase};
use crate::names::ServiceIds;
use crate::plane::{AVERAGE, PlaneLoad};
use crate::pod::{CONNECTIONS, PodLoad, REQUESTS, UNDER_WAY};
use crate::quantile::quantile;
use crate::settings::{WindowSettings, millis};
use crate::standing::Part;
use crate::value::{Basis, NotKnown, SignalValue};

/// What pods say of the load, and what follows from it.
#[derive(Debug)]
pub struct Loads {
    settings: WindowSettings,
    services: ServiceIds,
    planes: HashMap<Box<str>, PlaneLoad>,
    /// Numbers of Services that are remembered.
    bases: usize,
    absurd: u64,
}

/// A pod as it is seen in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSeen {
    /// Its UID.
    pub uid: String,
    /// Whether it gets requests.
    pub ready: bool,
    /// Whether it is being deleted.
    pub ends: bool,
}

/// Why a summary counts for nothing.
#[derive(Debug, thiserror::Error)]
pub enum SummaryRefused {
    /// It is none.
    #[error("its summary cannot be read: {0}")]
    Unreadable(#[from] tagalong_wire::ParseError),
    /// It is not known whose it is.
    #[error("it is of no pod that is known")]
    Stranger,
    /// There is no more memory for it.
    #[error("there is no room for more numbers of Services than {0} of all pods together")]
    NoRoom(usize),
    /// It says that nothing changed since something that was never said.
    #[error("it says that nothing has changed, but has said nothing before")]
    NothingBefore,
}

impl Loads {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(settings: WindowSettings) -> Self {
        Self {
            settings,
            services: ServiceIds::default(),
            planes: HashMap::new(),
            bases: 0,
            absurd: 0,
        }
    }

    /// These are all DataPlanes that there are.
    pub fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.planes.retain(|plane, _| is_there(plane));
        self.forget();
    }

    /// These are all pods of a DataPlane that run, whether or not they can be asked. What others did remains.
    pub fn pods(&mut self, now: Duration, plane: &str, pods: &[PodSeen]) {
        let now = millis(now);
        let grace = 3 * millis(self.settings.interval);
        let plane = self
            .planes
            .entry(plane.into())
            .or_insert_with(|| PlaneLoad::new(now));
        let born = now - plane.known_since > grace;
        let there: HashSet<&str> = pods.iter().map(|pod| pod.uid.as_str()).collect();
        plane.pods.retain(|uid, _| there.contains(&**uid));
        for seen in pods {
            let pod = plane.pods.entry(seen.uid.as_str().into());
            let pod = pod.or_insert_with(|| PodLoad {
                known_since: now,
                born,
                ready: false,
                ends: false,
                last: None,
            });
            if seen.ready && !pod.ready && pod.last.is_none() {
                pod.known_since = now;
            }
            (pod.ready, pod.ends) = (seen.ready, seen.ends);
        }
        self.count();
    }

    /// These are all Services (`namespace/name`) of a DataPlane's table.
    pub fn table<'a>(
        &mut self,
        now: Duration,
        plane: &str,
        services: impl IntoIterator<Item = &'a str>,
    ) {
        let now = millis(now);
        let plane = self
            .planes
            .entry(plane.into())
            .or_insert_with(|| PlaneLoad::new(now));
        let old = std::mem::take(&mut plane.table);
        for service in services {
            let id = self.services.take(service);
            plane.table.insert(id, old.get(&id).copied().unwrap_or(now));
        }
        self.forget();
    }

    fn forget(&mut self) {
        let planes = &self.planes;
        let listed = |id| planes.values().any(|plane| plane.table.contains_key(&id));
        let freed = self.services.retain(listed);
        if !freed.is_empty() {
            for plane in self.planes.values_mut() {
                plane.forget(&freed);
            }
        }
        self.count();
    }

    fn count(&mut self) {
        let pods = self.planes.values().flat_map(|plane| plane.pods.values());
        let looks = pods.filter_map(|pod| pod.last.as_ref());
        self.bases = looks.map(|look| look.bases.len()).sum();
    }

    /// A pod has answered with a summary.
    ///
    /// # Errors
    ///
    /// When it counts for nothing.
    pub fn summary(
        &mut self,
        now: Duration,
        plane: &str,
        uid: &str,
        json: &[u8],
    ) -> Result<(), SummaryRefused> {
        let Some(load) = self.planes.get_mut(plane) else {
            return Err(SummaryRefused::Stranger);
        };
        let pod = load.pods.get(uid).ok_or(SummaryRefused::Stranger)?;
        let had = pod.last.as_ref().map_or(0, |last| last.bases.len());
        let room = (self.settings.bases + had).saturating_sub(self.bases);
        let (mut read, mut full) = (Vec::with_capacity(had), false);
        let mut joined = String::new();
        let look = read_summary(json, |namespace, name, totals| {
            joined.clear();
            joined.push_str(namespace);
            joined.push('/');
            joined.push_str(name);
            if let Some(id) = self.services.get(&joined) {
                full |= read.len() >= room;
                if full {
                    return Err("no room".to_owned());
                }
                read.push(ServiceBase::of(id, totals));
            }
            Ok(true)
        });
        if full {
            return Err(SummaryRefused::NoRoom(self.settings.bases));
        }
        let look = look?;
        read.sort_unstable_by_key(|base| base.id);
        let twice = read.windows(2).any(|two| two[0].id == two[1].id);
        if twice {
            return Err(SummaryRefused::Unreadable(tagalong_wire::ParseError {
                line: 1,
                column: 0,
                what: "a Service appears twice".to_owned(),
            }));
        }
        read.shrink_to_fit();
        let noted = load.looked(uid, millis(now), &look, Some(read), &self.settings);
        self.absurd += noted.absurd;
        let pod = load.pods.get(uid).and_then(|pod| pod.last.as_ref());
        self.bases = self.bases + pod.map_or(0, |last| last.bases.len()) - had;
        Ok(())
    }

    /// A pod has answered that nothing has changed since its last summary, but for what the look says.
    ///
    /// # Errors
    ///
    /// When it counts for nothing.
    pub fn unchanged(
        &mut self,
        now: Duration,
        plane: &str,
        uid: &str,
        look: &Look,
    ) -> Result<(), SummaryRefused> {
        let load = self.planes.get_mut(plane).ok_or(SummaryRefused::Stranger)?;
        let pod = load.pods.get(uid).ok_or(SummaryRefused::Stranger)?;
        let last = pod.last.as_ref().ok_or(SummaryRefused::NothingBefore)?;
        if last.epoch != look.epoch {
            return Err(SummaryRefused::NothingBefore);
        }
        let noted = load.looked(uid, millis(now), look, None, &self.settings);
        self.absurd += noted.absurd;
        Ok(())
    }

    /// Time goes by. To be called each second.
    pub fn tick(&mut self, now: Duration) {
        for plane in self.planes.values_mut() {
            plane.tick(millis(now), &self.settings);
        }
    }

    /// The value of a Service (`namespace/name`), in all of these DataPlanes together: those whose tables it is in.
    ///
    /// # Errors
    ///
    /// When it is not known.
    pub fn service<'a>(
        &self,
        now: Duration,
        planes: impl IntoIterator<Item = &'a str>,
        service: &str,
        signal: ServiceSignal,
    ) -> Result<SignalValue, NotKnown> {
        let window = match signal {
            ServiceSignal::Average => AVERAGE,
            _ => millis(self.settings.window),
        };
        let mut parts = Vec::new();
        let mut refusal = NotKnown::NoPods;
        for plane in planes {
            let plane = self.planes.get(plane);
            let id = self.services.get(service);
            let (Some(plane), Some(id)) = (plane, id) else {
                // Neither seen yet: the watches tell.
                return Err(NotKnown::TooEarly(self.settings.interval));
            };
            match plane.part(millis(now), id, window, &self.settings) {
                Ok(part) => parts.push(part),
                // It serves nothing.
                Err(NotKnown::NoPods) => {}
                Err(other) => refusal = other,
            }
        }
        if parts.is_empty() || refusal != NotKnown::NoPods {
            return Err(refusal);
        }
        let rate = |at: usize| parts.iter().map(|part| part.rates[at]).sum::<f64>();
        let value = match signal {
            ServiceSignal::Requests => rate(ARRIVALS),
            ServiceSignal::UpstreamRequests => rate(COUNT),
            ServiceSignal::InFlight => rate(SUM) / 1000.0,
            ServiceSignal::Open => rate(REQUEST_SUM) / 1000.0,
            ServiceSignal::Average => {
                let counted: f64 = parts.iter().map(Part::counted).sum();
                let waited: f64 = parts.iter().map(Part::waited).sum();
                // What the cells are cut to leaves crumbs.
                if counted > 1e-4 {
                    waited / counted
                } else {
                    0.0
                }
            }
            ServiceSignal::P50 => self.quantile(&parts, 0.5),
            ServiceSignal::P95 => self.quantile(&parts, 0.95),
            ServiceSignal::P99 => self.quantile(&parts, 0.99),
        };
        Ok(self.value(now, value, &parts))
    }

    fn quantile(&self, parts: &[Part], share: f64) -> f64 {
        let mut all = [0.0; tagalong_wire::BOUNDS.len()];
        for part in parts {
            for (sum, bucket) in all.iter_mut().zip(part.buckets()) {
                *sum += bucket;
            }
        }
        let requests = all.iter().copied().fold(0.0, f64::max);
        if requests + 0.5 < f64::from(self.settings.min_requests) {
            return 0.0;
        }
        quantile(&all, share)
    }

    fn value(&self, now: Duration, value: f64, parts: &[Part]) -> SignalValue {
        let window = parts.iter().map(|part| part.window).max();
        let until = parts.iter().map(|part| part.until).min();
        let age = millis(now) - until.unwrap_or_default();
        let bases = parts.iter().map(|part| part.basis);
        SignalValue {
            value: if value.is_finite() {
                value.max(0.0)
            } else {
                0.0
            },
            window: Duration::from_millis(window.unwrap_or_default().unsigned_abs()),
            age: Duration::from_millis(age.try_into().unwrap_or_default()),
            basis: bases.fold(Basis::default(), Basis::plus),
        }
    }

    /// The value of a DataPlane itself.
    ///
    /// # Errors
    ///
    /// When it is not known.
    pub fn plane(
        &self,
        now: Duration,
        plane: &str,
        signal: PlaneSignal,
    ) -> Result<SignalValue, NotKnown> {
        let plane = self.planes.get(plane).ok_or(NotKnown::NoPods)?;
        let (rates, part) = plane.own(millis(now), &self.settings)?;
        let value = match signal {
            PlaneSignal::Requests => rates[REQUESTS],
            PlaneSignal::InFlight => rates[UNDER_WAY],
            PlaneSignal::Connections => rates[CONNECTIONS],
        };
        Ok(self.value(now, value, &[part]))
    }

    /// How the pods of all DataPlanes stand.
    #[must_use]
    pub fn basis(&self, now: Duration) -> Basis {
        let planes = self.planes.values();
        let bases = planes.map(|plane| plane.basis(millis(now), &self.settings));
        bases.fold(Basis::default(), Basis::plus)
    }

    /// How many Services have had requests lately, in how many DataPlanes.
    #[must_use]
    pub fn services(&self) -> usize {
        self.planes.values().map(PlaneLoad::services).sum()
    }

    /// Increments so far that no pod can have.
    #[must_use]
    pub fn absurd(&self) -> u64 {
        self.absurd
    }
}
