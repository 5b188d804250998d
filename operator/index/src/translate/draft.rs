//! What one object says, before it is known what its names reach.

use std::collections::BTreeSet;

use super::{
    backend::{Destination, Reach},
    claim::{Claim, Form, Roles, Target},
    hosts,
};
use crate::{
    key::{Key, Name},
    object::Source,
    referents::{Referent, Referents},
};

/// What an object says about Kong's names, whatever else there is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    /// The names.
    names: Vec<DraftName>,
    /// Where their traffic can go, as it is written.
    destinations: Vec<Destination>,
    /// The Gateways whose listeners' host names are in further names.
    pub(super) listeners: Vec<Key>,
}

/// What an object says, with what is no matter of names.
#[derive(Debug, Default)]
pub(crate) struct Translation {
    /// The Gateways that the object asks to be attached to; none where that is not how it reaches a Kong.
    pub(crate) parents: Option<Vec<Key>>,
    /// The names.
    pub(crate) draft: Draft,
    /// Of each rule with several Services, those Services, sorted.
    pub(crate) fellows: Vec<Vec<Key>>,
}

/// One name of a draft.
#[derive(Debug, PartialEq, Eq)]
struct DraftName {
    name: Name,
    roles: Roles,
    form: Form,
    rule: u16,
    /// Its place in [`Draft::destinations`].
    destination: usize,
}

// === impl Translation ===

impl Translation {
    /// Names with a destination of their own.
    pub(super) fn claim(
        &mut self,
        name: &str,
        target: Target,
        roles: Roles,
        form: Form,
        rule: usize,
    ) {
        let destination = self.destination(Destination::Fixed(target));
        self.name(name, destination, roles, form, rule);
    }

    pub(super) fn destination(&mut self, destination: Destination) -> usize {
        self.draft.destinations.push(destination);
        self.draft.destinations.len() - 1
    }

    pub(super) fn name(
        &mut self,
        name: &str,
        destination: usize,
        roles: Roles,
        form: Form,
        rule: usize,
    ) {
        self.draft.names.push(DraftName {
            name: Name::from(name),
            roles,
            form,
            rule: u16::try_from(rule).unwrap_or(u16::MAX),
            destination,
        });
    }

    /// Brings everything into an order that depends on nothing but itself, each once.
    pub(super) fn settle(&mut self) {
        self.fellows.sort_unstable();
        self.fellows.dedup();
        self.draft.names.shrink_to_fit();
        self.draft.destinations.shrink_to_fit();
    }
}

// === impl Draft ===

impl Draft {
    /// What its names depend on beside the object; nothing for most.
    pub(crate) fn referents(&self, source: &Source) -> BTreeSet<Referent> {
        let namespace = &source.key.namespace;
        let gateways = self.listeners.iter().cloned().map(Referent::Gateway);
        let destinations = self.destinations.iter();
        destinations
            .flat_map(|destination| destination.referents(namespace))
            .chain(gateways)
            .collect()
    }

    /// What its names reach as things are: in order, each once.
    pub(crate) fn claims(&self, source: &Source, referents: &Referents) -> Vec<Claim> {
        let (kind, namespace) = (source.kind.name(), &source.key.namespace);
        let reaches: Vec<Reach> = self
            .destinations
            .iter()
            .map(|destination| destination.reach(kind, namespace, referents))
            .collect();
        let mut claims = Vec::with_capacity(self.names.len());
        let mut add = |name: Name, roles: Roles, form, rule, destination: usize| {
            let Some(Reach { traffic, addresses }) = reaches.get(destination) else {
                return;
            };
            let mut claim = |roles, target: &Target| {
                claims.push(Claim {
                    name: Name::clone(&name),
                    target: target.clone(),
                    roles,
                    form,
                    rule,
                });
            };
            if traffic == addresses {
                return claim(roles, traffic);
            }
            if roles.has(Roles::SERVICE) {
                claim(Roles::SERVICE, traffic);
            }
            if roles.has(Roles::UPSTREAM) {
                claim(Roles::UPSTREAM, addresses);
            }
        };
        for name in &self.names {
            let text = Name::clone(&name.name);
            add(text, name.roles, name.form, name.rule, name.destination);
        }
        for (host, name) in self.inherited(referents) {
            let text = hosts::with_host(source, host, name.rule);
            add(
                Name::from(text),
                Roles::BOTH,
                Form::RouteHost,
                name.rule,
                name.destination,
            );
        }
        claims.sort_unstable();
        claims.dedup_by(|one, other| {
            (&one.name, &one.target, one.roles) == (&other.name, &other.target, other.roles)
        });
        claims
    }

    /// The Services to which a name refers.
    pub(crate) fn services(&self, name: &str) -> Vec<&Key> {
        let named = self.names.iter().filter(|draft| *draft.name == *name);
        let destinations = named.filter_map(|draft| self.destinations.get(draft.destination));
        destinations.flat_map(Destination::services).collect()
    }

    /// The host names that the object inherits from listeners, with each of its rules.
    fn inherited<'a>(
        &'a self,
        referents: &'a Referents,
    ) -> impl Iterator<Item = (&'a Name, &'a DraftName)> {
        let gateways = self.listeners.iter();
        let hosts = gateways
            .filter_map(|gateway| referents.gateways.get(gateway))
            .flat_map(|gateway| &gateway.hosts);
        hosts.flat_map(|host| {
            let rules = self.names.iter().filter(|name| name.form == Form::Route);
            rules.map(move |rule| (host, rule))
        })
    }
}
