//! The desired state, derived from the index and from the NetworkPolicies of others.

pub mod policies;

use crate::reconcile::sources::Placement;
use crate::world::observed::Observed;
use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use policies::DesiredPolicy;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use tagalong_index::{Index, Key, Plan, PlanOutcome};

/// What the objects that tagalong writes should hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// KongPlugins: their settings, and the extension that each is for.
    pub plugins: BTreeMap<Key, (Map<String, Value>, Key)>,
    /// Services, and the plugin that each is to name.
    pub services: BTreeMap<Key, String>,
    /// DataPlanes that are to have the sidecar.
    pub dataplanes: BTreeSet<Key>,
    /// Which of them get it from a GatewayConfiguration, and which configurations have it for them.
    pub placement: Placement,
    /// Namespaces whose pods need the certificate authority.
    pub namespaces: BTreeSet<String>,
    /// Extensions that need our finalizer, since something in other objects is for them.
    pub finalized: BTreeSet<Key>,
    /// NetworkPolicies that admit to sidecars.
    pub policies: BTreeMap<Key, DesiredPolicy>,
    /// What sidecars are to trust, once it is known.
    pub bundle: Option<String>,
}

/// The plans of all extensions, and what they come to together.
#[must_use]
pub fn desired(
    index: &Index,
    observed: &Observed,
    bundle: Option<&str>,
    admitted: &[NetworkPolicyPeer],
    placement: Placement,
) -> (Vec<Plan>, Desired) {
    let plans: Vec<Plan> = index.extensions().map(|key| index.plan(key)).collect();
    let mut desired = Desired {
        policies: policies::policies(index, observed, admitted),
        bundle: bundle.map(str::to_owned),
        placement,
        ..Desired::default()
    };
    for plan in &plans {
        if plan.seen.is_some() && !plan.attachments.is_empty() {
            desired.finalized.insert(plan.extension.clone());
        }
        for plugin in &plan.plugins {
            let config = plugin.config.0.clone();
            desired
                .plugins
                .insert(plugin.key.clone(), (config, plan.extension.clone()));
        }
        for service in &plan.services {
            if let PlanOutcome::Plugin(plugin) = &service.outcome {
                desired
                    .services
                    .insert(service.service.clone(), plugin.clone());
            }
        }
    }
    for dataplane in index
        .dataplanes()
        .filter(|dataplane| dataplane.is_attached())
    {
        // A workload is labelled for injection by a person; only its pods' namespace needs the authority.
        if dataplane.is_managed() && !dataplane.deleting {
            desired.dataplanes.insert(dataplane.key.clone());
        }
        desired
            .namespaces
            .insert(dataplane.key.namespace.to_string());
    }
    (plans, desired)
}
