//! What a DataPlane's table leaves out, and why.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use crate::{
    Index,
    key::{Key, Name},
    names::Meaning,
    object::Source,
    states::{NameState, NameStates},
    translate::{Claim, Form, Target},
    view::View,
    waits::Wait,
};

/// A name that is in no table, of those that one thing can be done about.
///
/// It prints as `explain` says it, in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// The name.
    pub name: String,
    /// Why it is left out; never [`NameState::Mapped`].
    pub state: NameState,
    /// What `explain` says of it.
    pub verdict: NameVerdict,
    /// Who claims it: whoever wrote these objects can do something about it.
    pub claims: Vec<Reading>,
    /// The Services that it concerns: those that lack the label. None where a reference is not granted: that is nothing that
    /// the Service's owner did.
    pub services: BTreeSet<Key>,
}

/// What a name stands for in a DataPlane's table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum NameVerdict {
    /// This Service.
    Service(Key),
    /// It is left out: its traffic reaches no Service, or more than one.
    Unmapped(Target),
    /// It is left out: claims disagree.
    Ambiguous,
    /// It is left out for now: only older readings, which Kong may still have, disagree with what stands for it.
    Held(Vec<Wait>),
}

/// One reading of a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reading {
    /// The object that would give the name.
    pub source: Source,
    /// The index of its rule; 0 where it has none.
    pub rule: u16,
    /// The scheme that would give the name.
    pub form: Form,
    /// What traffic under the name would reach.
    pub target: Target,
    /// It is an older reading, which Kong may still have.
    pub older: bool,
}

impl Index {
    /// How many names are in which state in a DataPlane's table; none if there is no such DataPlane.
    ///
    /// Costs nothing where a few names changed since it was asked last, else as much as the table is long. Names of versions
    /// of Kong's controllers that do not run count, too: most of the ambiguous ones are of these.
    #[must_use]
    pub fn states(&self, dataplane: &Key) -> Option<NameStates> {
        let view = self.view(dataplane)?;
        Some(self.tables.states(dataplane, &self.names, view))
    }

    /// What a DataPlane's table leaves out; none if there is no such DataPlane. Each ambiguous name, and each rule once, by its
    /// first name, in this order. Of names that only an older reading makes ambiguous, those where Kong refuses the newest: the others end by
    /// themselves. Costs as much as the table is long, so ask when [`Changes::states`](crate::Changes::states)
    /// names the DataPlane.
    #[must_use]
    pub fn left_out(&self, dataplane: &Key) -> Option<Vec<LeftOut>> {
        let view = self.view(dataplane)?;
        let mut ambiguous = Vec::new();
        let mut rules: BTreeMap<(&Source, u16), (Form, LeftOut)> = BTreeMap::new();
        for (name, claims) in self.names.seen(view) {
            let meanings = self.names.meanings(name, view);
            let Some(state) = NameState::of(&meanings) else {
                continue;
            };
            let verdict = meanings
                .iter()
                .find(|meaning| matches!(meaning, Meaning::Ambiguous | Meaning::Unmapped(_)))
                .and_then(NameVerdict::of);
            let (Some(verdict), false) = (verdict, state == NameState::Mapped) else {
                continue;
            };
            let left_out = |claims: &[(&Source, &Claim)]| LeftOut {
                name: name.to_string(),
                state,
                verdict: verdict.clone(),
                services: self.concerned(name, state, claims),
                claims: self.readings(claims),
            };
            if state == NameState::Ambiguous {
                let mut left_out = left_out(&claims);
                if let Some(mut waits) = self.waits(view, &claims) {
                    waits.retain(|wait| wait.refused);
                    if waits.is_empty() {
                        // Kong is waited for: nobody has anything to do.
                        continue;
                    }
                    left_out.verdict = NameVerdict::Held(waits);
                }
                ambiguous.push(left_out);
                continue;
            }
            for (source, claim) in claims {
                let first = rules.get(&(source, claim.rule));
                if first.is_none_or(|(form, _)| claim.form < *form) {
                    let left_out = left_out(&[(source, claim)]);
                    rules.insert((source, claim.rule), (claim.form, left_out));
                }
            }
        }
        let rules = rules.into_values().map(|(_, left_out)| left_out);
        Some(ambiguous.into_iter().chain(rules).collect())
    }

    /// What a name waits for that only older readings make ambiguous, of those that claim it. None where it is ambiguous
    /// without them.
    pub(crate) fn waits(&self, view: &View, claims: &[(&Source, &Claim)]) -> Option<Vec<Wait>> {
        let older = |(source, claim): &(&Source, &Claim)| self.names.is_older(source, claim);
        let mut newest = claims.iter().filter(|claim| !older(claim));
        let first = newest.next().map(|(_, claim)| &claim.target);
        if newest.any(|(_, claim)| Some(&claim.target) != first) {
            return None;
        }
        let mut waits: Vec<Wait> = Vec::new();
        for (source, _) in claims.iter().filter(|claim| older(claim)) {
            let of_source = self.holds.waits(source).into_iter();
            // Another DataPlane's controller is nothing to wait for here.
            let here = |wait: &Wait| match (&view.gateways, &wait.gateway) {
                (Some(gateways), Some(gateway)) => gateways.contains(gateway),
                _ => true,
            };
            let new = of_source.filter(here).filter(|wait| !waits.contains(wait));
            let new: Vec<Wait> = new.collect();
            waits.extend(new);
        }
        (!waits.is_empty()).then_some(waits)
    }

    pub(crate) fn readings(&self, claims: &[(&Source, &Claim)]) -> Vec<Reading> {
        let reading = |(source, claim): &(&Source, &Claim)| Reading {
            source: (*source).clone(),
            rule: claim.rule,
            form: claim.form,
            target: claim.target.clone(),
            older: self.names.is_older(source, claim),
        };
        let mut readings: Vec<_> = claims.iter().map(reading).collect();
        readings.sort_unstable();
        readings
    }

    fn concerned(
        &self,
        name: &Name,
        state: NameState,
        claims: &[(&Source, &Claim)],
    ) -> BTreeSet<Key> {
        let mut services = BTreeSet::new();
        if state == NameState::NotGranted {
            return services;
        }
        for (source, claim) in claims {
            match &claim.target {
                Target::Service(service) => {
                    services.insert(service.clone());
                }
                Target::Nothing(_) | Target::Several | Target::Drained => {
                    services.extend(self.dependents.services(source, name).cloned());
                }
            }
        }
        services
    }
}

impl LeftOut {
    /// Whether it is left out because Kong refuses what an object means now.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.verdict, NameVerdict::Held(_))
    }
}

impl NameVerdict {
    pub(crate) fn of(meaning: &Meaning<'_>) -> Option<Self> {
        match meaning {
            Meaning::Unknown => None,
            Meaning::Service(key) => Some(Self::Service((*key).clone())),
            Meaning::Unmapped(target) => Some(Self::Unmapped((*target).clone())),
            Meaning::Ambiguous => Some(Self::Ambiguous),
        }
    }
}

impl fmt::Display for NameVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(key) => write!(f, "Service {key}"),
            Self::Unmapped(Target::Several) => {
                f.write_str("left out: its traffic is split over several Services")
            }
            Self::Unmapped(Target::Drained) => f.write_str(
                "left out: a Service of weight 0 keeps its addresses behind the name, where Kong may use them",
            ),
            Self::Unmapped(target) => write!(f, "left out: it reaches {target}"),
            Self::Ambiguous => f.write_str("left out: it could stand for two Services"),
            Self::Held(waits) => {
                f.write_str("held back: ")?;
                for (at, wait) in waits.iter().enumerate() {
                    write!(f, "{}{wait}", if at == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let older = if self.older { ", older reading" } else { "" };
        write!(
            f,
            "{} rule {} -> {} [{}{older}]",
            self.source, self.rule, self.target, self.form
        )
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.name, self.verdict)?;
        for (at, claim) in self.claims.iter().enumerate() {
            let before = if at == 0 { " (" } else { "; " };
            let older = if claim.older { ", in Kong" } else { "" };
            write!(
                f,
                "{before}{} rule {} -> {}{older}",
                claim.source, claim.rule, claim.target
            )?;
        }
        f.write_str(if self.claims.is_empty() { "" } else { ")" })
    }
}
