//! HELP and TYPE of each family, as the format wants them.
//!
//! Text format knows each type as it is. OpenMetrics calls the family of a counter what its samples are called without
//! `_total`, has every sample of a histogram or summary in one with its whole series, and lets no family have a name that
//! another could have. What does not fit is `unknown`, under the names that its samples have: nothing is lost but the type.

use std::collections::HashSet;

use super::agree::Agreed;
use super::family::{Family, Names};
use super::format::Format;
use super::types::{FamilyType, Member};

/// A walk over a family's samples: what stands in front, and which are written, if not all.
pub(super) type Pass = (Vec<u8>, Option<Member>);

/// The passes for each family.
pub(super) fn headers(
    families: &[Family],
    names: &Names,
    agreed: &[Agreed],
    format: Format,
) -> Vec<Vec<Pass>> {
    let each = families.iter().zip(agreed);
    if format == Format::Text {
        let header = |(family, agreed): (&Family, &Agreed)| {
            let text = agreed.family.map_or("", FamilyType::text);
            vec![(family.header(&family.name, text, false), None)]
        };
        return each.map(header).collect();
    }
    let mut claims = Claims::new(families, names, agreed);
    each.map(|(family, agreed)| openmetrics(family, *agreed, &mut claims))
        .collect()
}

fn openmetrics(family: &Family, agreed: Agreed, claims: &mut Claims<'_>) -> Vec<Pass> {
    let header = |name: &[u8], text: &str| family.header(name, text, true);
    let name = &*family.name;
    match agreed.family {
        Some(FamilyType::Counter) => {
            let stem = name.strip_suffix(b"_total");
            let stem =
                stem.filter(|stem| !stem.is_empty() && claims.claim(&[stem, &created(stem)]));
            match stem {
                Some(stem) => vec![(header(stem, "counter"), None)],
                None => vec![(header(name, "unknown"), None)],
            }
        }
        Some(composed) if composed.composed() => {
            let whole = family.parts.iter().all(|part| part.whole);
            if whole && claims.claim(&[&created(name)]) {
                return vec![(header(name, composed.text()), None)];
            }
            let there = |at: usize| {
                family
                    .parts
                    .iter()
                    .any(|part| part.members.get(at) == Some(&true))
            };
            let members = Member::COMPOSED.into_iter().enumerate();
            members
                .filter(|(at, _)| there(*at))
                .map(|(_, member)| {
                    let name = [name, member.suffix(composed)].concat();
                    (header(&name, "unknown"), Some(member))
                })
                .collect()
        }
        Some(FamilyType::Untyped) => vec![(header(name, "unknown"), None)],
        simple => vec![(header(name, simple.map_or("", FamilyType::text)), None)],
    }
}

/// The name of the sample that says when a series began, which belongs to any that counts.
fn created(name: &[u8]) -> Vec<u8> {
    [name, b"_created"].concat()
}

/// Which names are taken.
struct Claims<'f> {
    names: &'f Names,
    /// Families of which no sample is written.
    without: HashSet<usize>,
    more: HashSet<Vec<u8>>,
}

impl<'f> Claims<'f> {
    fn new(families: &'f [Family], names: &'f Names, agreed: &[Agreed]) -> Self {
        let (mut without, mut more) = (HashSet::new(), HashSet::new());
        for (at, (family, agreed)) in families.iter().zip(agreed).enumerate() {
            if family.parts.is_empty() {
                without.insert(at);
            } else if let Some(composed) = agreed.family.filter(|family| family.composed()) {
                for member in Member::COMPOSED {
                    more.insert([&*family.name, member.suffix(composed)].concat());
                }
            }
        }
        Self {
            names,
            without,
            more,
        }
    }

    /// Takes the names, if nobody has one of them.
    fn claim(&mut self, names: &[&[u8]]) -> bool {
        let taken = |name: &&[u8]| {
            let family = self.names.get(*name);
            self.more.contains(*name) || family.is_some_and(|at| !self.without.contains(at))
        };
        if names.iter().any(taken) {
            return false;
        }
        self.more.extend(names.iter().map(|name| name.to_vec()));
        true
    }
}

impl Family {
    fn header(&self, name: &[u8], text: &str, openmetrics: bool) -> Vec<u8> {
        let mut header = Vec::new();
        if let Some(help) = self.parts.iter().find_map(|part| part.help.as_ref()) {
            header.extend_from_slice(b"# HELP ");
            header.extend_from_slice(name);
            header.push(b' ');
            for byte in help.iter() {
                // Text format has no need to escape it.
                if openmetrics && *byte == b'"' {
                    header.push(b'\\');
                }
                header.push(*byte);
            }
            header.push(b'\n');
        }
        if !text.is_empty() {
            header.extend_from_slice(b"# TYPE ");
            header.extend_from_slice(name);
            header.push(b' ');
            header.extend_from_slice(text.as_bytes());
            header.push(b'\n');
        }
        header
    }
}
