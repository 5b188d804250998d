//! For people: what maps to what, and why not.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::{
    Index,
    key::Key,
    names::Meaning,
    object::Source,
    plan::PlanOutcome,
    report::{NameVerdict, Reading},
    translate::{Claim, Roles, Target},
    view::View,
};

/// What one of Kong's names stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NameExplanation {
    /// The name, as it stands in the `service` or `upstream` label.
    pub name: String,
    /// Who claims it.
    pub claims: Vec<Reading>,
    /// What it stands for, for each DataPlane that sees a claim of it.
    pub dataplanes: BTreeMap<Key, NameVerdict>,
    /// What it stands for in the `upstream` label, where that is not the same.
    pub upstreams: BTreeMap<Key, NameVerdict>,
    /// Names that are much like it, where nobody claims it.
    pub similar: Vec<String>,
}

/// What becomes of one Service.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceExplanation {
    /// The Service.
    pub service: Key,
    /// Whether there is such a Service.
    pub exists: bool,
    /// For each DataPlane, the names that stand for the Service, with who claims them.
    pub names: BTreeMap<Key, Vec<(String, Vec<Reading>)>>,
    /// Claims that reach the Service, of names that stand for it nowhere, and why.
    pub left_out: Vec<(String, NameVerdict, Vec<Reading>)>,
    /// Rules that send traffic to it and to others.
    pub shared: Vec<(Key, Option<Source>)>,
    /// What the extensions that select it want.
    pub extensions: Vec<(Key, PlanOutcome)>,
}

impl Index {
    /// What one of Kong's names stands for. Looks at every claim there is: for people, not for loops.
    #[must_use]
    pub fn explain_name(&self, name: &str) -> NameExplanation {
        let mut claims = Vec::new();
        let mut audiences = Vec::new();
        let mut near: Vec<(usize, &str)> = Vec::new();
        for (source, all) in self.names.readings() {
            for claim in &all.claims {
                if *claim.name == *name {
                    claims.push((source, claim));
                    audiences.push(&all.audience);
                } else {
                    let same = claim
                        .name
                        .bytes()
                        .zip(name.bytes())
                        .take_while(|(one, other)| one == other)
                        .count();
                    near.push((same, &claim.name));
                }
            }
        }
        let mut explanation = NameExplanation {
            name: name.to_owned(),
            claims: self.readings(&claims),
            dataplanes: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            similar: Vec::new(),
        };
        for dataplane in self.dataplanes() {
            let Some(view) = self.view(&dataplane.key) else {
                continue;
            };
            let seen = claims.iter().zip(&audiences);
            let seen = seen.filter(|(_, audience)| view.sees(audience));
            let seen: Vec<_> = seen.map(|(claim, _)| *claim).collect();
            let [service, upstream] = [Roles::SERVICE, Roles::UPSTREAM]
                .map(|role| self.verdict(view, &self.names.meaning(name, role, view), &seen));
            if service.is_some() && upstream.is_some() && service != upstream {
                explanation.upstreams.extend(
                    upstream
                        .clone()
                        .map(|verdict| (dataplane.key.clone(), verdict)),
                );
            }
            explanation.dataplanes.extend(
                service
                    .or(upstream)
                    .map(|verdict| (dataplane.key.clone(), verdict)),
            );
        }
        if explanation.claims.is_empty() {
            near.sort_unstable_by(|one, other| (other.0, one.1).cmp(&(one.0, other.1)));
            near.dedup();
            let half = name.len() / 2;
            let similar = near.into_iter().filter(|(same, _)| *same > half).take(5);
            explanation.similar = similar.map(|(_, name)| name.to_owned()).collect();
        }
        explanation
    }

    /// What becomes of one Service. Looks at every claim there is: for people, not for loops.
    #[must_use]
    pub fn explain_service(&self, service: &Key) -> ServiceExplanation {
        let reaches = |target: &Target| matches!(target, Target::Service(key) if key == service);
        let mut names: BTreeMap<Key, Vec<_>> = BTreeMap::new();
        let mut mapped = std::collections::BTreeSet::new();
        let mut left_out: BTreeMap<String, (NameVerdict, Vec<Reading>)> = BTreeMap::new();
        for dataplane in self.dataplanes() {
            let Some(view) = self.view(&dataplane.key) else {
                continue;
            };
            for (name, claims) in self.names.seen(view) {
                if !claims.iter().any(|(_, claim)| reaches(&claim.target)) {
                    continue;
                }
                let meanings = [Roles::SERVICE, Roles::UPSTREAM]
                    .map(|role| self.names.meaning(name, role, view));
                if meanings.contains(&Meaning::Service(service)) {
                    mapped.insert(name.to_string());
                    names
                        .entry(dataplane.key.clone())
                        .or_default()
                        .push((name.to_string(), self.readings(&claims)));
                } else if let Some(verdict) = meanings
                    .iter()
                    .find_map(|meaning| self.verdict(view, meaning, &claims))
                {
                    left_out.insert(name.to_string(), (verdict, self.readings(&claims)));
                }
            }
        }
        let fellows = self
            .fellows
            .of(service)
            .into_iter()
            .filter(|(fellow, _)| fellow != service);
        let extensions = self.topology.selected.get(service).into_iter().flatten();
        let outcome = |extension: &Key| {
            let planned = self
                .plan(extension)
                .services
                .into_iter()
                .find(|planned| planned.service == *service);
            planned.map(|planned| (extension.clone(), planned.outcome))
        };
        ServiceExplanation {
            service: service.clone(),
            exists: self.referents.services.contains_key(service),
            names,
            left_out: left_out
                .into_iter()
                .filter(|(name, _)| !mapped.contains(name))
                .map(|(name, (verdict, claims))| (name, verdict, claims))
                .collect(),
            shared: fellows
                .map(|(fellow, rule)| (fellow, rule.cloned()))
                .collect(),
            extensions: extensions.filter_map(outcome).collect(),
        }
    }
}

impl Index {
    fn verdict(
        &self,
        view: &View,
        meaning: &Meaning<'_>,
        claims: &[(&Source, &Claim)],
    ) -> Option<NameVerdict> {
        let held = |verdict| match verdict {
            NameVerdict::Ambiguous => self
                .waits(view, claims)
                .map_or(NameVerdict::Ambiguous, NameVerdict::Held),
            other => other,
        };
        NameVerdict::of(meaning).map(held)
    }
}

impl fmt::Display for NameExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.name)?;
        if self.claims.is_empty() {
            writeln!(f, "  no object gives Kong this name")?;
            for name in &self.similar {
                writeln!(f, "  similar: {name}")?;
            }
            return Ok(());
        }
        for claim in &self.claims {
            writeln!(f, "  {claim}")?;
        }
        if self.dataplanes.is_empty() {
            writeln!(f, "  no DataPlane sees these objects")?;
        }
        for (dataplane, verdict) in &self.dataplanes {
            writeln!(f, "  in the table of DataPlane {dataplane}: {verdict}")?;
            if let Some(verdict) = self.upstreams.get(dataplane) {
                writeln!(f, "    as the name of an upstream: {verdict}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ServiceExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service {}", self.service)?;
        writeln!(f, "{}", if self.exists { "" } else { " (does not exist)" })?;
        if self.extensions.is_empty() {
            writeln!(f, "  no attached DataPlaneMetricsExtension selects it")?;
        }
        for (extension, outcome) in &self.extensions {
            writeln!(f, "  DataPlaneMetricsExtension {extension}: it {outcome}")?;
        }
        for (fellow, rule) in &self.shared {
            write!(f, "  shares rules with Service {fellow}")?;
            match rule {
                Some(rule) => writeln!(f, " ({rule})")?,
                None => writeln!(f)?,
            }
        }
        if self.names.is_empty() {
            writeln!(f, "  no name in any table stands for it")?;
        }
        for (dataplane, names) in &self.names {
            writeln!(f, "  in the table of DataPlane {dataplane}:")?;
            for (name, claims) in names {
                writeln!(f, "    {name}")?;
                for claim in claims {
                    writeln!(f, "      {claim}")?;
                }
            }
        }
        for (name, verdict, claims) in &self.left_out {
            writeln!(f, "  {name}: {verdict}")?;
            for claim in claims {
                writeln!(f, "    {claim}")?;
            }
        }
        Ok(())
    }
}
