//! Which Services share rules, and so must carry the same `konghq.com/…` annotations.
//!
//! Where a Kong service has several Kubernetes Services behind it, Kong's controllers demand that each annotation whose key
//! begins with `konghq.com` has the same value on all of them; else they leave the Kong service out, and its routes with it
//! (KIC `ingressrules.go`, `collectInconsistentAnnotations`).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::{key::Key, object::Source};

/// The Services of one rule, sorted.
pub(crate) type Group = Arc<[Key]>;

#[derive(Debug, Default)]
pub(crate) struct Fellows {
    sources: HashMap<Source, Vec<Group>>,
    groups: HashMap<Group, BTreeSet<Source>>,
    by_service: HashMap<Key, BTreeSet<Group>>,
}

impl Fellows {
    /// The Services of rules that would come or go if an object had these.
    pub(crate) fn affected(&self, source: &Source, groups: &[Vec<Key>]) -> BTreeSet<Key> {
        let old = self
            .sources
            .get(source)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let gone = old
            .iter()
            .filter(|group| !groups.iter().any(|other| *other == ***group))
            .flat_map(|group| group.iter());
        let come = groups
            .iter()
            .filter(|group| !old.iter().any(|other| **group == **other))
            .flatten();
        gone.chain(come).cloned().collect()
    }

    /// Puts in the rules of an object that have several Services.
    pub(crate) fn replace(&mut self, source: &Source, groups: Vec<Vec<Key>>) {
        for group in self.sources.remove(source).unwrap_or_default() {
            self.remove(source, &group);
        }
        let groups: Vec<Group> = groups
            .into_iter()
            .map(|group| self.add(source, group))
            .collect();
        if !groups.is_empty() {
            self.sources.insert(source.clone(), groups);
        }
    }

    /// All Services that must be annotated alike with this one, itself included, each with one rule's object that says so.
    pub(crate) fn of(&self, service: &Key) -> BTreeMap<Key, Option<&Source>> {
        let mut found = BTreeMap::from([(service.clone(), None)]);
        let mut open = vec![service.clone()];
        while let Some(next) = open.pop() {
            for group in self.by_service.get(&next).into_iter().flatten() {
                let because = self.groups.get(group).and_then(BTreeSet::first);
                for fellow in group.iter() {
                    if !found.contains_key(fellow) {
                        found.insert(fellow.clone(), because);
                        open.push(fellow.clone());
                    }
                }
            }
        }
        found
    }

    fn add(&mut self, source: &Source, group: Vec<Key>) -> Group {
        let group = match self.groups.get_key_value(group.as_slice()) {
            Some((shared, _)) => Arc::clone(shared),
            None => Group::from(group),
        };
        let sources = self.groups.entry(Arc::clone(&group)).or_default();
        if sources.is_empty() {
            for service in group.iter() {
                self.by_service
                    .entry(service.clone())
                    .or_default()
                    .insert(Arc::clone(&group));
            }
        }
        sources.insert(source.clone());
        group
    }

    fn remove(&mut self, source: &Source, group: &Group) {
        let Some(sources) = self.groups.get_mut(group) else {
            return;
        };
        sources.remove(source);
        if !sources.is_empty() {
            return;
        }
        self.groups.remove(group);
        for service in group.iter() {
            if let Some(groups) = self.by_service.get_mut(service) {
                groups.remove(group);
                if groups.is_empty() {
                    self.by_service.remove(service);
                }
            }
        }
    }
}
