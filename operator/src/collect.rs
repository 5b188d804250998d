//! One `/metrics` for all pods: a scrape of the operator asks all sidecars, then.
//!
//! No second interval and no stale copy. Scrapes that overlap share one fan-out where none loses by it. A pod that is
//! dead, slow or lying costs its own samples only, and `tagalong_collect_*` says why. What is held of all pods is
//! some sixth of what they sent; each scraper's answer is written from it as the scraper reads.

pub mod announce;
pub mod fetch;
mod flights;
mod pod_health;
mod report;
mod reserved;

use crate::metrics::{self, Reason};
use crate::world::World;
use announce::Announcer;
pub use fetch::Aggregate;
use fetch::{FetchError, LINE, PodAnswer, PodLimits, PodTarget};
pub use flights::{Collection, Permit};
use flights::{Flights, Times};
use futures::stream::StreamExt as _;
use parking_lot::Mutex;
use pod_health::PodHealth;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tagalong_exposition::merge::{Disagreement, Format, MergeSource, MergeStats, Merger, Types};
use tagalong_exposition::negotiate::USUAL;
use tagalong_index::Pod;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Pods that are asked at once: enough that those which do not answer hold up no others.
const ASKED_AT_ONCE: usize = 512;
/// Pods whose bodies are read at once, by whatever fan-out. Reading takes memory that is let go when a body has been read.
const READ_AT_ONCE: usize = 16;
/// Who waits less is taken to wait so long: in less, a pod that is well may not answer, and every such scrape asks all.
pub const SHORTEST: Duration = Duration::from_secs(1);
/// A pod that has had less time than this, and needed more, has not failed: scrapers give theirs five seconds and up.
const FAIR: Duration = Duration::from_secs(2);

/// Why a scrape got nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unserved {
    /// No permit for a collection of its own, and none to join.
    #[error(
        "{} collections are under way for others, or not yet read by them, and there is no memory for more: try again",
        flights::AT_ONCE
    )]
    Busy,
    /// All was asked, but not brought together in time.
    #[error("the collection took longer than you wait")]
    Late,
}

/// Collects. Cheap to clone.
#[derive(Clone)]
pub struct Collector(Arc<Inner>);

struct Inner {
    world: World,
    samples: Aggregate,
    limits: PodLimits,
    metrics: metrics::Collect,
    flights: Flights,
    reading: Semaphore,
    health: Mutex<PodHealth>,
    /// Pods that disagree with others about families.
    disagreeing: Mutex<PodHealth>,
    /// The types that families had in the last collection.
    types: Mutex<Types>,
    announcer: Option<Announcer>,
}

impl Collector {
    /// Collects from the pods that `world` knows. What changes is logged, and announced if there is somebody who does.
    #[must_use]
    pub fn new(
        world: World,
        samples: Aggregate,
        limits: PodLimits,
        metrics: metrics::Collect,
        announcer: Option<Announcer>,
    ) -> Self {
        Self(Arc::new(Inner {
            world,
            samples,
            limits,
            metrics,
            flights: Flights::default(),
            reading: Semaphore::new(READ_AT_ONCE),
            health: Mutex::default(),
            disagreeing: Mutex::default(),
            types: Mutex::default(),
            announcer,
        }))
    }

    /// Everything, with the operator's `own` exposition, within the scraper's timeout.
    ///
    /// # Errors
    ///
    /// When so many are at it that there is nothing in time.
    pub async fn collect(
        &self,
        own: String,
        timeout: Option<Duration>,
    ) -> Result<Collection, Unserved> {
        let timeout = timeout.unwrap_or(USUAL).max(SHORTEST);
        // A little beyond the pods' deadline: merging comes after the last one was waited for.
        let deadline = Instant::now() + timeout - margin(timeout) / 2;
        let inner = Arc::clone(&self.0);
        let begin = |times| inner.fly(own, times);
        let flight = self.0.flights.take(timeout - margin(timeout), begin);
        let flight = flight.await.ok_or(Unserved::Busy)?;
        let collection = tokio::time::timeout_at(deadline, flight).await;
        collection
            .map(Arc::unwrap_or_clone)
            .map_err(|_elapsed| Unserved::Late)
    }

    /// How many pods it remembers the health of.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.0.health.lock().len()
    }

    /// How many more collections may run.
    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.0.flights.free()
    }
}

impl Inner {
    async fn fly(self: Arc<Self>, own: String, times: Times) -> Merger {
        let targets = self
            .world
            .with(|state| state.index.targets().filter_map(target).collect::<Vec<_>>());
        let fetches = targets.into_iter().map(|target| {
            let inner = Arc::clone(&self);
            async move {
                let begun = Instant::now();
                let asked = target.clone();
                // A task each, so that bodies are read on all cores.
                let fetched = AbortOnDropHandle::new(tokio::spawn(async move {
                    let (samples, limits) = (inner.samples, &inner.limits);
                    fetch::fetch(&asked, samples, limits, &inner.reading, times.deadline).await
                }));
                let source = fetched.await.unwrap_or(Err(FetchError::Fault));
                let took = Instant::now().duration_since(begun);
                PodAnswer {
                    target,
                    took,
                    source,
                }
            }
        });
        let mut answers: Vec<PodAnswer> = futures::stream::iter(fetches)
            .buffer_unordered(ASKED_AT_ONCE)
            .collect()
            .await;
        // Who answered first must not decide about types and the order of lines.
        answers.sort_by(|one, other| one.target.pod.cmp(&other.target.pod));
        self.note(&answers, times.patience >= FAIR);
        let merger = self.merged(own, answers);
        self.count(merger.clone().finish(Format::Text).stats());
        merger
    }

    /// The samples of all pods, what is to be said of the pods, and the operator's `own`.
    fn merged(&self, mut own: String, answers: Vec<PodAnswer>) -> Merger {
        own += &report::report(&answers);
        let mut merger = Merger::after(self.types.lock().clone());
        let mut added = Vec::new();
        for PodAnswer { target, source, .. } in answers {
            if let Some(number) = source.ok().and_then(|source| merger.add(source)) {
                added.push((target, number));
            }
        }
        let mut disagreements = merger.disagreements();
        disagreements.sort_by_key(|one| (one.source, std::cmp::Reverse(one.samples)));
        let of = |number: usize| {
            let begin = disagreements.partition_point(|one| one.source < number);
            let end = disagreements.partition_point(|one| one.source <= number);
            disagreements.get(begin..end).unwrap_or_default()
        };
        let each = || added.iter().map(|(target, number)| (target, of(*number)));
        self.note_disagreements(each());
        own += &report::left_out(each().filter(|(_, families)| !families.is_empty()));
        if !added.is_empty() {
            *self.types.lock() = merger.types();
        }
        merger.add(source_of(&own));
        merger
    }

    /// Tells who disagrees with others about families, and loses its samples of them.
    fn note_disagreements<'d>(
        &self,
        pods: impl Iterator<Item = (&'d PodTarget, &'d [Disagreement])>,
    ) {
        let (mut disagreeing, now) = (self.disagreeing.lock(), Instant::now());
        let mut there = HashSet::new();
        for (target, families) in pods {
            let (uid, pod) = (&target.uid, &target.pod);
            there.insert(uid.as_str());
            let reason = (!families.is_empty()).then_some("type");
            if !disagreeing.note(uid, reason, now) {
                continue;
            }
            if reason.is_none() {
                tracing::info!(%pod, "no sample is left out any more");
                continue;
            }
            let what = described(families);
            tracing::warn!(%pod, families = what, "samples are left out, for the pod disagrees with others about types");
            if let Some(announcer) = &self.announcer {
                announcer.announce_left_out(target, &what);
            }
        }
        disagreeing.retain(|uid| there.contains(uid));
    }

    /// Counts what a merge left out.
    fn count(&self, stats: MergeStats) {
        self.left_out("conflicting_samples", stats.conflicting_samples);
        self.left_out("sources_refused", stats.refused);
    }

    /// Counts and reports the health of pods. What a pod may have needed more time for is not reported unless it had a `fair` time:
    /// it says more about the scraper.
    fn note(&self, answers: &[PodAnswer], fair: bool) {
        let (mut health, now) = (self.health.lock(), Instant::now());
        for answer in answers {
            let (uid, pod) = (&answer.target.uid, &answer.target.pod);
            match &answer.source {
                Ok(source) => {
                    let stats = source.stats();
                    self.left_out("unparsed", stats.unparsed);
                    self.left_out("over_long", stats.over_long);
                    self.left_out("duplicates", stats.duplicates);
                    self.left_out("labelled", stats.labelled);
                    self.left_out("misplaced", stats.misplaced);
                    self.left_out("reserved", stats.reserved);
                    if health.note(uid, None, now) {
                        tracing::info!(%pod, "metrics are collected again");
                    }
                }
                Err(error) if !fair && error.for_want_of_time() => {}
                Err(error) => {
                    let reason = error.reason();
                    self.metrics.failed.get_or_create(&Reason { reason }).inc();
                    if health.note(uid, Some(reason), now) {
                        tracing::warn!(%pod, %error, "metrics cannot be collected");
                        if let Some(announcer) = &self.announcer {
                            announcer.announce(&answer.target, error);
                        }
                    }
                }
            }
        }
        let there: HashSet<&str> = answers.iter().map(|a| a.target.uid.as_str()).collect();
        health.retain(|uid| there.contains(uid));
    }

    fn left_out(&self, reason: &'static str, lines: u64) {
        if lines > 0 {
            self.metrics
                .left_out
                .get_or_create(&Reason { reason })
                .inc_by(lines);
        }
    }
}

/// The operator's own exposition, and no other.
#[must_use]
pub fn alone(own: &str) -> Merger {
    let mut merger = Merger::default();
    merger.add(source_of(own));
    merger
}

fn source_of(own: &str) -> MergeSource {
    let mut source = MergeSource::new(&[], LINE);
    source.push(own.as_bytes());
    source.finish();
    source
}

/// What a pod says of families, and what they are: of the first few, since it may have invented many.
fn described(families: &[Disagreement]) -> String {
    let (first, rest) = families.split_at(families.len().min(3));
    let mut described: Vec<_> = first
        .iter()
        .map(|one| {
            let (name, said) = (report::short(&one.family), one.said);
            match one.agreed {
                Some(agreed) => format!("{name} is {said} here, and {agreed} elsewhere"),
                None => format!("{name} ({said}) has the name of another family's samples"),
            }
        })
        .collect();
    if !rest.is_empty() {
        described.push(format!("and {} more", rest.len()));
    }
    described.join("; ")
}

fn target(pod: &Pod) -> Option<PodTarget> {
    let address = std::net::SocketAddr::new(*pod.addresses.first()?, pod.port?);
    Some(PodTarget {
        uid: pod.uid.to_string(),
        pod: pod.key.clone(),
        dataplane: pod.dataplane.clone()?,
        ends: pod.terminating,
        address,
        url: format!("http://{address}"),
    })
}

/// What is kept for merging and sending: a tenth, within bounds.
fn margin(timeout: Duration) -> Duration {
    (timeout / 10).clamp(Duration::from_millis(50), Duration::from_secs(1))
}
