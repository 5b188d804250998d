//! What is wanted, derived from the index.

use crate::reconcile::diff::Wanted;
use tagalong_index::{Index, Outcome, Plan};

/// The plans of all extensions, and what they come to together.
#[must_use]
pub fn wanted(index: &Index, bundle: Option<&str>) -> (Vec<Plan>, Wanted) {
    let plans: Vec<Plan> = index.extensions().map(|key| index.plan(key)).collect();
    let mut wanted = Wanted {
        bundle: bundle.map(str::to_owned),
        ..Wanted::default()
    };
    for plan in &plans {
        if plan.seen.is_some() && !plan.attachments.is_empty() {
            wanted.held.insert(plan.extension.clone());
        }
        for plugin in &plan.plugins {
            let config = plugin.config.0.clone();
            wanted
                .plugins
                .insert(plugin.key.clone(), (config, plan.extension.clone()));
        }
        for service in &plan.services {
            if let Outcome::Plugin(plugin) = &service.outcome {
                wanted
                    .services
                    .insert(service.service.clone(), plugin.clone());
            }
        }
    }
    for dataplane in index
        .dataplanes()
        .filter(|dataplane| dataplane.is_attached())
    {
        // A workload is marked by a person; only its pods' namespace needs the authority.
        if dataplane.is_managed() && !dataplane.deleting {
            wanted.dataplanes.insert(dataplane.key.clone());
        }
        wanted
            .namespaces
            .insert(dataplane.key.namespace.to_string());
    }
    (plans, wanted)
}
