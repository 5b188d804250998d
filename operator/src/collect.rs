//! One `/metrics` for all pods: a scrape of the operator asks all sidecars, then.
//!
//! No second interval and no stale copy. Scrapes that overlap share one fan-out. A pod that is dead,
//! slow or lying costs its own samples only, and `tagalong_collect_*` says why. What is held of all pods is
//! some sixth of what they sent; each scraper's answer is written from it as the scraper reads.

pub mod announce;
pub mod fetch;
mod report;

use crate::metrics::{self, Reason};
use crate::world::World;
use announce::Announcer;
use fetch::{Failed, Limits, Target};
use futures::future::{BoxFuture, FutureExt as _, Shared, WeakShared};
use futures::stream::StreamExt as _;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tagalong_exposition::merge::{Format, MergeStats, Merger, Source};
use tagalong_index::Pod;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Pods that are asked at once: enough that those which do not answer hold up no others.
const ASKED_AT_ONCE: usize = 512;
/// Pods whose bodies are read at once. Reading takes memory that is let go when a body has been read.
const READ_AT_ONCE: usize = 16;
/// What Prometheus waits by default.
const USUAL: Duration = Duration::from_secs(10);
/// The longest line that is passed on.
const LINE: usize = 64 << 10;

/// Which samples are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Aggregate {
    /// Those whose Kubernetes Service is known.
    Enriched,
    /// All that sidecars have.
    All,
    /// None.
    Off,
}

/// What one pod answered.
#[derive(Debug)]
pub struct Answer {
    /// Who was asked.
    pub target: Target,
    /// How long it took.
    pub took: Duration,
    /// Its samples, or why there are none.
    pub source: Result<Source, Failed>,
}

type Flight = Shared<BoxFuture<'static, Arc<Merger>>>;

/// Collects. Cheap to clone.
#[derive(Clone)]
pub struct Collector(Arc<Inner>);

struct Inner {
    world: World,
    samples: Aggregate,
    limits: Limits,
    metrics: metrics::Collect,
    /// The one under way, for as long as anybody waits for it.
    flight: Mutex<Option<WeakShared<BoxFuture<'static, Arc<Merger>>>>>,
    /// How each pod fared last, so that each change is told once.
    fared: Mutex<HashMap<String, &'static str>>,
    announcer: Option<Announcer>,
}

impl Collector {
    /// Collects from the pods that `world` knows. What changes is logged, and announced if there is somebody who does.
    #[must_use]
    pub fn new(
        world: World,
        samples: Aggregate,
        limits: Limits,
        metrics: metrics::Collect,
        announcer: Option<Announcer>,
    ) -> Self {
        Self(Arc::new(Inner {
            world,
            samples,
            limits,
            metrics,
            flight: Mutex::default(),
            fared: Mutex::default(),
            announcer,
        }))
    }

    /// Everything, with the operator's `own` exposition, within the scraper's timeout. None if this
    /// scraper has joined others' fan-out and is less patient than they are.
    pub async fn collect(&self, own: String, timeout: Option<Duration>) -> Option<Merger> {
        let timeout = timeout.unwrap_or(USUAL);
        let deadline = Instant::now() + timeout.saturating_sub(margin(timeout));
        let flight = self.flight(own, deadline);
        // A little beyond: merging comes after the last pod was waited for.
        let merger = tokio::time::timeout_at(deadline + margin(timeout) / 2, flight);
        merger.await.ok().map(Arc::unwrap_or_clone)
    }

    /// The fan-out that is under way, or a new one.
    fn flight(&self, own: String, deadline: Instant) -> Flight {
        let mut current = self.0.flight.lock();
        let under_way = current.as_ref().and_then(WeakShared::upgrade);
        if let Some(flight) = under_way.filter(|flight| flight.peek().is_none()) {
            return flight;
        }
        let inner = Arc::clone(&self.0);
        // It goes on without the scraper that began it, and ends when nobody is left who waits.
        let task =
            AbortOnDropHandle::new(tokio::spawn(async move { inner.fly(own, deadline).await }));
        let flight = task.map(|done| Arc::new(done.unwrap_or_default()));
        let flight = flight.boxed().shared();
        *current = flight.downgrade();
        flight
    }
}

impl Inner {
    async fn fly(self: Arc<Self>, own: String, deadline: Instant) -> Merger {
        let targets = self
            .world
            .look(|state| state.index.targets().filter_map(target).collect::<Vec<_>>());
        let reading = Arc::new(Semaphore::new(READ_AT_ONCE));
        let fetches = targets.into_iter().map(|target| {
            let (inner, reading) = (Arc::clone(&self), Arc::clone(&reading));
            async move {
                let begun = Instant::now();
                let asked = target.clone();
                // A task each, so that bodies are read on all cores.
                let fetched = AbortOnDropHandle::new(tokio::spawn(async move {
                    let (samples, limits) = (inner.samples, &inner.limits);
                    fetch::fetch(&asked, samples, limits, &reading, deadline).await
                }));
                let source = fetched.await.unwrap_or(Err(Failed::Fault));
                let took = Instant::now().duration_since(begun);
                Answer {
                    target,
                    took,
                    source,
                }
            }
        });
        let mut answers: Vec<Answer> = futures::stream::iter(fetches)
            .buffer_unordered(ASKED_AT_ONCE)
            .collect()
            .await;
        // Who answered first must not decide about types and the order of lines.
        answers.sort_by(|one, other| one.target.pod.cmp(&other.target.pod));
        self.note(&answers);
        let text = own + &report::report(&answers);
        let merger = merged(&text, answers);
        self.count(merger.clone().finish(Format::Text).stats());
        merger
    }

    /// Counts what a merge left out.
    fn count(&self, stats: MergeStats) {
        self.left_out("conflicting_samples", stats.conflicting_samples);
        self.left_out("sources_refused", stats.refused);
    }

    fn note(&self, answers: &[Answer]) {
        let mut fared = self.fared.lock();
        let mut now = HashMap::with_capacity(answers.len());
        for answer in answers {
            let reason = answer.source.as_ref().map_or_else(Failed::reason, |_| "up");
            match &answer.source {
                Ok(source) => {
                    let stats = source.stats();
                    self.left_out("unparsed", stats.unparsed);
                    self.left_out("over_long", stats.over_long);
                    self.left_out("duplicates", stats.duplicates);
                    self.left_out("labelled", stats.labelled);
                    self.left_out("misplaced", stats.misplaced);
                }
                Err(_) => {
                    self.metrics.failed.get_or_create(&Reason { reason }).inc();
                }
            }
            let before = fared.get(&answer.target.uid).copied();
            if before != Some(reason) && (before.is_some() || reason != "up") {
                let pod = &answer.target.pod;
                match &answer.source {
                    Ok(_) => tracing::info!(%pod, "metrics are collected again"),
                    Err(error) => {
                        tracing::warn!(%pod, %error, "metrics cannot be collected");
                        if let Some(announcer) = &self.announcer {
                            announcer.announce(&answer.target, error);
                        }
                    }
                }
            }
            now.insert(answer.target.uid.clone(), reason);
        }
        *fared = now;
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
    let mut source = Source::new(&[], LINE);
    source.push(own.as_bytes());
    source.finish();
    merger.add(source);
    merger
}

fn merged(own: &str, answers: Vec<Answer>) -> Merger {
    let mut merger = alone(own);
    for source in answers.into_iter().filter_map(|answer| answer.source.ok()) {
        merger.add(source);
    }
    merger
}

fn target(pod: &Pod) -> Option<Target> {
    let address = std::net::SocketAddr::new(*pod.addresses.first()?, pod.port?);
    Some(Target {
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
