//! The Services and their totals.

use hashbrown::HashTable;
use tagalong_wire::Totals;

/// A Service, by its place.
pub(super) type Owner = u32;

#[derive(Debug)]
struct Service {
    namespace: String,
    name: String,
    totals: Totals,
}

/// All Services that a series was ever found to be of.
#[derive(Debug, Default)]
pub(super) struct Services {
    index: HashTable<Owner>,
    services: Vec<Service>,
    hasher: foldhash::quality::RandomState,
}

impl Services {
    pub(super) fn len(&self) -> usize {
        self.services.len()
    }

    /// How much memory they take, in bytes: names of the longest kind.
    pub(super) fn bytes(&self) -> usize {
        let each = size_of::<Service>() + 2 * 64;
        // As many again, since a vector grows by doubling.
        2 * (self.services.len() + 1) * each + self.index.allocation_size()
    }

    /// The Service whose added labels these are, from now on if not before.
    pub(super) fn of(&mut self, added: &[u8]) -> Option<Owner> {
        let (namespace, name) = named(added)?;
        let hash = self.hash(namespace, name);
        let (services, hasher) = (&self.services, &self.hasher);
        let is = |at: &Owner| {
            services
                .get(*at as usize)
                .is_some_and(|service| service.namespace == namespace && service.name == name)
        };
        if let Some(at) = self.index.find(hash, is) {
            return Some(*at);
        }
        let at = Owner::try_from(services.len()).ok()?;
        self.index.insert_unique(hash, at, |at| {
            let service = services.get(*at as usize);
            service.map_or(0, |service| {
                hash_of(hasher, &service.namespace, &service.name)
            })
        });
        self.services.push(Service {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            totals: Totals::default(),
        });
        Some(at)
    }

    pub(super) fn totals_mut(&mut self, owner: Owner) -> Option<&mut Totals> {
        let service = self.services.get_mut(owner as usize)?;
        Some(&mut service.totals)
    }

    /// The Services from this place on: namespace, name, totals.
    pub(super) fn from(&self, at: usize) -> impl Iterator<Item = (&str, &str, &Totals)> {
        let rest = self.services.get(at..).unwrap_or_default();
        rest.iter().map(|service| {
            (
                service.namespace.as_str(),
                service.name.as_str(),
                &service.totals,
            )
        })
    }

    fn hash(&self, namespace: &str, name: &str) -> u64 {
        hash_of(&self.hasher, namespace, name)
    }
}

fn hash_of(hasher: &foldhash::quality::RandomState, namespace: &str, name: &str) -> u64 {
    use std::hash::BuildHasher as _;

    hasher.hash_one((namespace, name))
}

/// Namespace and name in the added labels, which begin with them. Neither needs an escape, or the table's reader would have
/// refused it.
fn named(added: &[u8]) -> Option<(&str, &str)> {
    let mut quoted = added.split(|byte| *byte == b'"').skip(1).step_by(2);
    let mut next = || std::str::from_utf8(quoted.next()?).ok();
    Some((next()?, next()?))
}
