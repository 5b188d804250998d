//! What becomes of all names, as of one moment.

use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use tagalong_index::{Key, LeftOut, NameState, NameStates, Source};

/// By Service: names that lack its label, by why.
pub type Unlabelled = BTreeMap<Key, BTreeMap<Lack, Sentences>>;

/// Why a name lacks a Service's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// It could stand for two Services.
    Ambiguous,
    /// Kong refuses a change, and still has something else under the name.
    Refused,
    /// Its traffic is split.
    Split,
}

/// So many sentences are kept of a Service and a state: more are not read.
const KEPT: usize = 3;

/// What is said of some names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sentences {
    /// The first of them, in the words of `explain`.
    pub first: Vec<String>,
    /// How many there are besides.
    pub more: usize,
}

/// All names that any attached DataPlane sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// How many there are, by DataPlane and state.
    pub counts: BTreeMap<(Key, NameState), usize>,
    /// Names that are ambiguous, split or refused by Kong, where they concern a Service.
    pub unlabelled: Unlabelled,
    /// Rules whose references no ReferenceGrant permits, by the route that they stand in.
    pub not_granted: BTreeMap<Source, BTreeSet<u16>>,
}

impl Survey {
    /// Surveys `world`. The lock is held for one DataPlane at a time.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let attached: Vec<Key> = world.with(|state| {
            let all = state.index.dataplanes();
            let attached = all.filter(|dataplane| dataplane.is_attached());
            attached.map(|dataplane| dataplane.key.clone()).collect()
        });
        let mut survey = Self::default();
        for dataplane in attached {
            let found = world.with(|state| {
                let index = &state.index;
                Option::zip(index.states(&dataplane), index.left_out(&dataplane))
            });
            if let Some((states, left_out)) = found {
                survey.add(&dataplane, &states, left_out);
            }
        }
        survey
    }

    fn add(&mut self, dataplane: &Key, states: &NameStates, left_out: Vec<LeftOut>) {
        for (state, count) in states.iter() {
            self.counts.insert((dataplane.clone(), state), count);
        }
        for name in left_out {
            match name.state {
                NameState::Ambiguous | NameState::Split => {
                    let lack = match name.state {
                        NameState::Split => Lack::Split,
                        _ if name.is_refused() => Lack::Refused,
                        _ => Lack::Ambiguous,
                    };
                    let sentence = name.to_string();
                    for service in name.services {
                        let of_service = self.unlabelled.entry(service).or_default();
                        of_service.entry(lack).or_default().add(&sentence);
                    }
                }
                NameState::NotGranted => {
                    for claim in name.claims {
                        let rules = self.not_granted.entry(claim.source).or_default();
                        rules.insert(claim.rule);
                    }
                }
                NameState::NoService | NameState::Mapped => {}
            }
        }
    }
}

impl Sentences {
    /// Two DataPlanes may leave out the same name.
    fn add(&mut self, sentence: &str) {
        if self.first.iter().any(|known| known == sentence) {
            return;
        }
        if self.first.len() < KEPT {
            self.first.push(sentence.to_owned());
        } else {
            self.more += 1;
        }
    }
}

#[cfg(test)]
mod tests;
