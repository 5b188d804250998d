//! The watch of one kind.

use crate::metrics;
use crate::watch::context::{Context, Sink};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::Api;
use kube::core::{ApiResource, DeserializeGuard, Resource};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use tagalong_crds::Kind;
use tagalong_runtime::readiness::Handle;
use tagalong_runtime::with_causes;

/// An object, or its metadata where the rest could not be read.
type Read<K> = Result<K, Box<kube::core::error_boundary::InvalidObject>>;

type Events<K> = BoxStream<'static, watcher::Result<Event<Read<K>>>>;

/// Watches `K` for ever. `ready` is released at the first sync.
pub(super) async fn run<K, S>(context: Context<S>, resource: ApiResource, ready: Option<Handle>)
where
    K: Kind + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    S: Sink<K>,
{
    let client = context.client.clone();
    let mut config = watcher::Config::default();
    if let Some(selector) = context.selectors.get(K::PLURAL) {
        config = config.labels(selector);
    }
    // The guard does not pass on that only metadata are wanted; metadata cannot be malformed anyway.
    let events = if K::metadata_api() {
        plain(Api::<K>::all_with(client, &resource), config)
    } else {
        let api = Api::<DeserializeGuard<K>>::all_with(client, &resource);
        let events = watcher(api, config).default_backoff();
        events
            .map_ok(|event| map(event, |guard| guard.0.map_err(Box::new)))
            .boxed()
    };
    feed(events, K::KIND, context, ready).await;
}

/// A watch without a guard.
pub(super) fn plain<K>(api: Api<K>, config: watcher::Config) -> Events<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let events = watcher(api, config).default_backoff();
    events.map_ok(|event| map(event, Read::Ok)).boxed()
}

/// Feeds events to the sink for ever.
pub(super) async fn feed<K: Resource, S: Sink<K>>(
    mut events: Events<K>,
    kind: &'static str,
    context: Context<S>,
    mut ready: Option<Handle>,
) {
    let label = metrics::KindLabel { kind };
    let mut listed = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => listed.extend(readable(object, kind, &context)),
            Ok(Event::InitDone) => {
                tracing::debug!(objects = listed.len(), "in sync");
                context.sink.reset(std::mem::take(&mut listed));
                context.metrics.synced.get_or_create(&label).set(1);
                if let Some(ready) = ready.take() {
                    ready.ready();
                }
            }
            Ok(Event::Apply(object)) => {
                let (namespace, name) = key(&object);
                match readable(object, kind, &context) {
                    Some(object) => context.sink.apply(object),
                    None => context.sink.delete(namespace.as_deref(), &name),
                }
            }
            Ok(Event::Delete(object)) => {
                let (namespace, name) = key(&object);
                context.sink.delete(namespace.as_deref(), &name);
            }
            Err(error) => {
                context.metrics.errors.get_or_create(&label).inc();
                tracing::warn!(error = with_causes(&error), "watch failed, tries again");
            }
        }
    }
}

fn map<A, B>(event: Event<A>, read: impl Fn(A) -> B) -> Event<B> {
    match event {
        Event::Apply(object) => Event::Apply(read(object)),
        Event::Delete(object) => Event::Delete(read(object)),
        Event::InitApply(object) => Event::InitApply(read(object)),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    }
}

fn key<K: Resource>(object: &Read<K>) -> (Option<String>, String) {
    let meta = match object {
        Ok(object) => object.meta(),
        Err(invalid) => &invalid.metadata,
    };
    (
        meta.namespace.clone(),
        meta.name.clone().unwrap_or_default(),
    )
}

fn readable<K: Resource, S>(
    object: Read<K>,
    kind: &'static str,
    context: &Context<S>,
) -> Option<K> {
    let (namespace, name) = key(&object);
    match object {
        Ok(mut object) => {
            object.meta_mut().managed_fields = None;
            Some(object)
        }
        Err(invalid) => {
            let label = metrics::KindLabel { kind };
            context.metrics.malformed.get_or_create(&label).inc();
            let namespace = namespace.unwrap_or_default();
            tracing::warn!(
                kind,
                namespace,
                name,
                error = invalid.error,
                "cannot read this object, goes on without it"
            );
            None
        }
    }
}

#[cfg(test)]
mod tests;
