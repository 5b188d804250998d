//! What is known of Services and DataPlanes before any pod is asked: whether anything would count.

use crate::world::observed::Observed;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tagalong_index::{Index, Key, ObjectKind, PlanOutcome, annotation};
use tokio::time::Instant;

/// What is known of the cluster.
#[derive(Debug, Default)]
pub(super) struct Known {
    services: HashMap<Key, KnownService>,
    /// The Services of each DataPlane's table, all as they are written.
    tables: BTreeMap<String, BTreeSet<String>>,
    /// By resource and object, the DataPlane.
    planes: HashMap<(&'static str, Key), String>,
}

/// What is known of a Service that a table leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownService {
    /// The DataPlanes whose tables those are.
    pub(super) dataplanes: Vec<String>,
    /// Since when Kong is told to count latency, if that was seen to begin; or why it is not.
    pub(super) latency: Result<Option<Instant>, String>,
}

/// A DataPlane of Kong's operators.
pub const DATAPLANES: &str = "dataplanes.gateway-operator.konghq.com";
/// The Gateway that it serves.
pub const GATEWAYS: &str = "gateways.gateway.networking.k8s.io";
/// A Deployment that stands for one.
pub const DEPLOYMENTS: &str = "deployments.apps";

impl Known {
    /// What is known now, where `before` was known before; none at the beginning.
    pub(super) fn of(index: &Index, observed: &Observed, before: Option<&Self>) -> Self {
        let mut known = Self::default();
        for dataplane in index.dataplanes().filter(|one| one.is_attached()) {
            let key = &dataplane.key;
            let table = index.snapshot(key).unwrap_or_default();
            let names = table.services.0.into_values();
            let services: BTreeSet<Key> = names
                .map(|service| Key::new(&*service.namespace, &*service.name))
                .collect();
            known.tables.insert(
                key.to_string(),
                services.iter().map(Key::to_string).collect(),
            );
            for service in services {
                let entry = known.services.entry(service);
                let entry = entry.or_insert_with(|| KnownService {
                    dataplanes: Vec::new(),
                    latency: Ok(None),
                });
                entry.dataplanes.push(key.to_string());
            }
            for object in &dataplane.objects {
                let resource = match object.kind {
                    ObjectKind::DataPlane => DATAPLANES,
                    ObjectKind::Deployment => DEPLOYMENTS,
                    _ => continue,
                };
                let of = (resource, object.key.clone());
                known.planes.insert(of, key.to_string());
            }
            if let Some(gateway) = index.served_gateway(key) {
                let of = (GATEWAYS, gateway.clone());
                known.planes.insert(of, key.to_string());
            }
        }
        let planned = planned(index, observed);
        for (service, known) in &mut known.services {
            let told = match planned.get(service) {
                Some(told) => told.clone(),
                None if index.is_latency_counted_everywhere(service) => Ok(()),
                None => Err(format!(
                    "Kong does not count the latency of Service {service}: no attached DataPlaneMetricsExtension selects it, and no global prometheus plugin \
                     has latency_metrics"
                )),
            };
            known.latency = told.map(|()| {
                let before = before?;
                match before.services.get(service).map(|known| &known.latency) {
                    Some(Ok(since)) => *since,
                    _ => Some(Instant::now()),
                }
            });
        }
        known
    }

    pub(super) fn service(&self, service: &Key) -> Option<&KnownService> {
        self.services.get(service)
    }

    pub(super) fn services_of(&self, dataplane: &str) -> impl Iterator<Item = &str> {
        let services = self.tables.get(dataplane).into_iter().flatten();
        services.map(String::as_str)
    }

    pub(super) fn dataplane(&self, resource: &str, object: &Key) -> Option<&str> {
        let resources = [DATAPLANES, GATEWAYS, DEPLOYMENTS];
        let resource = resources.into_iter().find(|one| *one == resource)?;
        let plane = self.planes.get(&(resource, object.clone()))?;
        Some(plane)
    }
}

/// Whether the plugin that counts latency stands where it is to stand, of each Service that an extension selects.
fn planned(index: &Index, observed: &Observed) -> HashMap<Key, Result<(), String>> {
    const LATENCY: &str = "latency_metrics";
    let mut told = HashMap::new();
    for extension in index.extensions() {
        let plan = index.plan(extension);
        if plan.seen.is_none() {
            continue;
        }
        for one in &plan.services {
            let service = &one.service;
            let says = match &one.outcome {
                PlanOutcome::Plugin(name) => {
                    let key = Key::new(&*service.namespace, name.as_str());
                    let wanted = plan.plugins.iter().find(|plugin| plugin.key == key);
                    let is_on = |config: &serde_json::Map<String, serde_json::Value>| {
                        config.get(LATENCY) == Some(&serde_json::Value::Bool(true))
                    };
                    let there = observed.plugins.get(&key).filter(|there| !there.disabled);
                    let listed = observed.services.get(service);
                    let listed = listed.and_then(|seen| seen.plugins.as_deref());
                    let listed = annotation::items(listed.unwrap_or_default());
                    if !wanted.is_some_and(|wanted| is_on(&wanted.config.0)) {
                        Err(format!(
                            "Kong does not count the latency of Service {service}: set spec.config.latency of DataPlaneMetricsExtension {extension}"
                        ))
                    } else if listed.into_iter().any(|item| item == name)
                        && there.is_some_and(|there| is_on(&there.config))
                    {
                        Ok(())
                    } else {
                        Err(format!(
                            "the plugin {name} is not yet in place on Service {service}"
                        ))
                    }
                }
                outcome @ (PlanOutcome::Missing | PlanOutcome::Refused(_)) => {
                    Err(format!("Service {service} {outcome}"))
                }
            };
            // Another extension that was refused takes nothing from one that was not.
            let before = told.entry(service.clone());
            let before = before.or_insert_with(|| says.clone());
            if says.is_ok() {
                *before = says;
            }
        }
    }
    told
}
