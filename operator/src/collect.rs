//! One `/metrics` for all pods: a scrape of the operator asks all sidecars, then.
//!
//! No second interval and no stale copy. Scrapes that overlap share what pods answer where none loses by it. A pod that is
//! dead, slow or lying costs its own samples only, and `tagalong_collect_*` says why. What is held of all pods is
//! some sixth of what they sent; each scraper's answer is written from it as the scraper reads.

pub mod announce;
mod asking;
pub mod fetch;
mod pod_health;
mod pod_times;
mod reading;
mod report;
mod reserved;

use crate::metrics::{self, Reason};
use crate::world::World;
use announce::Announcer;
use asking::{Asking, Times, Waiting, Want};
pub use fetch::Aggregate;
use fetch::{LINE, PodAnswer, PodId, PodLimits, PodTarget};
use futures::future::FutureExt as _;
use parking_lot::Mutex;
use pod_health::PodHealth;
use pod_times::FAIR;
pub use reading::{CollectionReader, Permit};
use reading::{Readers, Room};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tagalong_exposition::merge::{Disagreement, Format, MergeSource, MergeStats, Merger, Types};
use tagalong_exposition::negotiate::USUAL;
use tagalong_index::Pod;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Pods whose bodies are read at once, by whatever fan-out. Reading takes memory that is let go when a body has been read.
const READ_AT_ONCE: usize = 16;
/// Who waits less is taken to wait so long: in less, a pod that is well may not answer, and every such scrape asks all.
pub const SHORTEST: Duration = Duration::from_secs(1);
/// Why a scrape got nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unserved {
    /// No room for another collection.
    #[error(
        "{} collections are gathered for others, or not yet read by them, and there is no memory for more: try again",
        reading::AT_ONCE
    )]
    Busy,
}

/// What all pods sent.
#[derive(Clone, Debug, Default)]
pub struct Collection {
    /// To be written in any format.
    pub merger: Merger,
    /// To be held until it has been written.
    pub permit: Option<Permit>,
}

/// What is held for those who wait.
#[derive(Default)]
struct Gathering {
    /// For what comes of the pods.
    room: Option<Room>,
    latest: Option<Latest>,
}

/// The collection that was made last, for those who waited with the one who made it.
struct Latest {
    collection: Collection,
    /// When each pod was asked for what it says.
    asked: HashMap<PodId, Option<Instant>>,
}

impl Latest {
    /// Whether it has what a scrape would have of the same pods.
    fn suits(&self, asking: &Asking, wants: &[Want]) -> bool {
        let asked = |id: &PodId| self.asked.get(id).copied();
        self.asked.len() == wants.len() && asking.have_come(wants, asked)
    }
}

/// A scrape that waits. When nobody does any more, nothing is held but what is being read.
struct Waits<'c> {
    inner: &'c Inner,
    waiting: Option<Waiting>,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.waiting = None;
        if self.inner.asking.waiting_for() == 0
            && let Ok(mut gathering) = self.inner.gathering.try_lock()
        {
            *gathering = Gathering::default();
        }
    }
}

/// Collects. Cheap to clone.
#[derive(Clone)]
pub struct Collector(Arc<Inner>);

struct Inner {
    world: World,
    metrics: metrics::Collect,
    asking: Asking,
    readers: Readers,
    gathering: tokio::sync::Mutex<Gathering>,
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
        let reading = Arc::new(Semaphore::new(READ_AT_ONCE));
        let fetch = move |target, deadline| {
            let reading = Arc::clone(&reading);
            async move { fetch::fetch(&target, samples, &limits, &reading, deadline).await }.boxed()
        };
        Self(Arc::new(Inner {
            world,
            metrics,
            asking: Asking::new(Box::new(fetch)),
            readers: Readers::default(),
            gathering: tokio::sync::Mutex::default(),
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
    /// When so many read that there is no room for another collection in time.
    pub async fn collect(
        &self,
        own: String,
        timeout: Option<Duration>,
    ) -> Result<Collection, Unserved> {
        let (inner, arrived) = (&self.0, Instant::now());
        let timeout = timeout.unwrap_or(USUAL).max(SHORTEST);
        let deadline = arrived + timeout - margin(timeout);
        // A little beyond the pods' deadline: merging comes after the last one was waited for.
        let until = deadline + margin(timeout) / 2;
        let _waits = Waits {
            inner,
            waiting: Some(inner.asking.waiting()),
        };
        let times = Times { arrived, deadline };
        let collected = tokio::time::timeout_at(until, inner.collect(own, times, until)).await;
        collected.unwrap_or(Err(Unserved::Busy))
    }

    /// How many pods it remembers the health of.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.0.health.lock().len()
    }

    /// How many more collections may be read.
    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.0.readers.left()
    }
}

impl Inner {
    async fn collect(
        &self,
        own: String,
        times: Times,
        until: Instant,
    ) -> Result<Collection, Unserved> {
        {
            let mut gathering = self.gathering.lock().await;
            if gathering.room.is_none() {
                let room = self.readers.room(times.deadline).await;
                gathering.room = Some(room.ok_or(Unserved::Busy)?);
            }
        }
        let begun = Instant::now();
        let targets = self.world.with(|state| {
            let targets = state.index.targets().filter_map(target);
            targets.collect::<Vec<_>>()
        });
        let wants = self.asking.all(targets, times).await;
        // One at a time: those who come together share.
        let mut gathering = self.gathering.lock().await;
        if let Some(latest) = &gathering.latest
            && latest.suits(&self.asking, &wants)
        {
            return Ok(latest.collection.clone());
        }
        // It may take up a room that nobody reads in any more.
        gathering.latest = None;
        let last = self.asking.waiting_for() == 1;
        let room = match gathering.room.take_if(|_| last) {
            Some(room) => room,
            None => self.readers.room(until).await.ok_or(Unserved::Busy)?,
        };
        let permit = Some(self.readers.begin(room));
        let asked = self.asking.asked_for(&wants).into_iter().collect();
        let mut answers = self.asking.taken(&wants, begun);
        // The index's order must not decide about types and the order of lines.
        answers.sort_by(|one, other| one.target.pod.cmp(&other.target.pod));
        self.note(&answers, times.deadline >= begun + FAIR);
        let merger = self.merged(own, &answers);
        self.count(merger.clone().finish(Format::Text).stats());
        let collection = Collection { merger, permit };
        gathering.latest = Some(Latest {
            collection: collection.clone(),
            asked,
        });
        Ok(collection)
    }

    /// The samples of all pods, what is to be said of the pods, and the operator's `own`.
    fn merged(&self, mut own: String, answers: &[Arc<PodAnswer>]) -> Merger {
        own += &report::report(answers);
        let mut merger = Merger::after(self.types.lock().clone());
        let mut added = Vec::new();
        for answer in answers {
            let source = answer.source.as_ref().ok();
            if let Some(number) = source.and_then(|source| merger.add_finished(source)) {
                added.push((&answer.target, number));
            }
        }
        let mut disagreements = merger.disagreements();
        disagreements.sort_by_key(|one| (one.source, std::cmp::Reverse(one.samples)));
        let of = |number: usize| {
            let begin = disagreements.partition_point(|one| one.source < number);
            let end = disagreements.partition_point(|one| one.source <= number);
            disagreements.get(begin..end).unwrap_or_default()
        };
        let each = || added.iter().map(|(target, number)| (*target, of(*number)));
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
            tracing::warn!(%pod, families = what, "samples are left out, because the pod disagrees with others about types");
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
    fn note(&self, answers: &[Arc<PodAnswer>], fair: bool) {
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
