//! The operator's own metrics. Names and help texts stand here, in one place; who counts says where.

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tagalong_index::{Key, NameState};

/// One label, whose values are words of the program.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Reason {
    /// Why, or which.
    pub reason: &'static str,
}

/// One label: the kind of an object.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct KindLabel {
    /// The kind, as in manifests.
    pub kind: &'static str,
}

/// The label push.
#[derive(Clone, Debug, Default)]
pub struct PushMetrics {
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
    pub synced: Family<KindLabel, Gauge>,
    /// Lists and watches that failed, by kind.
    pub errors: Family<KindLabel, Counter>,
    /// Objects that could not be read, by kind: seen events, not objects.
    pub malformed: Family<KindLabel, Counter>,
}

/// The reconcilers.
#[derive(Clone, Debug, Default)]
pub struct Reconcile {
    /// Whether this replica holds the lease.
    pub leader: Gauge,
    /// Passes over the world.
    pub passes: Counter,
    /// Writes, by kind of object.
    pub writes: Family<KindLabel, Counter>,
    /// Writes that failed, by kind of object.
    pub failures: Family<KindLabel, Counter>,
    /// What is refused now, by reason.
    pub refused: Family<Reason, Gauge>,
    /// Pods of DataPlanes labelled for injection that run without a sidecar.
    pub uninjected_pods: Gauge,
}

/// What becomes of names: a DataPlane, and a state.
#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
pub struct NameStateLabel {
    /// The DataPlane.
    pub dataplane: String,
    /// Its namespace.
    pub dataplane_namespace: String,
    /// What becomes of the names.
    pub state: &'static str,
}

/// Kong's names.
#[derive(Clone, Debug, Default)]
pub struct NameMetrics {
    /// How many there are, by DataPlane and state.
    pub names: Family<NameStateLabel, Gauge>,
}

impl NameMetrics {
    /// Shows `counts`, and no longer those of `before` that are gone. Returns what is shown now.
    pub fn show(
        &self,
        counts: &BTreeMap<(Key, NameState), usize>,
        before: &BTreeSet<NameStateLabel>,
    ) -> BTreeSet<NameStateLabel> {
        let mut shown = BTreeSet::new();
        for ((dataplane, state), count) in counts {
            let label = NameStateLabel {
                dataplane: dataplane.name.to_string(),
                dataplane_namespace: dataplane.namespace.to_string(),
                state: state.name(),
            };
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            self.names.get_or_create(&label).set(count);
            shown.insert(label);
        }
        for gone in before.difference(&shown) {
            self.names.remove(gone);
        }
        shown
    }
}

/// The collection from sidecars. How each pod fared stands beside its samples, not here.
#[derive(Clone, Debug, Default)]
pub struct Collect {
    /// Pods whose samples could not be had, by reason.
    pub failed: Family<Reason, Counter>,
    /// Lines of pods' expositions left out, by reason.
    pub left_out: Family<Reason, Counter>,
}

/// Which metric was asked for, and how that was answered.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Answered {
    /// A metric of the catalogue, `discovery` or `other`.
    pub metric: &'static str,
    /// The status of the answer.
    pub code: u16,
}

/// What came of finding out who asks.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct AuthResult {
    /// `known`, `refused` or `unavailable`.
    pub result: &'static str,
}

/// Whose the APIService of a version is.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ApiServiceState {
    /// The version.
    pub version: &'static str,
    /// `ours`, `foreign` or `absent`.
    pub state: &'static str,
}

/// The metrics API. Only an operator that serves it has these.
#[derive(Clone, Debug)]
pub struct CustomMetrics {
    /// Requests answered.
    pub requests: Family<Answered, Counter>,
    /// How long that took, in seconds.
    pub duration: Histogram,
    /// Who asked, as far as that could be found out.
    pub authentications: Family<AuthResult, Counter>,
    /// SubjectAccessReviews sent.
    pub access_reviews: Counter,
    /// 1 for the state that each APIService is in.
    pub api_services: Family<ApiServiceState, Gauge>,
}

impl Default for CustomMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            duration: Histogram::new([0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0]),
            authentications: Family::default(),
            access_reviews: Counter::default(),
            api_services: Family::default(),
        }
    }
}

impl CustomMetrics {
    /// Adds them to all others.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "custom_metrics_requests",
            "Requests to the metrics API, by metric and status",
            self.requests.clone(),
        );
        registry.register(
            "custom_metrics_request_duration_seconds",
            "Time that answers of the metrics API took",
            self.duration.clone(),
        );
        registry.register(
            "custom_metrics_auth",
            "Requests to the metrics API, by whether it could be told who asks",
            self.authentications.clone(),
        );
        registry.register(
            "custom_metrics_sar",
            "SubjectAccessReview requests to the API server",
            self.access_reviews.clone(),
        );
        registry.register(
            "custom_metrics_api_service",
            "Whose the APIService of each version is: 1 for its state",
            self.api_services.clone(),
        );
    }
}

/// How a pod stands with its summaries.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct PodState {
    /// `reports`, `late` or `missing`.
    pub state: &'static str,
}

/// The collection of summaries, for the metrics API.
#[derive(Clone, Debug, Default)]
pub struct SummaryMetrics {
    /// Summaries asked for, by what came of it.
    pub collections: Family<Reason, Counter>,
    /// Pods, by how they stand.
    pub pods: Family<PodState, Gauge>,
    /// Services that have had requests lately, in each DataPlane.
    pub services: Gauge,
    /// Increments left out, by reason.
    pub dropped: Family<Reason, Counter>,
}

impl SummaryMetrics {
    /// Adds them to all others.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "custom_metrics_collections",
            "Summaries that sidecars were asked for, by what came of it: ok, or why there is none",
            self.collections.clone(),
        );
        registry.register(
            "custom_metrics_pods",
            "Kong pods by how they stand with their summaries: missing ones are not known",
            self.pods.clone(),
        );
        registry.register(
            "custom_metrics_services",
            "Services that have had requests lately, in each DataPlane",
            self.services.clone(),
        );
        registry.register(
            "custom_metrics_dropped_increments",
            "Increments of a Service that no pod can have",
            self.dropped.clone(),
        );
    }
}

/// All of them, and where they are written from.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    /// The label push.
    pub push: PushMetrics,
    /// The watches.
    pub watches: Watches,
    /// The reconcilers.
    pub reconcile: Reconcile,
    /// Kong's names.
    pub names: NameMetrics,
    /// The collection.
    pub collect: Collect,
}

impl Default for Metrics {
    fn default() -> Self {
        let (push, watches) = (PushMetrics::default(), Watches::default());
        let (reconcile, collect) = (Reconcile::default(), Collect::default());
        let names = NameMetrics::default();
        let mut registry = Registry::with_prefix("tagalong");
        let r = &mut registry;
        r.register(
            "push_streams",
            "Label streams that are open",
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
            "TokenReview requests to the API server",
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
            "Reconcile passes",
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
            "Current refusals and problems, by reason",
            reconcile.refused.clone(),
        );
        r.register(
            "reconcile_pods_without_sidecar",
            "Pods of DataPlanes labelled for injection that run without a sidecar",
            reconcile.uninjected_pods.clone(),
        );
        r.register(
            "index_names",
            "Kong names of a DataPlane, by what becomes of them",
            names.names.clone(),
        );
        r.register(
            "collect_failures",
            "Pods whose samples could not be collected, by reason",
            collect.failed.clone(),
        );
        r.register(
            "collect_lines_left_out",
            "Lines of pods' expositions that were left out, by reason",
            collect.left_out.clone(),
        );
        Self {
            registry: Arc::new(Mutex::new(registry)),
            push,
            watches,
            reconcile,
            names,
            collect,
        }
    }
}

impl Metrics {
    /// Adds more, under the common prefix.
    pub fn register(&self, register: impl FnOnce(&mut Registry)) {
        register(&mut self.registry.lock());
    }

    /// All of them, in text format 0.0.4. In OpenMetrics, as the registry writes it, a counter's family
    /// lacks the suffix that its samples have.
    #[must_use]
    pub fn plain(&self) -> String {
        let open = self.encode();
        let mut plain = String::with_capacity(open.len());
        let mut counters = BTreeSet::new();
        for line in open.lines() {
            if let Some(name) = line
                .strip_prefix("# TYPE ")
                .and_then(|rest| rest.strip_suffix(" counter"))
            {
                counters.insert(name);
            }
        }
        for line in open.lines().filter(|line| *line != "# EOF") {
            let mut words = line.splitn(4, ' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("#"), Some(keyword), Some(name), Some(rest)) if counters.contains(name) => {
                    let suffixed = format!("# {keyword} {name}_total {rest}");
                    plain.push_str(&suffixed);
                }
                _ => plain.push_str(line),
            }
            plain.push('\n');
        }
        plain
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

#[cfg(test)]
mod tests;
