//! One `/metrics` for all pods: a scrape of the operator asks all sidecars, then.
//!
//! No second interval and no stale copy. Scrapes that overlap share one fan-out. A pod that is dead,
//! slow or lying costs its own samples only, and `tagalong_collect_*` says why.

pub mod fetch;
pub mod merge;
mod report;

use crate::metrics::{self, Reason};
use crate::world::World;
use bytes::Bytes;
use fetch::{Failed, Limits, Target};
use futures::future::{BoxFuture, FutureExt as _, Shared};
use futures::stream::StreamExt as _;
use merge::{Merge, Source};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tagalong_index::Pod;
use tokio::time::Instant;

/// Pods that are asked at once.
const AT_ONCE: usize = 128;
/// What Prometheus waits by default.
const USUAL: Duration = Duration::from_secs(10);

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
    /// Its exposition, or why there is none.
    pub body: Result<Bytes, Failed>,
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
    flight: Mutex<Option<Flight>>,
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
            flight: Mutex::default(),
            fared: Mutex::default(),
        }))
    }

    /// Everything, with the operator's `own` exposition, within the scraper's timeout. None if this
    /// scraper has joined others' fan-out and is less patient than they are.
    pub async fn collect(&self, own: String, timeout: Option<Duration>) -> Option<Arc<Vec<u8>>> {
        let deadline = Instant::now() + patience(timeout.unwrap_or(USUAL));
        let flight = {
            let mut flying = self.0.flight.lock();
            match flying.as_ref().filter(|flight| flight.peek().is_none()) {
                Some(flight) => flight.clone(),
                None => {
                    let inner = Arc::clone(&self.0);
                    // Spawned, so that it goes on if the scraper that began it goes away.
                    let work = tokio::spawn(async move { inner.fly(own, deadline).await });
                    let flight = work
                        .map(|done| Arc::new(done.unwrap_or_default()))
                        .boxed()
                        .shared();
                    flying.insert(flight).clone()
                }
            }
        };
        // A little beyond: merging comes after the last pod was waited for.
        tokio::time::timeout_at(deadline + margin(timeout.unwrap_or(USUAL)) / 2, flight)
            .await
            .ok()
    }
}

impl Inner {
    async fn fly(&self, own: String, deadline: Instant) -> Vec<u8> {
        let targets = self
            .world
            .look(|state| state.index.targets().filter_map(target).collect::<Vec<_>>());
        let fetches = targets.into_iter().map(|target| async move {
            let begun = Instant::now();
            let body = fetch::fetch(&target, self.samples, &self.limits, deadline).await;
            let took = Instant::now().duration_since(begun);
            Answer { target, took, body }
        });
        let answers: Vec<Answer> = futures::stream::iter(fetches)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        self.note(&answers);
        let samples = self.samples;
        let limit = self.limits.samples;
        let merged = tokio::task::spawn_blocking(move || merged(own, &answers, samples, limit));
        let (out, left_out) = merged.await.unwrap_or_default();
        for (reason, count) in left_out {
            self.metrics
                .left_out
                .get_or_create(&Reason { reason })
                .inc_by(count);
        }
        out
    }

    fn note(&self, answers: &[Answer]) {
        let mut fared = self.fared.lock();
        let mut now = HashMap::with_capacity(answers.len());
        for answer in answers {
            let reason = answer.body.as_ref().map_or_else(Failed::reason, |_| "up");
            if reason != "up" {
                self.metrics.failed.get_or_create(&Reason { reason }).inc();
            }
            let uid = answer.target.uid.clone();
            let before = fared.get(&uid).copied();
            if before != Some(reason) && (before.is_some() || reason != "up") {
                let pod = &answer.target.pod;
                match &answer.body {
                    Ok(_) => tracing::info!(%pod, "metrics are collected again"),
                    Err(error) => tracing::warn!(%pod, %error, "metrics cannot be collected"),
                }
            }
            now.insert(uid, reason);
        }
        *fared = now;
    }
}

fn merged(
    own: String,
    answers: &[Answer],
    samples: Aggregate,
    limit: usize,
) -> (Vec<u8>, Vec<(&'static str, u64)>) {
    let mut merge = Merge::default();
    let mut counts = HashMap::new();
    for answer in answers {
        if let Ok(body) = &answer.body {
            let target = &answer.target;
            let labels = [
                ("dataplane", target.dataplane.name.as_ref()),
                ("dataplane_namespace", target.dataplane.namespace.as_ref()),
                ("dataplane_pod", target.pod.name.as_ref()),
                ("dataplane_url", target.url.as_str()),
            ];
            let taken = merge.add(&Source {
                body,
                labels: &labels,
                limit,
            });
            counts.insert(target.uid.clone(), taken);
        }
    }
    let about = report::report(answers, &counts, samples);
    for text in [own, about] {
        merge.add(&Source {
            body: text.as_bytes(),
            labels: &[],
            limit: usize::MAX,
        });
    }
    merge.finish()
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

fn patience(timeout: Duration) -> Duration {
    timeout.saturating_sub(margin(timeout))
}
