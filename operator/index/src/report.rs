//! What a DataPlane's table leaves out, and why.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::{
    Index,
    key::Key,
    names::Meaning,
    object::Source,
    translate::{Claim, Form, Roles, Target},
};

/// What a DataPlane's table holds and what it leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How many names stand for a Service, in the `service` label or the `upstream` label.
    pub mapped: usize,
    /// Names left out, because claims disagree about them: in order.
    pub ambiguous: Vec<Unmapped>,
    /// Rules whose traffic is split over several Services, or reaches none: in order, each once, by its first name.
    pub unmapped: Vec<Unmapped>,
}

/// A name that is in no table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unmapped {
    /// The name.
    pub name: String,
    /// Who claims it.
    pub claims: Vec<Reading>,
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
}

impl Index {
    /// What a DataPlane's table holds and leaves out; none if there is no such DataPlane. Its cost is that of the table.
    #[must_use]
    pub fn report(&self, dataplane: &Key) -> Option<Report> {
        let view = self.view(dataplane)?;
        let mut report = Report::default();
        let mut rules = BTreeMap::new();
        for (name, claims) in self.names.seen(view) {
            let meanings =
                [Roles::SERVICE, Roles::UPSTREAM].map(|role| self.names.meaning(name, role, view));
            if meanings.contains(&Meaning::Ambiguous) {
                report.ambiguous.push(Unmapped {
                    name: name.to_string(),
                    claims: readings(&claims),
                });
            } else if meanings
                .iter()
                .any(|meaning| matches!(meaning, Meaning::Service(_)))
            {
                report.mapped += 1;
            } else {
                for (source, claim) in claims {
                    let reading = Reading::of(source, claim);
                    let first = rules
                        .entry((source, claim.rule))
                        .or_insert_with(|| (name, reading.clone()));
                    if reading.form < first.1.form {
                        *first = (name, reading);
                    }
                }
            }
        }
        report.unmapped = rules
            .into_values()
            .map(|(name, reading)| Unmapped {
                name: name.to_string(),
                claims: vec![reading],
            })
            .collect();
        Some(report)
    }
}

pub(crate) fn readings(claims: &[(&Source, &Claim)]) -> Vec<Reading> {
    let mut readings: Vec<_> = claims
        .iter()
        .map(|(source, claim)| Reading::of(source, claim))
        .collect();
    readings.sort_unstable();
    readings
}

impl Reading {
    pub(crate) fn of(source: &Source, claim: &Claim) -> Self {
        Self {
            source: source.clone(),
            rule: claim.rule,
            form: claim.form,
            target: claim.target.clone(),
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rule {} -> {} [{}]",
            self.source, self.rule, self.target, self.form
        )
    }
}
