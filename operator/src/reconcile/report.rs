//! Reports to people: conditions of extensions, where the definition has them, and Events, each problem once.

use crate::causes::in_words;
use crate::events::EventRecorder;
use crate::lease::{Writes, patches};
use crate::metrics::{self, KindLabel, Reason};
use crate::reconcile::backoff::Pause;
use crate::reconcile::status::{
    PassResult, Problem, WRITE_FAILED, counts, problems, status, write_failed,
};
use crate::reconcile::subject::{Subject, SubjectKind};
use crate::reconcile::write::{api, namespace_ends, typed};
use crate::world::World;
use crate::world::observed::Observe as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::Patch;
use kube::runtime::events::{Event, EventType};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tagalong_crds::{
    DataPlaneMetricsExtension, GATEWAY_OPERATOR, Kind as _, MetricsExtensionStatus,
};
use tagalong_index::{Key, Plan};
use tokio::time::Instant;

/// A note of an Event may hold 1 kB (`validateV1EventSeries` and its neighbours in Kubernetes).
const NOTE: usize = 1000;

/// What is normal in the first seconds of a new Gateway is an Event only once it has stood for so long.
const SETTLES: Duration = Duration::from_secs(30);
/// The reasons of that.
const SETTLING: [&str; 2] = ["Pending", "DataPlaneNotFound"];

/// What was reported: of which extension, if of one; the reason; about what; and in which words, where those are news.
type Reported = (Option<Key>, &'static str, Option<Subject>, Option<String>);

/// Writes conditions and Events.
pub struct StatusReporter {
    client: kube::Client,
    events: EventRecorder,
    writes: Writes,
    world: World,
    metrics: metrics::Reconcile,
    reported: BTreeSet<Reported>,
    /// What may yet settle, and since when it has stood.
    settling: BTreeMap<Reported, Instant>,
    /// Statuses that could not be written, and over which version.
    pending: BTreeMap<Key, (Pause, Option<String>)>,
    /// Kong's own definition of the kind has no room for conditions: it drops them without a word.
    without_conditions: BTreeSet<Key>,
}

impl StatusReporter {
    /// Speaks as `instance`.
    #[must_use]
    pub fn new(
        client: kube::Client,
        instance: &str,
        writes: Writes,
        world: World,
        metrics: metrics::Reconcile,
    ) -> Self {
        Self {
            events: EventRecorder::new(client.clone(), instance),
            client,
            writes,
            world,
            metrics,
            reported: BTreeSet::new(),
            settling: BTreeMap::new(),
            pending: BTreeMap::new(),
            without_conditions: BTreeSet::new(),
        }
    }

    /// Reports what a pass found. Returns when to try again what could not be written.
    pub async fn report(&mut self, plans: &[Plan], result: &PassResult) -> Option<Duration> {
        let mut now = BTreeSet::new();
        let mut refused: BTreeMap<&'static str, i64> = BTreeMap::new();
        let mut unclaimed = result.failed.clone();
        let mut next = None;
        let pending = std::mem::take(&mut self.pending);
        let settling = std::mem::take(&mut self.settling);
        for plan in plans {
            let (found, stands) = self.world.with(|state| {
                let found = problems(plan, &state.index, result);
                (
                    found,
                    state.observed.extensions.get(&plan.extension).cloned(),
                )
            });
            let Some(stands) = stands else { continue };
            let mut regarding = SubjectKind::Extension.at(&plan.extension).reference();
            regarding.uid.clone_from(&stands.metadata.uid);
            for problem in &found {
                // `tagalong_index_names` counts the names; nothing is refused.
                if problem.condition.is_none_or(counts) {
                    *refused.entry(problem.reason).or_default() += 1;
                }
                if problem.reason == WRITE_FAILED
                    && let Some(subject) = &problem.about
                {
                    unclaimed.remove(subject);
                }
                let extension = Some(plan.extension.clone());
                // The API server's words may differ each time. The words of what is intended count the rules that are split: one more is no news.
                let words = (problem.reason != WRITE_FAILED && !problem.is_intended())
                    .then(|| problem.message.clone());
                let reported = (extension, problem.reason, problem.about.clone(), words);
                if !self.reported.contains(&reported) {
                    let since = settling.get(&reported).copied();
                    if let Some(left) = self.settles(&reported, since) {
                        next = [next, Some(left)].into_iter().flatten().min();
                        continue;
                    }
                    self.event(&regarding, problem).await;
                }
                now.insert(reported);
            }
            if plan.seen.is_some() {
                let last = pending.get(&plan.extension);
                let pending_for = self.status(plan, &found, &stands, last).await;
                next = pending_for.into_iter().chain(next).min();
            }
        }
        // What is taken back concerns no extension any more: then the object itself is where people look.
        for (subject, error) in &unclaimed {
            *refused.entry(WRITE_FAILED).or_default() += 1;
            let reported = (None, WRITE_FAILED, Some(subject.clone()), None);
            if !self.reported.contains(&reported) {
                let problem = write_failed(subject, error);
                self.event(&subject.reference(), &problem).await;
            }
            now.insert(reported);
        }
        self.reported = now;
        self.metrics.refused.clear();
        for (reason, count) in refused {
            self.metrics
                .refused
                .get_or_create(&Reason { reason })
                .set(count);
        }
        next
    }

    /// How long to wait with the Event of something that may yet settle, and has stood `since`.
    fn settles(&mut self, reported: &Reported, since: Option<Instant>) -> Option<Duration> {
        let (now, reason) = (Instant::now(), reported.1);
        let since = since.unwrap_or(now);
        let left = (since + SETTLES).saturating_duration_since(now);
        if !SETTLING.contains(&reason) || left.is_zero() {
            return None;
        }
        self.settling.insert(reported.clone(), since);
        Some(left)
    }

    async fn event(&mut self, regarding: &ObjectReference, problem: &Problem) {
        let secondary = problem.about.as_ref().map(Subject::reference);
        let mut note = problem.message.clone();
        if let Some(detail) = &problem.detail {
            note = format!("{note} ({detail})");
        }
        if note.len() > NOTE {
            let end = (0..=NOTE - 3).rev().find(|end| note.is_char_boundary(*end));
            note.truncate(end.unwrap_or_default());
            note.push('…');
        }
        let type_ = if problem.is_intended() {
            EventType::Normal
        } else {
            EventType::Warning
        };
        let event = Event {
            type_,
            reason: problem.reason.to_owned(),
            note: Some(note),
            action: "Reconcile".to_owned(),
            secondary,
        };
        let published = self.writes.run(self.events.record(&event, regarding)).await;
        if let Ok(Err(error)) = published
            && !namespace_ends(&error)
        {
            let error = in_words(&error);
            tracing::warn!(error, reason = problem.reason, "cannot record an Event");
        }
        tracing::info!(
            kind = regarding.kind,
            namespace = regarding.namespace,
            name = regarding.name,
            reason = problem.reason,
            "{}",
            event.note.unwrap_or_default()
        );
    }

    /// Writes the status, if another one stands and `last` time is long enough ago. Says when to try again.
    async fn status(
        &mut self,
        plan: &Plan,
        problems: &[Problem],
        stands: &DataPlaneMetricsExtension,
        last: Option<&(Pause, Option<String>)>,
    ) -> Option<Duration> {
        let key = &plan.extension;
        let now = Timestamp::now();
        let old = stands.status.as_ref();
        let new = status(plan, problems, old, now);
        let reference = |status: Option<&MetricsExtensionStatus>| {
            status.and_then(|status| status.control_plane_ref.clone())
        };
        let same = if self.without_conditions.contains(key) {
            reference(old) == new.control_plane_ref
        } else {
            old == Some(&new)
        };
        if same {
            return None;
        }
        let version = &stands.metadata.resource_version;
        if let Some((pause, over)) = last {
            let left = pause.left(over != version, Instant::now());
            if !left.is_zero() {
                self.pending.insert(key.clone(), (*pause, over.clone()));
                return Some(left);
            }
        }
        if self.write(key, &new, version.as_deref()).await {
            return None;
        }
        let now = Instant::now();
        let pause = Pause::after(last.map(|(pause, _)| *pause), now);
        self.pending.insert(key.clone(), (pause, version.clone()));
        Some(pause.left(false, now))
    }

    async fn write(
        &mut self,
        key: &Key,
        new: &MetricsExtensionStatus,
        version: Option<&str>,
    ) -> bool {
        let api = api::<DataPlaneMetricsExtension>(&self.client, key);
        let patch = Patch::Merge(json!({
            "metadata": {"resourceVersion": version},
            "status": {
                "controlPlaneRef": new.control_plane_ref,
                "conditions": new.conditions,
                "observedGeneration": new.observed_generation,
            },
        }));
        let params = patches();
        let answer = self
            .writes
            .run(api.patch_status(&key.name, &params, &patch))
            .await;
        let label = KindLabel {
            kind: SubjectKind::Extension.name(),
        };
        match answer {
            Ok(Ok(answer)) => {
                let Some(object) = typed::<DataPlaneMetricsExtension>(answer) else {
                    return false;
                };
                self.metrics.writes.get_or_create(&label).inc();
                let kept = object
                    .status
                    .as_ref()
                    .is_some_and(|status| !status.conditions.is_empty());
                if kept {
                    self.without_conditions.remove(key);
                } else if self.without_conditions.insert(key.clone()) {
                    tracing::info!(
                        %key,
                        "the installed definition of {} in {GATEWAY_OPERATOR} has no conditions: its state shows in Events only",
                        DataPlaneMetricsExtension::KIND
                    );
                }
                self.world.note(|observed| {
                    object.seen(observed);
                });
                true
            }
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => false,
            Ok(Err(error)) => {
                self.metrics.failures.get_or_create(&label).inc();
                let error = in_words(&error);
                tracing::warn!(%key, error, "cannot write the status, tries again");
                false
            }
            Err(_not_leader) => false,
        }
    }
}
