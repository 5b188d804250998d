//! Which objects claim which names, and what a name stands for in the eyes of one DataPlane.
//!
//! Claims are counted by audience and target, not listed by object: ten thousand routes to one Service cost a change of one
//! of them no more than ten do.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use crate::{
    key::{Key, Name},
    object::Source,
    translate::{Claim, Nothing, Roles, Target},
    view::{Audience, View},
};

/// What a name reaches whose Service is in a namespace that nobody watches.
static UNWATCHED: Target = Target::Nothing(Nothing::NotWatched);

#[derive(Debug, Default)]
pub(crate) struct NameIndex {
    sources: HashMap<Source, Claims>,
    /// Older readings of some of them, that Kong may still have.
    held: HashMap<Source, Claims>,
    names: HashMap<Name, Vec<Group>>,
    audiences: HashMap<Arc<Audience>, usize>,
    by_gateway: HashMap<Key, HashSet<Source>>,
    /// Sources that reach Kongs otherwise than by a Gateway, or by no Gateway at all.
    elsewhere: HashSet<Source>,
}

/// What one object claims.
#[derive(Debug)]
pub(crate) struct Claims {
    pub(crate) audience: Arc<Audience>,
    pub(crate) claims: Box<[Claim]>,
}

/// Which of the two readings that an object can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Newest,
    Older,
}

/// Equal claims of objects with the same audience.
#[derive(Debug)]
struct Group {
    audience: Arc<Audience>,
    target: Target,
    roles: Roles,
    count: usize,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning<'a> {
    /// Nobody claims it.
    Unknown,
    /// This Service.
    Service(&'a Key),
    /// No Service, or more than one, by every claim.
    Unmapped(&'a Target),
    /// Claims disagree.
    Ambiguous,
}

impl NameIndex {
    /// Puts in what an object claims now; nothing means that the object is gone. Before anything changes, `before` sees the
    /// names whose claims will.
    pub(crate) fn replace(
        &mut self,
        source: &Source,
        new: Option<(Audience, Vec<Claim>)>,
        before: impl FnOnce(&Self, &[Name]),
    ) {
        let audience = new.as_ref().map(|(audience, _)| self.audience(audience));
        let claims = new.map(|(_, claims)| claims).unwrap_or_default();
        self.put(Slot::Newest, source, audience, claims, before);
    }

    /// Puts in what an older reading of an object claims beside the newest; nothing means that it is over.
    pub(crate) fn hold(
        &mut self,
        source: &Source,
        older: Option<(Audience, Vec<Claim>)>,
        before: impl FnOnce(&Self, &[Name]),
    ) {
        let audience = older.as_ref().map(|(audience, _)| self.audience(audience));
        let claims = older.map(|(_, claims)| claims).unwrap_or_default();
        self.put(Slot::Older, source, audience, claims, before);
    }

    /// What an object claims now.
    pub(crate) fn newest(&self, source: &Source) -> Option<&Claims> {
        self.sources.get(source)
    }

    /// As [`replace`](Self::replace), for an object whose audience is as it was.
    pub(crate) fn reach(
        &mut self,
        source: &Source,
        claims: Vec<Claim>,
        before: impl FnOnce(&Self, &[Name]),
    ) {
        let old = self.sources.get(source);
        let Some(audience) = old.map(|old| Arc::clone(&old.audience)) else {
            return;
        };
        self.put(Slot::Newest, source, Some(audience), claims, before);
    }

    fn put(
        &mut self,
        slot: Slot,
        source: &Source,
        audience: Option<Arc<Audience>>,
        mut claims: Vec<Claim>,
        before: impl FnOnce(&Self, &[Name]),
    ) {
        for claim in &mut claims {
            if let Some((name, _)) = self.names.get_key_value(&claim.name) {
                claim.name = Name::clone(name);
            }
        }
        let old = match slot {
            Slot::Newest => self.sources.get(source),
            Slot::Older => self.held.get(source),
        };
        if old.is_none() && audience.is_none() {
            return;
        }
        let same_audience = old.map(|old| &old.audience) == audience.as_ref();
        let old_claims = old.map(|old| &*old.claims).unwrap_or_default();
        let unlike = |claim: &Claim, others: &[Claim]| {
            !same_audience || others.binary_search(claim).is_err()
        };
        let gone = old_claims.iter().filter(|claim| unlike(claim, &claims));
        let come = claims.iter().filter(|claim| unlike(claim, old_claims));
        let mut touched: Vec<Name> = gone
            .chain(come)
            .map(|claim| Name::clone(&claim.name))
            .collect();
        if touched.is_empty() && same_audience {
            return;
        }
        touched.sort_unstable();
        touched.dedup();
        before(self, &touched);
        self.swap(slot, source, audience, claims.into_boxed_slice());
    }

    fn swap(
        &mut self,
        slot: Slot,
        source: &Source,
        audience: Option<Arc<Audience>>,
        claims: Box<[Claim]>,
    ) {
        let old = match slot {
            Slot::Newest => self.sources.remove(source),
            Slot::Older => self.held.remove(source),
        };
        if let Some(old) = &old {
            if slot == Slot::Newest {
                self.place(source, &old.audience, false);
            }
            for claim in &old.claims {
                self.count(claim, &old.audience, false);
            }
        }
        if let Some(audience) = audience {
            for claim in &claims {
                self.count(claim, &audience, true);
            }
            *self.audiences.entry(Arc::clone(&audience)).or_default() += 1;
            if slot == Slot::Newest {
                self.place(source, &audience, true);
            }
            let new = Claims { audience, claims };
            match slot {
                Slot::Newest => self.sources.insert(source.clone(), new),
                Slot::Older => self.held.insert(source.clone(), new),
            };
        }
        if let Some(old) = old {
            self.release(&old.audience);
        }
    }

    /// What a name stands for in a DataPlane's eyes, in one of the two labels.
    pub(crate) fn meaning(&self, name: &str, role: Roles, view: &View) -> Meaning<'_> {
        let mut meaning = Meaning::Unknown;
        for group in self.names.get(name).into_iter().flatten() {
            if !group.roles.has(role) || !view.sees(&group.audience) {
                continue;
            }
            let target = match &group.target {
                Target::Service(key) if !view.watches(key) => &UNWATCHED,
                target => target,
            };
            meaning = match (&meaning, target) {
                (Meaning::Ambiguous, _) => return Meaning::Ambiguous,
                (Meaning::Unknown, Target::Service(key)) => Meaning::Service(key),
                (Meaning::Unknown, target) => Meaning::Unmapped(target),
                (Meaning::Unmapped(one @ Target::Nothing(_)), Target::Nothing(_)) => {
                    Meaning::Unmapped((*one).min(target))
                }
                (Meaning::Service(one), Target::Service(other)) if *one == other => continue,
                // Where one reading reaches no Service, there are no addresses to tell the health of; but its requests, which Kong
                // answers itself, are counted.
                (Meaning::Service(_), Target::Nothing(_)) if role == Roles::UPSTREAM => continue,
                (Meaning::Unmapped(Target::Nothing(_)), Target::Service(key))
                    if role == Roles::UPSTREAM =>
                {
                    Meaning::Service(key)
                }
                (Meaning::Unmapped(Target::Nothing(_)), Target::Several | Target::Drained) => {
                    Meaning::Unmapped(target)
                }
                (Meaning::Unmapped(Target::Several | Target::Drained), Target::Nothing(_)) => {
                    continue;
                }
                (
                    Meaning::Unmapped(one @ (Target::Several | Target::Drained)),
                    Target::Several | Target::Drained,
                ) => Meaning::Unmapped((*one).min(target)),
                (Meaning::Service(_), _) | (Meaning::Unmapped(_), _) => Meaning::Ambiguous,
            };
        }
        meaning
    }

    /// What a name stands for in the `service` label, and in the `upstream` label.
    pub(crate) fn meanings(&self, name: &str, view: &View) -> [Meaning<'_>; 2] {
        [Roles::SERVICE, Roles::UPSTREAM].map(|role| self.meaning(name, role, view))
    }

    /// The objects that a DataPlane sees, and some that it does not.
    fn near<'a>(&'a self, view: &'a View) -> Box<dyn Iterator<Item = &'a Source> + 'a> {
        match &view.gateways {
            None => Box::new(self.sources.keys()),
            Some(gateways) => {
                let attached = gateways
                    .iter()
                    .filter_map(|gateway| self.by_gateway.get(gateway))
                    .flatten();
                Box::new(attached.chain(&self.elsewhere))
            }
        }
    }

    /// All names that a DataPlane sees, in order, with what claims them.
    pub(crate) fn seen<'a>(
        &'a self,
        view: &'a View,
    ) -> BTreeMap<&'a Name, Vec<(&'a Source, &'a Claim)>> {
        let mut seen = BTreeMap::<_, Vec<_>>::new();
        let newest = self
            .near(view)
            .filter_map(|source| Some((source, self.sources.get(source)?)));
        // There are few.
        for (source, claims) in newest.chain(&self.held) {
            if view.sees(&claims.audience) {
                for claim in &claims.claims {
                    seen.entry(&claim.name).or_default().push((source, claim));
                }
            }
        }
        seen
    }

    /// Whether a claim that [`seen`](Self::seen) gave is of an older reading.
    pub(crate) fn is_older(&self, source: &Source, claim: &Claim) -> bool {
        let older = self.held.get(source);
        older.is_some_and(|older| older.claims.iter().any(|one| std::ptr::eq(one, claim)))
    }

    /// Every object with what it claims.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&Source, &Claims)> {
        self.sources.iter()
    }

    /// The same, with older readings that Kong may still have.
    pub(crate) fn readings(&self) -> impl Iterator<Item = (&Source, &Claims)> {
        self.sources.iter().chain(&self.held)
    }

    fn audience(&mut self, audience: &Audience) -> Arc<Audience> {
        match self.audiences.get_key_value(audience) {
            Some((shared, _)) => Arc::clone(shared),
            None => Arc::new(audience.clone()),
        }
    }

    fn release(&mut self, audience: &Arc<Audience>) {
        if let Some(count) = self.audiences.get_mut(audience) {
            *count -= 1;
            if *count == 0 {
                self.audiences.remove(audience);
            }
        }
    }

    fn place(&mut self, source: &Source, audience: &Audience, here: bool) {
        let gateways = audience
            .parents
            .as_deref()
            .filter(|parents| !parents.is_empty());
        let Some(gateways) = gateways else {
            if here {
                self.elsewhere.insert(source.clone());
            } else {
                self.elsewhere.remove(source);
            }
            return;
        };
        for gateway in gateways {
            if here {
                self.by_gateway
                    .entry(gateway.clone())
                    .or_default()
                    .insert(source.clone());
            } else if let Some(sources) = self.by_gateway.get_mut(gateway) {
                sources.remove(source);
                if sources.is_empty() {
                    self.by_gateway.remove(gateway);
                }
            }
        }
    }

    fn count(&mut self, claim: &Claim, audience: &Arc<Audience>, here: bool) {
        let same = |group: &Group| {
            Arc::ptr_eq(&group.audience, audience)
                && group.target == claim.target
                && group.roles == claim.roles
        };
        if here {
            let groups = self.names.entry(Name::clone(&claim.name)).or_default();
            if let Some(group) = groups.iter_mut().find(|group| same(group)) {
                group.count += 1;
            } else {
                groups.reserve_exact(1);
                groups.push(Group {
                    audience: Arc::clone(audience),
                    target: claim.target.clone(),
                    roles: claim.roles,
                    count: 1,
                });
            }
            return;
        }
        let Some(groups) = self.names.get_mut(&claim.name) else {
            return;
        };
        if let Some(at) = groups.iter().position(same) {
            groups[at].count -= 1;
            if groups[at].count == 0 {
                groups.swap_remove(at);
            }
        }
        if groups.is_empty() {
            self.names.remove(&claim.name);
        }
    }
}
