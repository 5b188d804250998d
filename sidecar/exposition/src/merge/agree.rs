//! Which type a family has, where the sources disagree.
//!
//! A source that types a family otherwise than others must not take it from them, so who comes first does not decide.
//! Kong's own families have the type that Kong gives them, if anybody says so: that no longer matters once all sources
//! say something else. For others each group has one vote, the type that most of its sources say; a tie goes to what
//! the last merge had.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::family::{Family, Names, Part};
use super::kong::known_type;

use super::types::{FamilyType, Member, composed_owner};

/// How many families a group may have remembered, and how long their names may be: Kong has some forty.
const REMEMBERED: usize = 256;
const LONGEST_NAME: usize = 200;

/// The types that the families of a merge had, for the next one.
#[derive(Clone, Debug, Default)]
pub struct Types(HashMap<Box<[u8]>, Option<FamilyType>>);

/// What a family is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Agreed {
    pub family: Option<FamilyType>,
    /// Its samples would be taken for those of another family, which has the better claim to the name.
    pub left_out: bool,
}

impl Agreed {
    /// Whether the part's samples are among those that are written.
    pub(super) fn takes(self, part: &Part) -> bool {
        let fits = match (self.family, part.family) {
            (family, Some(said)) => family == Some(said),
            // Samples of no declared type are at home in a family of simple ones.
            (Some(family), None) => {
                !(family.composed() || family == FamilyType::Counter && part.uncountable)
            }
            (None, None) => true,
        };
        fits && !self.left_out
    }
}

/// What each of the families is.
pub(super) fn agree(families: &[Family], names: &Names, last: &Types) -> Vec<Agreed> {
    let mut agreed: Vec<_> = families
        .iter()
        .map(|family| Agreed {
            family: decide(family, last),
            left_out: false,
        })
        .collect();
    // A name is longer than the one that it is a part of, of which must be known first what it is.
    let mut order: Vec<_> = (0..families.len()).collect();
    order.sort_by_key(|at| families.get(*at).map(|family| family.name.len()));
    for at in order {
        let Some(family) = families.get(at) else {
            continue;
        };
        let type_of = |name: &[u8]| {
            let other = agreed.get(*names.get(name)?)?;
            other.family.filter(|_| !other.left_out)
        };
        let left_out = composed_owner(&family.name, type_of).is_some()
            || has_better_rival(at, families, names, &agreed, last);
        if let Some(agreed) = agreed.get_mut(at) {
            agreed.left_out = left_out;
        }
    }
    agreed
}

/// The family's type.
fn decide(family: &Family, last: &Types) -> Option<FamilyType> {
    let mut said = family.parts.iter().map(|part| part.family);
    let first = said.next()?;
    if said.all(|other| other == first) {
        return first;
    }
    // Samples of no declared type vote against types whose samples have suffixes, and go with any other.
    let composed = |part: &Part| part.family.is_some_and(FamilyType::composed);
    let untyped = family
        .parts
        .iter()
        .any(composed)
        .then_some(FamilyType::Untyped);
    let mut choices = Vec::new();
    let mut groups: BTreeMap<usize, BTreeMap<FamilyType, usize>> = BTreeMap::new();
    for part in &family.parts {
        if let Some(said) = part.family.or(untyped) {
            if !choices.contains(&said) {
                choices.push(said);
            }
            *groups
                .entry(part.group)
                .or_default()
                .entry(said)
                .or_default() += 1;
        }
    }
    if let Some(known) = known_type(&family.name).filter(|known| choices.contains(known)) {
        return Some(known);
    }
    let mut votes: BTreeMap<FamilyType, usize> = BTreeMap::new();
    for sources in groups.values() {
        let most = sources.values().max();
        let mut favourites = sources.iter().filter(|(_, count)| Some(*count) == most);
        if let (Some((favourite, _)), None) = (favourites.next(), favourites.next()) {
            *votes.entry(*favourite).or_default() += 1;
        }
    }
    let votes = |choice: &FamilyType| votes.get(choice).copied().unwrap_or_default();
    let most = choices.iter().map(votes).max();
    choices.retain(|choice| Some(votes(choice)) == most);
    let before = last.0.get(&family.name).copied().flatten();
    before
        .filter(|before| choices.contains(before))
        .or(choices.first().copied())
}

/// Whether a family of its own has one of the names of this composed one's samples, and the better claim to it.
fn has_better_rival(
    at: usize,
    families: &[Family],
    names: &Names,
    agreed: &[Agreed],
    last: &Types,
) -> bool {
    let (Some(family), Some(ours)) = (families.get(at), agreed.get(at)) else {
        return false;
    };
    let Some(composed) = ours.family.filter(|family| family.composed()) else {
        return false;
    };
    let groups = |at: usize| {
        let parts = families.get(at).map(|family| &family.parts);
        let agreed = agreed.get(at).copied().unwrap_or_default();
        let taken = parts
            .into_iter()
            .flatten()
            .filter(|part| agreed.takes(part));
        taken.map(|part| part.group).collect::<BTreeSet<_>>().len()
    };
    let beats = |rival: usize, name: &[u8]| {
        if known_type(name).is_some() || known_type(&family.name).is_some() {
            return known_type(name).is_some();
        }
        let claims = (groups(rival), last.0.contains_key(name));
        claims > (groups(at), last.0.contains_key(&family.name))
    };
    Member::COMPOSED.into_iter().any(|member| {
        let suffix = member.suffix(composed);
        let name = [&*family.name, suffix].concat();
        let rival = names.get(name.as_slice()).filter(|_| !suffix.is_empty());
        rival.is_some_and(|rival| beats(*rival, &name))
    })
}

impl Types {
    /// Remembers what the families are, of each group no more than what an honest one has.
    pub(super) fn of(families: &[Family], agreed: &[Agreed]) -> Self {
        let mut remembered: HashMap<usize, usize> = HashMap::new();
        let mut types = HashMap::new();
        for (family, agreed) in families.iter().zip(agreed) {
            let mut may = false;
            for part in family.parts.iter().filter(|part| agreed.takes(part)) {
                let count = remembered.entry(part.group).or_default();
                may |= *count < REMEMBERED;
                *count += 1;
            }
            if may && family.name.len() <= LONGEST_NAME {
                types.insert(family.name.clone(), agreed.family);
            }
        }
        Self(types)
    }
}
