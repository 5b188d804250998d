//! One `/metrics` for all pods: a scrape of the operator asks all sidecars, then.
//!
//! No second interval and no stale copy. Scrapes that overlap share one fan-out. A pod that is dead,
//! slow or lying costs its own samples only, and `tagalong_collect_*` says why.

pub mod fetch;
mod report;

use crate::metrics::{self, Reason};
use crate::world::World;
use fetch::{Failed, Limits, Target};
use futures::future::{BoxFuture, FutureExt as _, Shared};
use futures::stream::StreamExt as _;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tagalong_exposition::merge::{Format, MergeStats, Merger, Source};
use tagalong_index::Pod;
use tokio::time::Instant;

/// Pods that are asked at once.
const AT_ONCE: usize = 128;
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

type Flight = Shared<BoxFuture<'static, Arc<Vec<u8>>>>;

/// Collects. Cheap to clone.
#[derive(Clone)]
pub struct Collector(Arc<Inner>);

struct Inner {
    world: World,
    samples: Aggregate,
    limits: Limits,
    metrics: metrics::Collect,
    /// Those under way: one for each format.
    flights: Mutex<Vec<(Format, Flight)>>,
    /// How each pod fared last, so that each change is logged once.
    fared: Mutex<HashMap<String, &'static str>>,
}

impl Collector {
    /// Collects from the pods that `world` knows.
    #[must_use]
    pub fn new(
        world: World,
        samples: Aggregate,
        limits: Limits,
        metrics: metrics::Collect,
    ) -> Self {
        Self(Arc::new(Inner {
            world,
            samples,
            limits,
            metrics,
            flights: Mutex::default(),
            fared: Mutex::default(),
        }))
    }

    /// Everything, with the operator's `own` exposition, within the scraper's timeout. None if this
    /// scraper has joined others' fan-out and is less patient than they are.
    pub async fn collect(
        &self,
        own: String,
        format: Format,
        timeout: Option<Duration>,
    ) -> Option<Arc<Vec<u8>>> {
        let timeout = timeout.unwrap_or(USUAL);
        let deadline = Instant::now() + timeout.saturating_sub(margin(timeout));
        let flight = {
            let mut flights = self.0.flights.lock();
            flights.retain(|(_, flight)| flight.peek().is_none());
            match flights.iter().find(|(written, _)| *written == format) {
                Some((_, flight)) => flight.clone(),
                None => {
                    let inner = Arc::clone(&self.0);
                    // Spawned, so that it goes on if the scraper that began it goes away.
                    let work = tokio::spawn(async move { inner.fly(own, format, deadline).await });
                    let flight = work.map(|done| Arc::new(done.unwrap_or_default()));
                    let flight = flight.boxed().shared();
                    flights.push((format, flight.clone()));
                    flight
                }
            }
        };
        // A little beyond: writing comes after the last pod was waited for.
        tokio::time::timeout_at(deadline + margin(timeout) / 2, flight)
            .await
            .ok()
    }
}

impl Inner {
    async fn fly(&self, own: String, format: Format, deadline: Instant) -> Vec<u8> {
        let targets = self
            .world
            .look(|state| state.index.targets().filter_map(target).collect::<Vec<_>>());
        let fetches = targets.into_iter().map(|target| async move {
            let begun = Instant::now();
            let source = fetch::fetch(&target, self.samples, &self.limits, deadline).await;
            let took = Instant::now().duration_since(begun);
            Answer {
                target,
                took,
                source,
            }
        });
        let mut answers: Vec<Answer> = futures::stream::iter(fetches)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        // Who answered first must not decide about types and the order of lines.
        answers.sort_by(|one, other| one.target.pod.cmp(&other.target.pod));
        self.note(&answers);
        let text = own + &report::report(&answers);
        let merged = tokio::task::spawn_blocking(move || merged(&text, answers, format)).await;
        let (out, stats) = merged.unwrap_or_default();
        self.left_out("conflicting_samples", stats.conflicting_samples);
        self.left_out("sources_refused", stats.refused);
        out
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
                    Err(error) => tracing::warn!(%pod, %error, "metrics cannot be collected"),
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

fn merged(own: &str, answers: Vec<Answer>, format: Format) -> (Vec<u8>, MergeStats) {
    let mut merger = Merger::default();
    let mut source = Source::new(&[], LINE);
    source.push(own.as_bytes());
    source.finish();
    merger.add(source);
    for source in answers.into_iter().filter_map(|answer| answer.source.ok()) {
        merger.add(source);
    }
    let mut merged = merger.finish(format);
    let mut out = Vec::new();
    while merged.next(&mut out) {}
    (out, merged.stats())
}

fn target(pod: &Pod) -> Option<Target> {
    let address = std::net::SocketAddr::new(*pod.addresses.first()?, pod.port?);
    Some(Target {
        uid: pod.uid.to_string(),
        pod: pod.key.clone(),
        dataplane: pod.dataplane.clone()?,
        address,
        url: format!("http://{address}"),
    })
}

/// What is kept for merging and sending: a tenth, within bounds.
fn margin(timeout: Duration) -> Duration {
    (timeout / 10).clamp(Duration::from_millis(50), Duration::from_secs(1))
}
