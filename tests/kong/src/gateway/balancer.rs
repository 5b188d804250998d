//! Which target a try goes to: smooth weighted round-robin.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::config::{Config, Target};

/// The targets of one upstream and whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct Balancer {
    targets: Vec<Target>,
    turns: Mutex<Vec<i64>>,
}

impl Balancer {
    fn new(targets: &[Target]) -> Self {
        // Weight 0 means no new traffic.
        let targets: Vec<Target> = targets
            .iter()
            .filter(|target| target.weight > 0)
            .cloned()
            .collect();
        let turns = Mutex::new(vec![0; targets.len()]);
        Self { targets, turns }
    }

    /// The next target; one that is not in `tried`, as long as there is one. `None` without any target.
    pub(crate) fn next(&self, tried: &[String]) -> Option<&str> {
        let fresh = |target: &Target| !tried.contains(&target.target);
        let all_tried = !self.targets.iter().any(fresh);
        let mut turns = self.turns.lock();
        let mut total = 0;
        let mut best: Option<usize> = None;
        for (index, target) in self.targets.iter().enumerate() {
            if !(all_tried || fresh(target)) {
                continue;
            }
            turns[index] += i64::from(target.weight);
            total += i64::from(target.weight);
            if best.is_none_or(|best| turns[index] > turns[best]) {
                best = Some(index);
            }
        }
        let best = best?;
        turns[best] -= total;
        self.targets.get(best).map(|target| target.target.as_str())
    }
}

/// All balancers of a configuration, by upstream. Those whose targets did not change keep their turn.
pub(crate) fn balancers(
    config: &Config,
    before: &BTreeMap<String, std::sync::Arc<Balancer>>,
) -> BTreeMap<String, std::sync::Arc<Balancer>> {
    config
        .upstreams
        .values()
        .map(|upstream| {
            let fresh = Balancer::new(&upstream.targets);
            let kept = before
                .get(&upstream.name)
                .filter(|old| same(&old.targets, &fresh.targets));
            (
                upstream.name.clone(),
                kept.cloned().unwrap_or_else(|| fresh.into()),
            )
        })
        .collect()
}

fn same(old: &[Target], new: &[Target]) -> bool {
    let pairs = |list: &[Target]| {
        list.iter()
            .map(|target| (target.target.clone(), target.weight))
            .collect::<Vec<_>>()
    };
    pairs(old) == pairs(new)
}

#[cfg(test)]
mod tests;
