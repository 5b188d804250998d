//! Watches: one task for each kind that the cluster has, all feeding one [`Sink`].
//!
//! Kinds come and go: discovery is asked again and again, and what has appeared is watched, what has
//! gone is forgotten. The process is ready once every watch of the first discovery has synced once.

mod context;
mod discovery;
mod one;

pub use context::{Context, Sink};
pub use discovery::Served;

use crate::causes::in_words;
use crate::metrics;
use futures::future::BoxFuture;
use kube::api::Api;
use kube::core::{ApiResource, Resource};
use kube::runtime::watcher;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;
use tagalong_crds::Kind;
use tagalong_runtime::{Drain, Readiness};
use tokio::task::AbortHandle;
use tracing::Instrument as _;

/// Where kube's client logs each request that failed, and not why: whoever made the request logs it with its causes.
pub const LOGGED_TWICE: &str = "kube_client::client::builder";

/// How often discovery is asked again.
const REDISCOVER: Duration = Duration::from_secs(30);

/// One kind that may be watched.
pub struct Watched<S> {
    kind: &'static str,
    group: &'static str,
    plural: &'static str,
    choose: fn(&[&str]) -> Option<ApiResource>,
    run: fn(
        Context<S>,
        ApiResource,
        Option<tagalong_runtime::readiness::Handle>,
    ) -> BoxFuture<'static, ()>,
    forget: fn(&S),
}

impl<S: Clone + Send + Sync + 'static> Watched<S> {
    /// A kind.
    #[must_use]
    pub fn new<K>() -> Self
    where
        K: Kind + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
        S: Sink<K>,
    {
        Self {
            kind: K::KIND,
            group: K::GROUP,
            plural: K::PLURAL,
            choose: |versions| K::served(versions.iter().copied()),
            run: |context, resource, ready| Box::pin(one::run::<K, S>(context, resource, ready)),
            forget: |sink| Sink::<K>::reset(sink, Vec::new()),
        }
    }
}

/// Watches a kind that every cluster has: only the objects of a name, if one is given, since permission can be
/// given for just them.
pub async fn core<K, S: Sink<K> + Clone>(
    context: Context<S>,
    name: Option<&str>,
    ready: tagalong_runtime::readiness::Handle,
    drain: Drain,
) where
    K: Resource<DynamicType = ()>
        + k8s_openapi::Resource
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let api = Api::<K>::all(context.client.clone());
    let mut config = watcher::Config::default();
    if let Some(name) = name {
        config = config.fields(&format!("metadata.name={name}"));
    }
    let events = one::plain(api, config);
    let watch = one::feed(events, K::KIND, context, Some(ready));
    drain.cancel(watch).await;
}

/// Watches all of `kinds` that the cluster serves, until the drain begins. Not ready from this call on, not only from
/// when the work is begun.
pub fn run<S: Clone + Send + Sync + 'static>(
    kinds: Vec<Watched<S>>,
    context: Context<S>,
    readiness: Readiness,
    drain: Drain,
) -> impl Future<Output = ()> + Send {
    let discovered = readiness.handle("discovery of the cluster's kinds");
    discover(kinds, context, readiness, discovered, drain)
}

async fn discover<S: Clone + Send + Sync + 'static>(
    kinds: Vec<Watched<S>>,
    context: Context<S>,
    readiness: Readiness,
    discovered: tagalong_runtime::readiness::Handle,
    drain: Drain,
) {
    let mut first = Some(discovered);
    let mut running: BTreeMap<&'static str, (ApiResource, AbortHandle)> = BTreeMap::new();
    let groups: Vec<&str> = kinds.iter().map(|watched| watched.group).collect();
    let mut served = Served::default();
    let mut complaint = None;
    loop {
        let refreshed = drain.cancel(served.refresh(&context.client, &groups)).await;
        match refreshed {
            None => break,
            Some(Err(error)) => {
                let error = in_words(&error);
                if complaint.as_ref() != Some(&error) {
                    tracing::warn!(error, "discovery failed, kept what was known; tries again");
                    complaint = Some(error);
                }
            }
            Some(Ok(())) => {
                complaint = None;
                for watched in &kinds {
                    let chosen = (watched.choose)(&served.versions(watched.group, watched.plural));
                    let now = running.get(watched.kind).map(|(resource, _)| resource);
                    if now == chosen.as_ref() {
                        continue;
                    }
                    if let Some((_, task)) = running.remove(watched.kind) {
                        task.abort();
                        if chosen.is_none() {
                            tracing::info!(kind = watched.kind, "no longer served");
                            (watched.forget)(&context.sink);
                            let gone = metrics::KindLabel { kind: watched.kind };
                            context.metrics.synced.remove(&gone);
                        }
                    }
                    if let Some(resource) = chosen {
                        let ready = first.as_ref().map(|_| readiness.handle(watched.kind));
                        let span = tracing::info_span!("watch", kind = watched.kind);
                        tracing::info!(kind = watched.kind, version = %resource.version, "watches");
                        let work = (watched.run)(context.clone(), resource.clone(), ready);
                        let name = format!("the watch of {}", watched.kind);
                        let task = drain.spawn(name, work.instrument(span));
                        running.insert(watched.kind, (resource, task));
                    }
                }
                if let Some(first) = first.take() {
                    first.ready();
                }
            }
        }
        let wait = if first.is_some() {
            Duration::from_secs(1)
        } else {
            REDISCOVER
        };
        if drain.cancel(tokio::time::sleep(wait)).await.is_none() {
            break;
        }
    }
    for (_, (_, task)) in running {
        task.abort();
    }
}
