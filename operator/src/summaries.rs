//! What the sidecars' summaries say of the load, steadily, on every replica for itself: an answer must come from memory, and a
//! rate needs two looks.
//!
//! ```text
//!   world ── known: Services of each table, and whether Kong counts their latency ──┐
//!     └── pods ── schedule: who is due ── ask: GET /v1/summary ── Loads ── values ──┴──▶ metrics API
//! ```

mod ask;
mod known;
mod schedule;

use crate::metrics::{self, PodState, Reason};
use crate::world::World;
use ask::{Asked, Prior, SummaryTarget};
use futures::stream::{FuturesUnordered, StreamExt as _};
pub use known::{DATAPLANES, DEPLOYMENTS, GATEWAYS};
use known::{Known, KnownService};
use parking_lot::Mutex;
use schedule::Schedule;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tagalong_index::{Key, Pod};
use tagalong_runtime::log_rate::LogRateLimiter;
use tagalong_runtime::{Drain, Readiness};
use tagalong_signals::{
    Loads, NotKnown, PlaneSignal, PodSeen, ServiceSignal, SignalValue, WindowSettings,
};
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior};

/// How often it is looked who is due.
const TICK: Duration = Duration::from_millis(100);
/// How often the world is looked at, if it changes, and lateness.
const SECOND: Duration = Duration::from_secs(1);
/// Pods that are asked at once. Most of the time they wait for Kong.
const AT_ONCE: usize = 512;
/// Summaries of more than a usual size that are read at once.
const LARGE_AT_ONCE: usize = 4;
/// After Kong's controller has been told to count latency, Kong does so in a while.
const FOLLOWS: Duration = Duration::from_secs(20);

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoValue {
    /// Nothing counts for the object, as the cluster is now.
    #[error("{0}")]
    Nothing(String),
    /// It is not known now.
    #[error("{0}")]
    NotNow(String),
}

impl From<NotKnown> for NoValue {
    fn from(why: NotKnown) -> Self {
        Self::NotNow(why.to_string())
    }
}

/// Knows the load. Cheap to clone.
#[derive(Clone)]
pub struct LoadCollector(Arc<Inner>);

struct Inner {
    world: World,
    settings: WindowSettings,
    begun: Instant,
    loads: Mutex<Loads>,
    known: Mutex<Arc<Known>>,
    synced: AtomicBool,
    large: Semaphore,
    metrics: metrics::SummaryMetrics,
    told: LogRateLimiter<&'static str>,
}

impl LoadCollector {
    /// Nothing is known before [`collect`](Self::collect) runs.
    #[must_use]
    pub fn new(world: World, settings: WindowSettings, metrics: metrics::SummaryMetrics) -> Self {
        Self(Arc::new(Inner {
            world,
            settings,
            begun: Instant::now(),
            loads: Mutex::new(Loads::new(settings)),
            known: Mutex::default(),
            synced: AtomicBool::new(false),
            large: Semaphore::new(LARGE_AT_ONCE),
            metrics,
            told: LogRateLimiter::new(1),
        }))
    }

    /// Collects until the drain begins.
    pub async fn collect(self, synced: Readiness, drain: Drain) {
        let collecting = async {
            synced.complete().await;
            self.0.collect().await;
        };
        drain.cancel(collecting).await;
    }

    /// The value of a Service.
    ///
    /// # Errors
    ///
    /// When it is not known, or there is none.
    pub fn service(&self, service: &Key, signal: ServiceSignal) -> Result<SignalValue, NoValue> {
        let known = self.known()?;
        let KnownService {
            dataplanes,
            latency,
        } = known.service(service).ok_or_else(|| {
            NoValue::Nothing(format!(
                "Kong counts no requests for Service {service} alone: no rule of an attached DataPlane leads to it, or it shares the rule with \
                 another Service; `tagalong-operator explain service/{service}` says which"
            ))
        })?;
        match latency {
            Ok(since) if since.is_none_or(|since| since.elapsed() >= FOLLOWS) => {}
            Ok(_) => {
                return Err(NoValue::NotNow(
                    "Kong has only just been told to count this Service's latency".to_owned(),
                ));
            }
            Err(why) => return Err(NoValue::NotNow(why.clone())),
        }
        let planes = dataplanes.iter().map(|plane| &**plane);
        let name = service.to_string();
        let loads = self.0.loads.lock();
        Ok(loads.service(self.0.now(), planes, &name, signal)?)
    }

    /// The value of a DataPlane itself, by any object that it is: `resource` as in a path of the API.
    ///
    /// # Errors
    ///
    /// When it is not known, or there is none.
    pub fn dataplane(
        &self,
        resource: &str,
        object: &Key,
        signal: PlaneSignal,
    ) -> Result<SignalValue, NoValue> {
        let known = self.known()?;
        let plane = known.dataplane(resource, object).ok_or_else(|| {
            NoValue::Nothing(format!(
                "{resource} {object} is no DataPlane with an attached DataPlaneMetricsExtension, nor does it stand for one"
            ))
        })?;
        Ok(self.0.loads.lock().plane(self.0.now(), plane, signal)?)
    }

    fn known(&self) -> Result<Arc<Known>, NoValue> {
        if !self.0.synced.load(Ordering::Acquire) {
            let message = "the operator has not yet read the cluster";
            return Err(NoValue::NotNow(message.to_owned()));
        }
        Ok(Arc::clone(&self.0.known.lock()))
    }
}

impl Inner {
    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    async fn collect(&self) {
        let (mut changed, mut tables) = (self.world.changed(), self.world.tables_changed());
        let mut schedule = Schedule::new(self.settings.interval);
        let mut asking = FuturesUnordered::new();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut stale, mut second) = (true, Instant::now());
        loop {
            tokio::select! {
                biased;
                _at = ticks.tick() => {
                    let now = Instant::now();
                    if now >= second {
                        second = now + SECOND;
                        stale |= changed.has_changed().unwrap_or(false);
                        stale |= tables.has_changed().unwrap_or(false);
                        if std::mem::take(&mut stale) {
                            changed.mark_unchanged();
                            tables.mark_unchanged();
                            schedule.set(self.refresh(), now);
                        }
                        self.show();
                    }
                    let free = AT_ONCE.saturating_sub(asking.len());
                    for (target, prior) in schedule.due(now, free) {
                        asking.push(self.ask(target, prior));
                    }
                }
                Some((target, asked)) = asking.next(), if !asking.is_empty() => {
                    let prior = self.take(&target, asked);
                    schedule.answered(&target.uid, prior);
                }
            }
        }
    }

    async fn ask(
        &self,
        target: SummaryTarget,
        prior: Option<Prior>,
    ) -> (SummaryTarget, Result<Asked, ask::AskError>) {
        // Polls that beat against looks would see each look half as often.
        let max_age = self.settings.interval * 4 / 5;
        let asked = ask::ask(&target, prior.as_ref(), max_age, &self.large).await;
        (target, asked)
    }

    /// Takes what a pod says. Returns what it need not say again.
    fn take(&self, target: &SummaryTarget, asked: Result<Asked, ask::AskError>) -> Option<Prior> {
        let (plane, uid) = (&*target.dataplane, &*target.uid);
        let taken = match asked {
            Ok(Asked::Whole { json, tag }) => {
                let taken = self.loads.lock().summary(self.now(), plane, uid, &json);
                taken
                    .map(|()| tag)
                    .map_err(|error| ("refused", error.to_string()))
            }
            Ok(Asked::Unchanged { look, prior }) => {
                let taken = self.loads.lock().unchanged(self.now(), plane, uid, &look);
                taken
                    .map(|()| Some(prior))
                    .map_err(|error| ("refused", error.to_string()))
            }
            Err(error) => Err((error.reason(), error.to_string())),
        };
        let (reason, prior) = match taken {
            Ok(prior) => ("ok", prior),
            Err((reason, error)) => {
                if let Some(suppressed) = self.told.due(reason) {
                    let pod = &target.pod;
                    tracing::warn!(%pod, reason, error, suppressed, "no summary of the load");
                }
                (reason, None)
            }
        };
        self.metrics
            .collections
            .get_or_create(&Reason { reason })
            .inc();
        prior
    }

    /// Looks at the world. Returns who can be asked.
    fn refresh(&self) -> Vec<SummaryTarget> {
        let before = Arc::clone(&self.known.lock());
        let first = !self.synced.load(Ordering::Acquire);
        let (known, planes) = self.world.with(|state| {
            let known = Known::of(&state.index, &state.observed, (!first).then_some(&*before));
            let attached = state.index.dataplanes().filter(|one| one.is_attached());
            let planes: Vec<(String, Vec<Pod>)> = attached
                .map(|one| {
                    let pods = state.index.pods(&one.key).filter(|pod| pod.running);
                    (one.key.to_string(), pods.cloned().collect())
                })
                .collect();
            (known, planes)
        });
        let (mut targets, now) = (Vec::new(), self.now());
        let mut loads = self.loads.lock();
        let there: HashSet<&str> = planes.iter().map(|(plane, _)| plane.as_str()).collect();
        loads.retain(|plane| there.contains(plane));
        for (plane, pods) in &planes {
            let seen = |pod: &Pod| PodSeen {
                uid: pod.uid.to_string(),
                ready: pod.ready,
                ends: pod.terminating,
            };
            let seen: Vec<PodSeen> = pods.iter().map(seen).collect();
            loads.pods(now, plane, &seen);
            loads.table(now, plane, known.services_of(plane));
            targets.extend(pods.iter().filter_map(|pod| SummaryTarget::of(plane, pod)));
        }
        drop(loads);
        *self.known.lock() = Arc::new(known);
        self.synced.store(true, Ordering::Release);
        targets
    }

    fn show(&self) {
        let mut loads = self.loads.lock();
        let now = self.now();
        loads.tick(now);
        let basis = loads.basis(now);
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for (state, pods) in [
            ("reports", basis.reporting),
            ("late", basis.late),
            ("missing", basis.missing),
        ] {
            self.metrics
                .pods
                .get_or_create(&PodState { state })
                .set(count(pods));
        }
        self.metrics.services.set(count(loads.services()));
        let absurd = Reason { reason: "absurd" };
        let dropped = self.metrics.dropped.get_or_create(&absurd);
        dropped.inc_by(loads.absurd().saturating_sub(dropped.get()));
    }
}

#[cfg(test)]
mod tests;
