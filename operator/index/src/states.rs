//! How many of Kong's names are labelled in a DataPlane's table, how many are left out, and why.

use std::{cell::OnceCell, collections::BTreeMap};

use serde::Serialize;

use crate::{
    key::Key,
    names::{Meaning, NameIndex},
    translate::{Nothing, Target},
    view::View,
};

/// What becomes of a name in a DataPlane's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NameState {
    /// It stands for a Service.
    Mapped,
    /// Left out: it could stand for two Services.
    Ambiguous,
    /// Left out: its traffic is split over several Services, or a drained one's addresses are behind it.
    Split,
    /// Left out: its rule refers to Services that no ReferenceGrant permits it to refer to.
    NotGranted,
    /// Left out: its rule reaches no Service.
    NoService,
}

/// How many names are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NameStates([usize; NameState::ALL.len()]);

/// The counts of each DataPlane, as far as anybody asked for them since they last had to be made anew.
///
/// A change of a few names changes them by as much. After a change of very many, or of what the DataPlane sees, they are counted
/// again when they are asked for next, which costs as much as the table is long.
#[derive(Debug, Default)]
pub(crate) struct Counts(BTreeMap<Key, OnceCell<NameStates>>);

/// The state of a name before and after a change; none where nobody claims it.
pub(crate) type Changed = (Option<NameState>, Option<NameState>);

impl NameState {
    /// All states.
    pub const ALL: [Self; 5] = [
        Self::Mapped,
        Self::Ambiguous,
        Self::Split,
        Self::NotGranted,
        Self::NoService,
    ];

    /// The state as a metric's label has it, such as `not_granted`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mapped => "mapped",
            Self::Ambiguous => "ambiguous",
            Self::Split => "split",
            Self::NotGranted => "not_granted",
            Self::NoService => "no_service",
        }
    }

    /// That of a name, by what it means in the `service` and the `upstream` label; none if nobody claims it. A name that
    /// stands for a Service in one of the two is mapped, unless claims disagree in the other.
    pub(crate) fn of(meanings: &[Meaning<'_>; 2]) -> Option<Self> {
        if meanings.contains(&Meaning::Ambiguous) {
            return Some(Self::Ambiguous);
        }
        let of = |meaning: &Meaning<'_>| match meaning {
            Meaning::Unknown => None,
            Meaning::Service(_) => Some(Self::Mapped),
            Meaning::Ambiguous => Some(Self::Ambiguous),
            Meaning::Unmapped(Target::Nothing(Nothing::NotGranted)) => Some(Self::NotGranted),
            Meaning::Unmapped(Target::Nothing(_)) => Some(Self::NoService),
            Meaning::Unmapped(_) => Some(Self::Split),
        };
        meanings.iter().filter_map(of).min()
    }
}

impl NameStates {
    /// How many names are in a state.
    #[must_use]
    pub fn get(&self, state: NameState) -> usize {
        self.0[state as usize]
    }

    /// Each state, with how many names are in it.
    pub fn iter(&self) -> impl Iterator<Item = (NameState, usize)> {
        NameState::ALL.into_iter().zip(self.0)
    }

    pub(crate) fn count(names: &NameIndex, view: &View) -> Self {
        let mut counted = Self::default();
        for name in names.seen(view).into_keys() {
            counted.add(NameState::of(&names.meanings(name, view)));
        }
        counted
    }

    fn add(&mut self, state: Option<NameState>) {
        if let Some(state) = state {
            self.0[state as usize] += 1;
        }
    }

    fn remove(&mut self, state: Option<NameState>) {
        if let Some(state) = state {
            self.0[state as usize] -= 1;
        }
    }
}

impl Counts {
    /// Those of a DataPlane.
    pub(crate) fn of(&self, dataplane: &Key, names: &NameIndex, view: &View) -> NameStates {
        match self.0.get(dataplane) {
            Some(counted) => *counted.get_or_init(|| NameStates::count(names, view)),
            None => NameStates::count(names, view),
        }
    }

    /// They must be counted anew; or never again, where the DataPlane is gone.
    pub(crate) fn reset(&mut self, dataplane: &Key, exists: bool) {
        if exists {
            self.0.insert(dataplane.clone(), OnceCell::new());
        } else {
            self.0.remove(dataplane);
        }
    }

    /// Names went from one state to another. Says whether the counts are others now, or may be.
    pub(crate) fn change(&mut self, dataplane: &Key, changed: &[Changed]) -> bool {
        let Some(counted) = self.0.get_mut(dataplane).and_then(OnceCell::get_mut) else {
            return changed.iter().any(|(before, after)| before != after);
        };
        let old = *counted;
        for (before, after) in changed {
            counted.remove(*before);
            counted.add(*after);
        }
        *counted != old
    }
}
