//! Builds label tables, from nothing or from another table.

use std::collections::HashSet;
use std::mem;

use hashbrown::HashTable;

use super::{LabelTable, Name, hash};
use crate::added::{ADDED, KONG};
use crate::escape::{escape_into, label_into};

/// Collects the names of a [`LabelTable`]. The last entry for a name stands.
///
/// A table's names together, and its labels, have less than 4 GiB; what comes on top of that is left out.
///
/// ```
/// use tagalong_exposition::LabelTable;
///
/// let mut builder = LabelTable::builder();
/// for name in ["echo", "shop"] {
///     builder = builder.service(&format!("httproute.default.{name}.0"), "default", name);
/// }
/// assert_eq!(builder.build().len(), 2);
/// ```
#[derive(Clone, Debug, Default)]
pub struct LabelTableBuilder {
    table: LabelTable,
    /// Where the labels of each Kubernetes Service stand.
    pool: HashTable<u32>,
    /// Buffers for one name, and for one Service's labels.
    key: Vec<u8>,
    joined: Vec<u8>,
}

#[derive(Clone, Copy)]
enum NameKind {
    Service,
    Upstream,
}

impl LabelTable {
    /// Starts an empty table.
    ///
    /// ```
    /// let table = tagalong_exposition::LabelTable::builder().build();
    /// assert!(table.is_empty());
    /// ```
    #[must_use]
    pub fn builder() -> LabelTableBuilder {
        LabelTableBuilder::default()
    }

    /// Starts a table with what this one holds, less the names (not escaped) of these services and upstreams.
    ///
    /// ```
    /// # use tagalong_exposition::LabelTable;
    /// let table = LabelTable::builder().service("a", "default", "a").service("b", "default", "b").build();
    /// let next = table.without(&["a", "never there"], &[]).service("c", "default", "c").service("d", "default", "d");
    /// assert_eq!(next.build().len(), 3);
    /// ```
    #[must_use]
    pub fn without<S: AsRef<str>>(&self, services: &[S], upstreams: &[S]) -> LabelTableBuilder {
        LabelTableBuilder::but(self, services, upstreams)
    }
}

impl LabelTableBuilder {
    /// Kong's service `kong_name` (not escaped) stands for the Kubernetes Service `namespace`/`name`.
    ///
    /// ```
    /// # use tagalong_exposition::LabelTable;
    /// let table = LabelTable::builder().service("httproute.default.echo.0", "default", "echo").build();
    /// assert!(!table.is_empty());
    /// ```
    #[must_use]
    pub fn service(mut self, kong_name: &str, namespace: &str, name: &str) -> Self {
        self.set_service(kong_name, namespace, name);
        self
    }

    /// Kong's upstream `kong_name` (not escaped) stands for the Kubernetes Service `namespace`/`name`.
    ///
    /// ```
    /// # use tagalong_exposition::LabelTable;
    /// let table = LabelTable::builder().upstream("echo.default.80.svc", "default", "echo").build();
    /// assert_eq!(table.len(), 1);
    /// ```
    #[must_use]
    pub fn upstream(mut self, kong_name: &str, namespace: &str, name: &str) -> Self {
        self.set_upstream(kong_name, namespace, name);
        self
    }

    /// Kong's service `kong_name` (not escaped) could stand for two Kubernetes Services: it earns no labels, and its samples are
    /// counted apart. Says whether the name is new.
    ///
    /// ```
    /// let mut builder = tagalong_exposition::LabelTable::builder();
    /// assert!(builder.set_ambiguous_service("a"));
    /// let table = builder.build();
    /// assert_eq!((table.len(), table.ambiguous()), (0, 1));
    /// ```
    pub fn set_ambiguous_service(&mut self, kong_name: &str) -> bool {
        self.set_ambiguous(NameKind::Service, kong_name)
    }

    /// As [`set_ambiguous_service`](Self::set_ambiguous_service), of Kong's upstream `kong_name`.
    ///
    /// ```
    /// let mut builder = tagalong_exposition::LabelTable::builder();
    /// assert!(builder.set_ambiguous_upstream("a"));
    /// assert!(!builder.set_upstream("a", "default", "a"));
    /// assert_eq!(builder.build().ambiguous(), 0);
    /// ```
    pub fn set_ambiguous_upstream(&mut self, kong_name: &str) -> bool {
        self.set_ambiguous(NameKind::Upstream, kong_name)
    }

    /// As [`service`](Self::service); says whether the name is new.
    ///
    /// ```
    /// let mut builder = tagalong_exposition::LabelTable::builder();
    /// assert!(builder.set_service("a", "default", "a"));
    /// assert!(!builder.set_service("a", "default", "b"));
    /// ```
    pub fn set_service(&mut self, kong_name: &str, namespace: &str, name: &str) -> bool {
        self.set(NameKind::Service, kong_name, namespace, name)
    }

    /// As [`upstream`](Self::upstream); says whether the name is new.
    ///
    /// ```
    /// let mut builder = tagalong_exposition::LabelTable::builder();
    /// assert!(builder.set_service("a", "default", "a"));
    /// assert!(builder.set_upstream("a", "default", "a"));
    /// ```
    pub fn set_upstream(&mut self, kong_name: &str, namespace: &str, name: &str) -> bool {
        self.set(NameKind::Upstream, kong_name, namespace, name)
    }

    /// How much memory the table takes so far, in bytes.
    ///
    /// ```
    /// let mut builder = tagalong_exposition::LabelTable::builder();
    /// builder.set_service("a", "default", "a");
    /// assert!(builder.bytes() >= builder.build().bytes());
    /// ```
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.table.bytes() + self.pool.allocation_size()
    }

    /// The finished table.
    ///
    /// ```
    /// assert!(tagalong_exposition::LabelTable::builder().build().is_empty());
    /// ```
    #[must_use]
    pub fn build(self) -> LabelTable {
        let mut table = self.table;
        table.keys.shrink_to_fit();
        table.labels.shrink_to_fit();
        let (keys, hasher) = (&table.keys, &table.hasher);
        table
            .names
            .shrink_to_fit(|name| hash(hasher, name.key(keys)));
        table
    }

    fn but<S: AsRef<str>>(table: &LabelTable, services: &[S], upstreams: &[S]) -> Self {
        let (services, upstreams) = (escaped(services), escaped(upstreams));
        let mut builder = Self {
            table: LabelTable {
                names: HashTable::with_capacity(table.names.len()),
                keys: Vec::with_capacity(table.keys.len()),
                labels: Vec::with_capacity(table.labels.len()),
                ..LabelTable::default()
            },
            ..Self::default()
        };
        for name in &table.names {
            let key = name.key(&table.keys);
            for (kind, at, gone) in [
                (NameKind::Service, name.service, &services),
                (NameKind::Upstream, name.upstream, &upstreams),
            ] {
                if gone.contains(key) {
                    continue;
                }
                if let Some(labels) = table.labels_at(at) {
                    builder.put(kind, key, labels);
                } else if at == Name::AMBIGUOUS {
                    builder.place(kind, key, at);
                }
            }
        }
        builder
    }

    fn set(&mut self, kind: NameKind, kong_name: &str, namespace: &str, name: &str) -> bool {
        let mut key = mem::take(&mut self.key);
        let mut labels = mem::take(&mut self.joined);
        key.clear();
        escape_into(&mut key, kong_name);
        labels.clear();
        join(&mut labels, namespace, name);
        let new = self.put(kind, &key, &labels);
        (self.key, self.joined) = (key, labels);
        new
    }

    fn set_ambiguous(&mut self, kind: NameKind, kong_name: &str) -> bool {
        let mut key = mem::take(&mut self.key);
        key.clear();
        escape_into(&mut key, kong_name);
        let new = self.place(kind, &key, Name::AMBIGUOUS);
        self.key = key;
        new
    }

    fn put(&mut self, kind: NameKind, key: &[u8], labels: &[u8]) -> bool {
        let labels = self.pooled(labels);
        labels.is_none_or(|labels| self.place(kind, key, labels))
    }

    /// Puts in a name whose labels stand at `labels`.
    fn place(&mut self, kind: NameKind, key: &[u8], labels: u32) -> bool {
        let LabelTable {
            names,
            keys,
            hasher,
            services,
            upstreams,
            ambiguous,
            ..
        } = &mut self.table;
        let hashed = hash(hasher, key);
        let name = match names.find_mut(hashed, |name| name.key(keys) == key) {
            Some(name) => name,
            None => {
                let (Some(at), Ok(length)) = (offset(keys, key), u32::try_from(key.len())) else {
                    return true;
                };
                let name = Name {
                    at,
                    length,
                    service: Name::NONE,
                    upstream: Name::NONE,
                };
                keys.extend_from_slice(key);
                names
                    .insert_unique(hashed, name, |name| hash(hasher, name.key(keys)))
                    .into_mut()
            }
        };
        let (now, count) = match kind {
            NameKind::Service => (&mut name.service, services),
            NameKind::Upstream => (&mut name.upstream, upstreams),
        };
        let old = mem::replace(now, labels);
        for (at, now) in [(old, false), (labels, true)] {
            let count = match at {
                Name::NONE => continue,
                Name::AMBIGUOUS => &mut *ambiguous,
                _ => &mut *count,
            };
            *count = if now { *count + 1 } else { *count - 1 };
        }
        old == Name::NONE
    }

    /// Where these labels stand, from now on if not before.
    fn pooled(&mut self, labels: &[u8]) -> Option<u32> {
        let table = &self.table;
        let hashed = hash(&table.hasher, labels);
        let same = |at: &u32| table.labels_at(*at) == Some(labels);
        if let Some(at) = self.pool.find(hashed, same) {
            return Some(*at);
        }
        let at = offset(&table.labels, labels)?;
        let length = u32::try_from(labels.len()).ok()?;
        self.table.labels.extend_from_slice(&length.to_le_bytes());
        self.table.labels.extend_from_slice(labels);
        let table = &self.table;
        self.pool.insert_unique(hashed, at, |at| {
            hash(&table.hasher, table.labels_at(*at).unwrap_or_default())
        });
        Some(at)
    }
}

/// The offset at which `more` would stand in the buffer, unless it would end beyond what 32 bits can address.
fn offset(buffer: &[u8], more: &[u8]) -> Option<u32> {
    let end = buffer.len() + size_of::<u32>() + more.len();
    u32::try_from(end)
        .ok()
        .filter(|end| *end < Name::AMBIGUOUS)?;
    u32::try_from(buffer.len()).ok()
}

fn escaped<S: AsRef<str>>(names: &[S]) -> HashSet<Vec<u8>> {
    let escaped = |name: &S| {
        let mut key = Vec::new();
        escape_into(&mut key, name.as_ref());
        key
    };
    names.iter().map(escaped).collect()
}

/// Appends the added labels of a Kubernetes Service, each followed by a comma, and what renames Kong's own label.
fn join(labels: &mut Vec<u8>, namespace: &str, name: &str) {
    for (label, value) in ADDED {
        label_into(labels, label, value.of(namespace, name));
        labels.push(b',');
    }
    labels.extend_from_slice(KONG.as_bytes());
}
