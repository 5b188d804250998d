//! The operator's own metrics. Names and help texts stand here, in one place; who counts says where.

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// One label, whose values are words of the program.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Reason {
    /// Why, or which.
    pub reason: &'static str,
}

/// One label: the kind of an object.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Kind {
    /// The kind, as in manifests.
    pub kind: &'static str,
}

/// The label push.
#[derive(Clone, Debug, Default)]
pub struct Push {
    /// Streams open now.
    pub streams: Gauge,
    /// Streams ended, by reason.
    pub ended: Family<Reason, Counter>,
    /// Requests for a stream that were refused, by reason.
    pub refused: Family<Reason, Counter>,
    /// TokenReviews sent.
    pub reviews: Counter,
    /// Changes of tables sent on to streams, each counted once however many streams carry it.
    pub deltas: Counter,
}

/// The watches.
#[derive(Clone, Debug, Default)]
pub struct Watches {
    /// Kinds watched, by kind: 1 when in sync.
    pub synced: Family<Kind, Gauge>,
    /// Lists and watches that failed, by kind.
    pub errors: Family<Kind, Counter>,
    /// Objects that could not be read, by kind: seen events, not objects.
    pub malformed: Family<Kind, Counter>,
}

/// The reconcilers.
#[derive(Clone, Debug, Default)]
pub struct Reconcile {
    /// Whether this replica holds the lease.
    pub leader: Gauge,
    /// Passes over the world.
    pub passes: Counter,
    /// Writes, by kind of object.
    pub writes: Family<Kind, Counter>,
    /// Writes that failed, by kind of object.
    pub failures: Family<Kind, Counter>,
    /// What is refused now, by reason.
    pub refused: Family<Reason, Gauge>,
    /// Pods of marked DataPlanes that run without a sidecar.
    pub missed_pods: Gauge,
}

/// All of them, and where they are written from.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    /// The label push.
    pub push: Push,
    /// The watches.
    pub watches: Watches,
    /// The reconcilers.
    pub reconcile: Reconcile,
}

impl Default for Metrics {
    fn default() -> Self {
        let (push, watches) = (Push::default(), Watches::default());
        let reconcile = Reconcile::default();
        let mut registry = Registry::with_prefix("tagalong");
        let r = &mut registry;
        r.register(
            "push_streams",
            "Label streams open now",
            push.streams.clone(),
        );
        r.register(
            "push_streams_ended",
            "Label streams ended, by reason",
            push.ended.clone(),
        );
        r.register(
            "push_refused",
            "Requests for a label stream refused, by reason",
            push.refused.clone(),
        );
        r.register(
            "push_token_reviews",
            "TokenReviews asked of the API server",
            push.reviews.clone(),
        );
        r.register(
            "push_deltas",
            "Changes of label tables published",
            push.deltas.clone(),
        );
        r.register(
            "watch_synced",
            "Whether the watch of a kind is in sync",
            watches.synced.clone(),
        );
        r.register(
            "watch_errors",
            "Lists and watches that failed",
            watches.errors.clone(),
        );
        r.register(
            "watch_malformed_objects",
            "Objects seen that could not be read",
            watches.malformed.clone(),
        );
        r.register(
            "leader",
            "Whether this replica holds the lease",
            reconcile.leader.clone(),
        );
        r.register(
            "reconcile_passes",
            "Passes over the world",
            reconcile.passes.clone(),
        );
        r.register(
            "reconcile_writes",
            "Objects written",
            reconcile.writes.clone(),
        );
        r.register(
            "reconcile_failures",
            "Writes that failed",
            reconcile.failures.clone(),
        );
        r.register(
            "reconcile_refused",
            "What is refused now, by reason",
            reconcile.refused.clone(),
        );
        r.register(
            "reconcile_pods_without_sidecar",
            "Pods of marked DataPlanes that run without a sidecar",
            reconcile.missed_pods.clone(),
        );
        Self {
            registry: Arc::new(Mutex::new(registry)),
            push,
            watches,
            reconcile,
        }
    }
}

impl Metrics {
    /// Adds more, under the common prefix.
    pub fn register(&self, register: impl FnOnce(&mut Registry)) {
        register(&mut self.registry.lock());
    }

    /// All of them, in the OpenMetrics text format.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail, and half an exposition would be worse than none.
        if encode(&mut text, &self.registry.lock()).is_err() {
            text.clear();
        }
        text
    }
}
