//! What this process knows of the cluster: one index behind one lock, fed by the watches. Everybody
//! else gets what is derived from it.

pub mod manifests;
pub mod observed;
pub mod readings;
pub mod watched;

use crate::metrics;
use crate::push::feeds::Feeds;
use crate::push::server::TableSource;
use crate::push::stream::Subscription;
use crate::watch::Sink;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use observed::{Observe, Observed};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::Duration;
use tagalong_crds as crds;
use tagalong_index::{Changes, Index, Key, Object, ObjectKind, Settings};
use tokio::sync::watch;
use tokio::time::Instant;

/// Cheap to clone.
#[derive(Clone)]
pub struct World(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    names_changed: watch::Sender<u64>,
    tables_changed: watch::Sender<u64>,
    /// The index's time is since then.
    begun: Instant,
    next_tick: watch::Sender<Option<Instant>>,
    metrics: metrics::PushMetrics,
}

/// What is behind the lock.
pub struct State {
    /// Names, attachments, pods.
    pub index: Index,
    /// What the reconcilers write.
    pub observed: Observed,
    feeds: Feeds,
    /// No change has begun that has not ended.
    whole: bool,
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(settings: Settings, metrics: metrics::PushMetrics) -> Self {
        let state = Mutex::new(State {
            index: Index::new(settings),
            observed: Observed::default(),
            feeds: Feeds::default(),
            whole: true,
        });
        Self(Arc::new(Inner {
            state,
            changed: watch::channel(0).0,
            names_changed: watch::channel(0).0,
            tables_changed: watch::channel(0).0,
            begun: Instant::now(),
            next_tick: watch::channel(None).0,
            metrics,
        }))
    }

    /// A panic may leave the index half changed, and a wrong label is worse than none: nobody goes on from there. Whoever
    /// tries panics too, until the process ends.
    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.0.state.lock();
        assert!(state.whole, "a panic has left the index half changed");
        state
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        state.whole = false;
        let done = change(&mut state);
        state.whole = true;
        done
    }

    /// Reads everything, and keeps everybody else from it meanwhile: be brief.
    pub fn with<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state())
    }

    /// Everything is these objects now, for whoever has no watches.
    pub fn replace(&self, objects: &[Object]) {
        self.update(|state| {
            crds::Service::forget(&mut state.observed);
            for object in objects {
                if let Object::Service(service) = object {
                    service.seen(&mut state.observed);
                }
            }
            let mut changes = Changes::default();
            for kind in ObjectKind::ALL {
                let of_kind = objects.iter().filter(|object| object.kind() == *kind);
                changes.absorb(state.index.reset(*kind, of_kind.cloned().collect()));
            }
            (true, changes)
        });
    }

    /// Notes what a write answered, before the watches tell. A watch that is late corrects itself.
    pub fn note(&self, note: impl FnOnce(&mut Observed)) {
        self.change(|state| note(&mut state.observed));
    }

    /// Changes whenever another reconcile pass is due.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Changes whenever other names may be left out, or other DataPlanes attached.
    #[must_use]
    pub fn names_changed(&self) -> watch::Receiver<u64> {
        self.0.names_changed.subscribe()
    }

    /// Changes whenever a name stands for another Service, or for none.
    #[must_use]
    pub fn tables_changed(&self) -> watch::Receiver<u64> {
        self.0.tables_changed.subscribe()
    }

    /// When the index wants to be told the time next.
    fn next_tick(&self) -> watch::Receiver<Option<Instant>> {
        self.0.next_tick.subscribe()
    }

    fn tick(&self) {
        self.update(|_| (false, Changes::default()));
    }

    /// What is waited for by time alone is over. For whoever reads the world once, and does not know what it was before.
    pub fn wait_out(&self) {
        const LONGER_THAN_ANY: Duration = Duration::from_secs(3600);
        let now = self.0.begun.elapsed() + LONGER_THAN_ANY;
        self.change(|state| state.index.tick(now));
    }

    fn update(&self, update: impl FnOnce(&mut State) -> (bool, Changes)) {
        let begun = self.0.begun;
        let (seen, changes, published) = self.change(|state| {
            let mut changes = state.index.tick(begun.elapsed());
            let (seen, later) = update(state);
            changes.absorb(later);
            let published = state.feeds.publish(&changes, &state.index);
            let next = state.index.next_tick().map(|next| begun + next);
            self.0.next_tick.send_if_modified(|known| {
                let another = *known != next;
                *known = next;
                another
            });
            (seen, changes, published)
        });
        if published > 0 {
            self.0.metrics.deltas.inc_by(published);
        }
        if !changes.tables.is_empty() {
            self.0.tables_changed.send_modify(|changes| *changes += 1);
        }
        if !changes.states.is_empty() || !changes.dataplanes.is_empty() {
            self.0.names_changed.send_modify(|changes| *changes += 1);
        }
        if seen || !changes.extensions.is_empty() || !changes.dataplanes.is_empty() {
            self.0.changed.send_modify(|passes| *passes += 1);
        }
    }
}

impl TableSource for World {
    fn subscribe(&self, pod_uid: &str) -> Option<Subscription> {
        self.change(|State { index, feeds, .. }| feeds.subscribe(pod_uid, index))
    }

    fn subscribe_to(&self, dataplane: Option<&str>) -> Option<Subscription> {
        self.change(|State { index, feeds, .. }| {
            let key = match dataplane {
                Some(named) => named.parse().ok()?,
                None => {
                    let mut all = index.dataplanes();
                    let only = all.next()?.key.clone();
                    all.next().is_none().then_some(only)?
                }
            };
            feeds.subscribe_to(&key, index)
        })
    }
}

impl<K: Observe + Into<Object> + Send + Sync + 'static> Sink<K> for World {
    fn apply(&self, object: K) {
        self.update(|state| {
            let seen = object.seen(&mut state.observed);
            (seen, state.index.apply(object))
        });
    }

    fn delete(&self, namespace: Option<&str>, name: &str) {
        let key = Key::new(namespace.unwrap_or_default(), name);
        self.update(|state| {
            let gone = K::gone(&mut state.observed, &key);
            (gone, state.index.delete(K::INDEXED, &key))
        });
    }

    fn reset(&self, objects: Vec<K>) {
        self.update(|state| {
            K::forget(&mut state.observed);
            for object in &objects {
                object.seen(&mut state.observed);
            }
            let objects = objects.into_iter().map(Into::into).collect();
            (true, state.index.reset(K::INDEXED, objects))
        });
    }
}

/// The certificate authority's ConfigMaps: no matter of the index.
#[derive(Clone)]
pub struct CaConfigMaps(pub World);

impl Sink<ConfigMap> for CaConfigMaps {
    fn apply(&self, object: ConfigMap) {
        self.0
            .update(|state| (state.observed.ca_seen(&object), Changes::default()));
    }

    fn delete(&self, namespace: Option<&str>, _name: &str) {
        self.0.update(|state| {
            let gone = state.observed.ca.remove(namespace.unwrap_or_default());
            (gone.is_some(), Changes::default())
        });
    }

    fn reset(&self, objects: Vec<ConfigMap>) {
        self.0.update(|state| {
            state.observed.ca.clear();
            for object in &objects {
                state.observed.ca_seen(object);
            }
            (true, Changes::default())
        });
    }
}

/// NetworkPolicies: no matter of the index either.
#[derive(Clone)]
pub struct Policies(pub World);

impl Sink<NetworkPolicy> for Policies {
    fn apply(&self, object: NetworkPolicy) {
        self.0
            .update(|state| (state.observed.policy_seen(&object), Changes::default()));
    }

    fn delete(&self, namespace: Option<&str>, name: &str) {
        let key = Key::new(namespace.unwrap_or_default(), name);
        self.0.update(|state| {
            let gone = state.observed.policies.remove(&key);
            (gone.is_some(), Changes::default())
        });
    }

    fn reset(&self, objects: Vec<NetworkPolicy>) {
        self.0.update(|state| {
            state.observed.policies.clear();
            for object in &objects {
                state.observed.policy_seen(object);
            }
            (true, Changes::default())
        });
    }
}
