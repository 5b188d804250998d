//! Older readings of objects, kept beside the newest while Kong may still have them.
//!
//! Kong follows the objects later than the index does, and not at all while it refuses the configuration or its controller is
//! away. Meanwhile both readings claim their names: where they differ, the name is in no table. `docs/design.md` §4 has the
//! rules; times are the caller's, in milliseconds of any clock that does not go back.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tagalong_crds::{GATEWAY_API, RouteStatus};

use crate::{
    key::{Key, Name},
    object::{ObjectKind, Source},
    translate::{Claim, Target},
    waits::Wait,
};

/// How long an older reading stays where nobody says what Kong has.
const WITHOUT_STATUS: u64 = 60_000;
/// How long it stays where something without a generation made the difference.
const WITHOUT_GENERATION: u64 = 30_000;
/// How long it stays where the newest is what Kong was last known to have.
const AS_SHOWN: u64 = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Holds {
    pub(crate) now: u64,
    held: HashMap<Source, Hold>,
    ends: BTreeSet<(u64, Source)>,
    /// Gateways on whose routes of a kind Kong's controller was seen to write `Programmed=True` or `False`.
    reporting: HashSet<(ObjectKind, Key)>,
    gateways: HashSet<Key>,
}

/// What is kept of one object.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    /// What Kong had when it was last known.
    shown: Vec<Claim>,
    /// All that the object has meant since.
    older: Vec<Claim>,
    /// The Gateways whose DataPlanes saw it; none for all DataPlanes.
    parents: Option<BTreeSet<Key>>,
    /// The generation in which it began to mean what it means now, and the UID.
    since: Since,
    /// The Gateways whose controller has not shown that generation.
    unshown: BTreeMap<Key, Unshown>,
    /// Until then it is kept for all.
    until: u64,
}

/// A Gateway that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unshown {
    /// Until when: for ever, where its controller is one that shows.
    until: Option<u64>,
    /// Its controller says that Kong refuses what the object means now.
    refused: bool,
    /// The object is no longer attached to it: nobody shows when Kong has dropped it there.
    left: bool,
}

/// A version of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Since {
    pub(crate) uid: Option<Name>,
    pub(crate) generation: i64,
}

/// What the controllers say of a route, for each of its Gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown(BTreeMap<Key, Programmed>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Programmed {
    /// The newest generation that Kong has.
    yes: Option<i64>,
    /// The newest generation that it refused.
    no: Option<i64>,
    /// Something is not known to be in Kong. An entry is written anew for each generation, before Kong is told: what it said of
    /// the one before is gone with it (Kong Ingress Controller, `ensureGatewayReferenceStatusAdded`).
    unknown: bool,
    /// The newest generation that anything is said of.
    seen: Option<i64>,
}

impl Shown {
    pub(crate) fn of(status: &RouteStatus, namespace: &str) -> Self {
        let mut shown = Self::default();
        for parent in &status.parents {
            let reference = &parent.parent_ref;
            let gateway = reference
                .group
                .as_deref()
                .is_none_or(|group| group == GATEWAY_API)
                && reference
                    .kind
                    .as_deref()
                    .is_none_or(|kind| kind == "Gateway");
            if !gateway {
                continue;
            }
            let namespace = reference.namespace.as_deref().unwrap_or(namespace);
            let programmed = shown
                .0
                .entry(Key::new(namespace, reference.name.as_str()))
                .or_default();
            for condition in &parent.conditions {
                let generation = condition.observed_generation;
                programmed.seen = programmed.seen.max(generation);
                if condition.r#type != "Programmed" {
                    continue;
                }
                match condition.status.as_str() {
                    "True" => programmed.yes = programmed.yes.max(generation),
                    "False" => programmed.no = programmed.no.max(generation),
                    _ => programmed.unknown = true,
                }
            }
        }
        shown
    }

    fn has(&self, gateway: &Key, generation: i64) -> bool {
        self.0.get(gateway).is_some_and(|programmed| {
            programmed.yes.is_some_and(|yes| yes >= generation)
                && programmed.no.is_none_or(|no| no < generation)
        })
    }

    fn refuses(&self, gateway: &Key, generation: i64) -> bool {
        let programmed = self.0.get(gateway);
        programmed.is_some_and(|programmed| programmed.no.is_some_and(|no| no >= generation))
    }

    /// The Gateways in whose Kong an older generation may be. Of a first generation there is none before it.
    pub(crate) fn behind(&self, generation: i64) -> impl Iterator<Item = &Key> {
        let gateways = self.0.iter().filter(move |(gateway, programmed)| {
            let older = programmed.unknown || programmed.seen.is_none_or(|seen| seen < generation);
            !self.has(gateway, generation) && (programmed.says() || generation > 1 && older)
        });
        gateways.map(|(gateway, _)| gateway)
    }
}

impl Programmed {
    /// Whether its controller says what Kong has, of whichever generation.
    fn says(&self) -> bool {
        self.yes.is_some() || self.no.is_some()
    }
}

impl Holds {
    /// Notes whose controllers show what Kong has.
    pub(crate) fn report(&mut self, kind: ObjectKind, shown: &Shown) {
        for (gateway, programmed) in &shown.0 {
            if programmed.says() && self.reporting.insert((kind, gateway.clone())) {
                self.wait_anew(gateway, Some(kind));
            }
        }
    }

    /// A Gateway is there, or is gone. What the status of a route says of one that is gone stays as it is for ever, and is not
    /// waited for.
    pub(crate) fn gateway(&mut self, gateway: &Key, exists: bool) {
        let known = if exists {
            self.gateways.insert(gateway.clone())
        } else {
            !self.gateways.remove(gateway)
        };
        if known == exists {
            self.wait_anew(gateway, None);
        }
    }

    /// Something else is known of a Gateway, and so of how long it is waited for.
    fn wait_anew(&mut self, gateway: &Key, kind: Option<ObjectKind>) {
        let waiting = self.held.iter().filter(|(source, hold)| {
            let waits = hold
                .unshown
                .get(gateway)
                .is_some_and(|unshown| !unshown.left);
            waits && kind.is_none_or(|kind| source.kind == kind)
        });
        let waiting: Vec<Source> = waiting.map(|(source, _)| source.clone()).collect();
        for source in waiting {
            let Some(mut hold) = self.drop(&source) else {
                continue;
            };
            if let Some(unshown) = hold.unshown.get_mut(gateway) {
                *unshown = self.unshown(&source, gateway, unshown.refused);
            }
            self.put(&source, hold);
        }
    }

    /// Until when a Gateway is waited for to show a generation of a route: for ever, where its controller is one that shows.
    fn unshown(&self, source: &Source, gateway: &Key, refused: bool) -> Unshown {
        let shows = refused || self.reporting.contains(&(source.kind, gateway.clone()));
        let shows = shows && self.gateways.contains(gateway);
        Unshown {
            until: (!shows).then_some(self.now + WITHOUT_STATUS),
            refused,
            left: false,
        }
    }

    /// An object means something else since a generation. `old` and `parents` are what it claimed before, and at whom.
    pub(crate) fn edited(
        &mut self,
        source: &Source,
        (old, parents): (&[Claim], Option<&[Key]>),
        (new, new_parents): (&[Claim], Option<&[Key]>),
        since: Since,
        shown: &Shown,
    ) {
        let mut hold = self.join(source, old, parents);
        hold.since = since;
        if *new == *hold.shown {
            hold.unshown.clear();
            hold.until = hold.until.max(self.now + AS_SHOWN);
            return self.put(source, hold);
        }
        let Some(gateways) = parents.filter(|parents| !parents.is_empty()) else {
            hold.until = hold.until.max(self.now + WITHOUT_STATUS);
            return self.put(source, hold);
        };
        for gateway in gateways {
            let stays = new_parents.is_some_and(|parents| parents.contains(gateway));
            if shown.has(gateway, hold.since.generation) {
                continue;
            }
            let unshown = if stays {
                let refused = shown.refuses(gateway, hold.since.generation);
                self.unshown(source, gateway, refused)
            } else {
                // Nobody shows what becomes of a parent that it no longer has.
                Unshown {
                    until: Some(self.now + WITHOUT_GENERATION),
                    refused: false,
                    left: true,
                }
            };
            hold.unshown.insert(gateway.clone(), unshown);
        }
        self.put(source, hold);
    }

    /// A route is new here, and Kong may have an older generation of it, or refuses this one: what it means to Kong is not known.
    pub(crate) fn unknown(
        &mut self,
        source: &Source,
        (new, parents): (&[Claim], Option<&[Key]>),
        since: Since,
        shown: &Shown,
    ) {
        // A name that is made of its backends is theirs in each generation, and other routes' as well.
        let by_place = new.iter().filter(|claim| !claim.form.names_backends());
        let mut anything: Vec<Claim> = by_place.cloned().collect();
        for claim in &mut anything {
            claim.target = Target::Several;
        }
        let mut hold = self.join(source, &anything, parents);
        hold.shown = Vec::new();
        hold.since = since;
        // Of a parent that it no longer has, the status says the same for ever.
        let behind = shown
            .behind(hold.since.generation)
            .filter(|gateway| parents.is_some_and(|parents| parents.contains(gateway)));
        let unshown = |gateway: &Key| {
            let refused = shown.refuses(gateway, hold.since.generation);
            (gateway.clone(), self.unshown(source, gateway, refused))
        };
        hold.unshown = behind.map(unshown).collect();
        self.put(source, hold);
    }

    /// An object is gone: nobody shows when Kong has dropped it.
    pub(crate) fn removed(&mut self, source: &Source, old: &[Claim], parents: Option<&[Key]>) {
        let mut hold = self.join(source, old, parents);
        hold.unshown.clear();
        hold.until = hold.until.max(self.now + WITHOUT_GENERATION);
        self.put(source, hold);
    }

    /// An object means something else without a generation that would say so.
    pub(crate) fn changed(&mut self, source: &Source, old: &[Claim], parents: Option<&[Key]>) {
        let mut hold = self.join(source, old, parents);
        hold.until = hold.until.max(self.now + WITHOUT_GENERATION);
        self.put(source, hold);
    }

    /// What the controllers say of an object is another. Says whether Kong refuses it now where it did not, or no longer.
    pub(crate) fn shown(&mut self, source: &Source, since: &Since, shown: &Shown) -> bool {
        let Some(hold) = self.held.get(source) else {
            return false;
        };
        let mut hold = hold.clone();
        // Generations of another object of the name count anew.
        if hold.since.uid != since.uid {
            hold.since = since.clone();
        }
        let generation = hold.since.generation;
        let before = hold.refused().count();
        hold.unshown.retain(|gateway, unshown| {
            unshown.refused = !unshown.left && shown.refuses(gateway, generation);
            if unshown.refused && self.gateways.contains(gateway) {
                unshown.until = None;
            }
            !shown.has(gateway, generation)
        });
        let changed = hold.refused().count() != before;
        self.drop(source);
        self.put(source, hold);
        changed
    }

    /// What an object waits for.
    pub(crate) fn waits(&self, source: &Source) -> Vec<Wait> {
        let Some(hold) = self.held.get(source) else {
            return Vec::new();
        };
        let left = |until: u64| until.saturating_sub(self.now).div_ceil(1_000);
        let wait = |gateway: Option<&Key>, refused, seconds| Wait {
            source: source.clone(),
            generation: hold.since.generation,
            gateway: gateway.cloned(),
            refused,
            seconds,
        };
        let unshown = hold.unshown.iter();
        let mut waits: Vec<Wait> = unshown
            .map(|(gateway, unshown)| wait(Some(gateway), unshown.refused, unshown.until.map(left)))
            .collect();
        if hold.until > self.now {
            waits.push(wait(None, false, Some(left(hold.until))));
        }
        waits
    }

    /// The time is another. The objects whose older readings may end.
    pub(crate) fn tick(&mut self, now: u64) -> Vec<Source> {
        self.now = self.now.max(now);
        let mut ended = Vec::new();
        while let Some((until, source)) = self.ends.first().cloned() {
            if until > self.now {
                break;
            }
            self.ends.pop_first();
            if let Some(mut hold) = self.drop(&source) {
                hold.unshown
                    .retain(|_, unshown| unshown.until.is_none_or(|end| end > self.now));
                self.put(&source, hold);
            }
            ended.push(source);
        }
        ended
    }

    /// When [`tick`](Self::tick) has something to do next.
    pub(crate) fn next(&self) -> Option<u64> {
        self.ends.first().map(|(until, _)| *until)
    }

    /// What is claimed beside the newest reading: for which Gateways, and what.
    pub(crate) fn beside(
        &self,
        source: &Source,
        newest: &[Claim],
    ) -> Option<(Option<Vec<Key>>, Vec<Claim>)> {
        let hold = self.held.get(source)?;
        let same = |older: &&Claim| {
            newest.iter().any(|claim| {
                (&claim.name, claim.roles, &claim.target)
                    == (&older.name, older.roles, &older.target)
            })
        };
        let claims = hold.older.iter().filter(|older| !same(older));
        let mut claims: Vec<Claim> = claims.cloned().collect();
        // What reached nothing stands against nothing.
        claims.retain(|claim| !matches!(claim.target, Target::Nothing(_)));
        let parents = if hold.until > self.now {
            hold.parents.clone()
        } else {
            Some(hold.unshown.keys().cloned().collect())
        };
        let parents = parents.map(|parents| parents.into_iter().collect());
        (!claims.is_empty()).then_some((parents, claims))
    }

    fn join(&mut self, source: &Source, old: &[Claim], parents: Option<&[Key]>) -> Hold {
        let mut hold = self.drop(source).unwrap_or_else(|| Hold {
            shown: old.to_vec(),
            older: Vec::new(),
            parents: Some(BTreeSet::new()),
            since: Since::default(),
            unshown: BTreeMap::new(),
            until: 0,
        });
        hold.older.extend_from_slice(old);
        hold.older
            .sort_unstable_by(|one, other| (&one.name, one.roles).cmp(&(&other.name, other.roles)));
        // However often it is edited: two readings of a name are none.
        hold.older.dedup_by(|next, kept| {
            let same = (&next.name, next.roles) == (&kept.name, kept.roles);
            if same && next.target != kept.target {
                kept.target = match (&kept.target, &next.target) {
                    (Target::Nothing(_), other) | (other, Target::Nothing(_)) => other.clone(),
                    _ => Target::Several,
                };
            }
            same
        });
        match (&mut hold.parents, parents) {
            (Some(all), Some(parents)) => all.extend(parents.iter().cloned()),
            (all, _) => *all = None,
        }
        hold
    }

    fn put(&mut self, source: &Source, hold: Hold) {
        if hold.until <= self.now && hold.unshown.is_empty() {
            return;
        }
        for end in hold.ends().filter(|end| *end > self.now) {
            self.ends.insert((end, source.clone()));
        }
        self.held.insert(source.clone(), hold);
    }

    fn drop(&mut self, source: &Source) -> Option<Hold> {
        let hold = self.held.remove(source)?;
        for end in hold.ends() {
            self.ends.remove(&(end, source.clone()));
        }
        Some(hold)
    }
}

impl Hold {
    fn refused(&self) -> impl Iterator<Item = &Unshown> {
        self.unshown.values().filter(|unshown| unshown.refused)
    }

    fn ends(&self) -> impl Iterator<Item = u64> {
        let ends = self.unshown.values().filter_map(|unshown| unshown.until);
        std::iter::once(self.until).chain(ends)
    }
}
