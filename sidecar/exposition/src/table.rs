//! Which Kong name stands for which Kubernetes Service, as bytes ready to be spliced into a line.

pub(crate) mod builder;

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::added::KONG;

/// The Kong names that are known, and the labels each of them earns.
///
/// The labels are joined and escaped once, when the table is built, so that a line costs one lookup and one copy. They
/// stand once for each Kubernetes Service, and a name that is both a service's and an upstream's stands once too. A
/// table does not change; to change what is known, build another one, perhaps [`without`](Self::without) some of the
/// names of this one, and hand it to the next [`push`](crate::Rewriter::push).
///
/// ```
/// use tagalong_exposition::LabelTable;
///
/// let table = LabelTable::builder()
///     .service("httproute.default.echo.0", "default", "echo")
///     .upstream("echo.default.80.svc", "default", "echo")
///     .build();
/// assert_eq!(table.len(), 2);
/// assert!(LabelTable::default().is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct LabelTable {
    names: HashTable<Name>,
    /// All names as they are escaped on a line, one behind the other.
    keys: Vec<u8>,
    /// The labels of all Kubernetes Services, each behind their length in four bytes.
    labels: Vec<u8>,
    services: usize,
    upstreams: usize,
    ambiguous: usize,
    hasher: RandomState,
}

/// What a table knows of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known<'t> {
    /// What to insert in front of the label.
    Labels(&'t [u8]),
    /// It could stand for two Services. The name, as it is escaped on the line.
    Ambiguous(&'t [u8]),
    /// Nothing.
    Nothing,
}

/// A Kong name: where it stands in the keys, and where its labels do.
#[derive(Clone, Copy, Debug)]
struct Name {
    at: u32,
    length: u32,
    service: u32,
    upstream: u32,
}

impl LabelTable {
    /// How many names, of services and upstreams together, the table holds.
    ///
    /// ```
    /// # use tagalong_exposition::LabelTable;
    /// let table = LabelTable::builder().service("a", "default", "a").service("a", "default", "a").build();
    /// assert_eq!(table.len(), 1);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.services + self.upstreams
    }

    /// How many services it names.
    #[must_use]
    pub fn services(&self) -> usize {
        self.services
    }

    /// How many upstreams it names.
    #[must_use]
    pub fn upstreams(&self) -> usize {
        self.upstreams
    }

    /// How many names, of services and upstreams together, it knows to be ambiguous.
    #[must_use]
    pub fn ambiguous(&self) -> usize {
        self.ambiguous
    }

    /// Whether the table holds no name, so that every line passes as it is.
    ///
    /// ```
    /// assert!(tagalong_exposition::LabelTable::default().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much memory the table takes, in bytes.
    ///
    /// ```
    /// # use tagalong_exposition::LabelTable;
    /// assert_eq!(LabelTable::default().bytes(), 0);
    /// assert!(LabelTable::builder().service("a", "default", "a").build().bytes() > 100);
    /// ```
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.names.allocation_size() + self.keys.len() + self.labels.len()
    }

    /// What is known of a `service` label whose value, as it is escaped on the line, is `escaped`.
    pub(crate) fn service(&self, escaped: &[u8]) -> Known<'_> {
        let known = |name: &Name| self.known(name, name.service);
        self.name(escaped).map_or(Known::Nothing, known)
    }

    /// What is known of an `upstream` label whose value, as it is escaped on the line, is `escaped`.
    pub(crate) fn upstream(&self, escaped: &[u8]) -> Known<'_> {
        let known = |name: &Name| match self.known(name, name.upstream) {
            Known::Labels(labels) => labels
                .strip_suffix(KONG.as_bytes())
                .map_or(Known::Nothing, Known::Labels),
            other => other,
        };
        self.name(escaped).map_or(Known::Nothing, known)
    }

    fn known(&self, name: &Name, at: u32) -> Known<'_> {
        match self.labels_at(at) {
            Some(labels) => Known::Labels(labels),
            None if at == Name::AMBIGUOUS => Known::Ambiguous(name.key(&self.keys)),
            None => Known::Nothing,
        }
    }

    fn name(&self, escaped: &[u8]) -> Option<&Name> {
        let hash = hash(&self.hasher, escaped);
        self.names
            .find(hash, |name| name.key(&self.keys) == escaped)
    }

    /// The labels that stand there, with the beginning of the label that follows; none at [`Name::NONE`] and
    /// [`Name::AMBIGUOUS`].
    fn labels_at(&self, at: u32) -> Option<&[u8]> {
        let (length, rest) = self.labels.get(at as usize..)?.split_first_chunk()?;
        rest.get(..u32::from_le_bytes(*length) as usize)
    }
}

impl Name {
    /// Where there are no labels: no buffer is ever so long.
    const NONE: u32 = u32::MAX;
    /// Where there are none because the name could stand for two Services.
    const AMBIGUOUS: u32 = u32::MAX - 1;

    fn key<'k>(&self, keys: &'k [u8]) -> &'k [u8] {
        let at = self.at as usize;
        keys.get(at..at + self.length as usize).unwrap_or_default()
    }
}

fn hash(hasher: &RandomState, bytes: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests;
