//! The NetworkPolicies to write: from what is observed to what is desired.

use crate::reconcile::action::Action;
use crate::reconcile::desired::policies::DesiredPolicy;
use crate::world::observed::Observed;
use std::collections::BTreeMap;
use tagalong_index::Key;

/// The writes that make them so.
pub(super) fn due(desired: &BTreeMap<Key, DesiredPolicy>, observed: &Observed) -> Vec<Action> {
    let write = desired.iter().filter_map(|(key, desired)| {
        let stands = observed.policies.get(key);
        let right = stands.is_some_and(|stands| {
            stands.spec == desired.spec && stands.owners == [desired.owner.clone()]
        });
        // One that has our name and not our label is somebody else's.
        let theirs = stands.is_some_and(|stands| !stands.ours);
        (!right && !theirs).then(|| Action::Policy {
            key: key.clone(),
            desired: Box::new(desired.clone()),
            version: stands.map(|stands| stands.version.clone()),
        })
    });
    let unused = observed
        .policies
        .iter()
        .filter(|(key, policy)| policy.ours && !desired.contains_key(key))
        .map(|(key, policy)| Action::DeletePolicy {
            key: key.clone(),
            version: policy.version.clone(),
        });
    write.chain(unused).collect()
}

#[cfg(test)]
mod tests;
