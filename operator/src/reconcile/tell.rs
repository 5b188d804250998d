//! Tells people: the status of extensions where it has room, and Events, each thing once.

use crate::events::Events;
use crate::metrics::{self, Kind, Reason};
use crate::reconcile::observed::Observe as _;
use crate::reconcile::status::{Finding, findings, status};
use crate::reconcile::write::{Written, api, namespace_ends, typed};
use crate::world::World;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tagalong_crds::{
    DataPlaneMetricsExtension, GATEWAY_OPERATOR, Kind as _, MetricsExtensionStatus,
};
use tagalong_index::{Key, Plan};
use tagalong_runtime::lease::Writes;

/// A note of an Event may hold 1 kB (`validateV1EventSeries` and its neighbours in Kubernetes).
const NOTE: usize = 1000;

/// Tells people.
pub struct Teller {
    client: kube::Client,
    events: Events,
    writes: Writes,
    world: World,
    metrics: metrics::Reconcile,
    said: BTreeSet<(Key, Finding)>,
    /// Kong's own definition of the kind has no room for conditions: it drops them without a word.
    no_room: BTreeSet<Key>,
}

impl Teller {
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
            events: Events::new(client.clone(), instance),
            client,
            writes,
            world,
            metrics,
            said: BTreeSet::new(),
            no_room: BTreeSet::new(),
        }
    }

    /// Says what is to be said after a pass. `false`: something could not be said and is to be tried again.
    pub async fn tell(&mut self, plans: &[Plan], written: &Written) -> bool {
        let mut now = BTreeSet::new();
        let mut counts: BTreeMap<&'static str, i64> = BTreeMap::new();
        let mut all_said = true;
        for plan in plans {
            let (found, stands) = self.world.look(|state| {
                let found = findings(plan, &state.index, written);
                (
                    found,
                    state.observed.extensions.get(&plan.extension).cloned(),
                )
            });
            let Some(stands) = stands else { continue };
            for finding in &found {
                *counts.entry(finding.reason).or_default() += 1;
                let said = (plan.extension.clone(), finding.clone());
                if !self.said.contains(&said) {
                    self.event(&stands, finding).await;
                }
                now.insert(said);
            }
            if plan.seen.is_some() {
                all_said &= self.status(plan, &found, &stands).await;
            }
        }
        self.said = now;
        self.metrics.refused.clear();
        for (reason, count) in counts {
            self.metrics
                .refused
                .get_or_create(&Reason { reason })
                .set(count);
        }
        all_said
    }

    async fn event(&mut self, extension: &DataPlaneMetricsExtension, finding: &Finding) {
        let regarding = ObjectReference {
            api_version: Some(DataPlaneMetricsExtension::preferred().api_version),
            kind: Some(DataPlaneMetricsExtension::KIND.to_owned()),
            name: extension.metadata.name.clone(),
            namespace: extension.metadata.namespace.clone(),
            uid: extension.metadata.uid.clone(),
            ..ObjectReference::default()
        };
        let secondary = finding.about.as_ref().map(|(kind, key)| ObjectReference {
            kind: Some((*kind).to_owned()),
            name: Some(key.name.to_string()),
            namespace: Some(key.namespace.to_string()),
            ..ObjectReference::default()
        });
        let mut note = finding.message.clone();
        if note.len() > NOTE {
            let end = (0..=NOTE - 3).rev().find(|end| note.is_char_boundary(*end));
            note.truncate(end.unwrap_or_default());
            note.push('…');
        }
        let event = Event {
            type_: EventType::Warning,
            reason: finding.reason.to_owned(),
            note: Some(note),
            action: "Reconcile".to_owned(),
            secondary,
        };
        let published = self
            .writes
            .run(self.events.record(&event, &regarding))
            .await;
        if let Ok(Err(error)) = published
            && !namespace_ends(&error)
        {
            tracing::warn!(%error, reason = finding.reason, "cannot record an Event");
        }
        tracing::info!(
            namespace = extension.metadata.namespace,
            name = extension.metadata.name,
            reason = finding.reason,
            "{}",
            finding.message
        );
    }

    async fn status(
        &mut self,
        plan: &Plan,
        findings: &[Finding],
        stands: &DataPlaneMetricsExtension,
    ) -> bool {
        let key = &plan.extension;
        let now = Timestamp::now();
        let old = stands.status.as_ref();
        let new = status(plan, findings, old, now);
        let reference = |status: Option<&MetricsExtensionStatus>| {
            status.and_then(|status| status.control_plane_ref.clone())
        };
        let same = if self.no_room.contains(key) {
            reference(old) == new.control_plane_ref
        } else {
            old == Some(&new)
        };
        if same {
            return true;
        }
        let api = api::<DataPlaneMetricsExtension>(&self.client, key);
        let patch = Patch::Merge(json!({
            "metadata": {"resourceVersion": stands.metadata.resource_version},
            "status": {
                "controlPlaneRef": new.control_plane_ref,
                "conditions": new.conditions,
                "observedGeneration": new.observed_generation,
            },
        }));
        let params = PatchParams::default();
        let answer = self
            .writes
            .run(api.patch_status(&key.name, &params, &patch))
            .await;
        let label = Kind {
            kind: "DataPlaneMetricsExtension",
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
                    self.no_room.remove(key);
                } else if self.no_room.insert(key.clone()) {
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
                tracing::warn!(%key, %error, "cannot write the status, tries again");
                false
            }
            Err(_not_leader) => false,
        }
    }
}
