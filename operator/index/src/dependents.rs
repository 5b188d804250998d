//! Which routes to read again when something that they refer to changes.
//!
//! A rule with one Service in its own namespace depends on nothing, and is not kept here: so what a change costs is that of
//! the routes that it concerns, however many there are.

use std::collections::{BTreeSet, HashMap};

use crate::{key::Key, object::Source, referents::Referent, translate::Draft};

#[derive(Debug, Default)]
pub(crate) struct Dependents {
    drafts: HashMap<Source, Draft>,
    sources: HashMap<Referent, BTreeSet<Source>>,
}

impl Dependents {
    /// An object is new, another or gone.
    pub(crate) fn replace(&mut self, source: &Source, new: Option<Draft>) {
        if let Some(old) = self.drafts.remove(source) {
            for referent in old.referents(source) {
                if let Some(sources) = self.sources.get_mut(&referent) {
                    sources.remove(source);
                    if sources.is_empty() {
                        self.sources.remove(&referent);
                    }
                }
            }
        }
        let Some(new) = new else { return };
        let referents = new.referents(source);
        if referents.is_empty() {
            return;
        }
        for referent in referents {
            let sources = self.sources.entry(referent).or_default();
            sources.insert(source.clone());
        }
        self.drafts.insert(source.clone(), new);
    }

    /// The Services to which a name of an object refers, where it refers to several, or into other namespaces.
    pub(crate) fn services(&self, source: &Source, name: &str) -> impl Iterator<Item = &Key> {
        let draft = self.drafts.get(source);
        draft
            .into_iter()
            .flat_map(move |draft| draft.services(name))
    }

    /// The objects that depend on something.
    pub(crate) fn of(&self, referent: &Referent) -> impl Iterator<Item = (&Source, &Draft)> {
        let sources = self.sources.get(referent).into_iter().flatten();
        sources.filter_map(|source| Some((source, self.drafts.get(source)?)))
    }
}
