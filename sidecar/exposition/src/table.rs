//! Which Kong name stands for which Kubernetes Service, as bytes ready to be spliced into a line.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::escape::{escape_into, label_into};

type Map = HashMap<Box<[u8]>, Box<[u8]>, RandomState>;

/// The Kong names that are known, and the labels each of them earns.
///
/// The labels are joined and escaped once, when the table is built, so that a line costs one lookup and one copy. A
/// table does not change; to change what is known, build another one and hand it to the next
/// [`push`](crate::Rewriter::push).
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
    services: Map,
    upstreams: Map,
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

    /// How many names, of services and upstreams together, the table holds.
    ///
    /// ```
    /// # use tagalong_exposition::LabelTable;
    /// let table = LabelTable::builder().service("a", "default", "a").service("a", "default", "a").build();
    /// assert_eq!(table.len(), 1);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.services.len() + self.upstreams.len()
    }

    /// Whether the table holds no name, so that every line passes as it is.
    ///
    /// ```
    /// assert!(tagalong_exposition::LabelTable::default().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.upstreams.is_empty()
    }

    /// What to insert in front of a `service` label whose value, as it is escaped on the line, is `escaped`.
    pub(crate) fn service(&self, escaped: &[u8]) -> Option<&[u8]> {
        self.services.get(escaped).map(AsRef::as_ref)
    }

    /// What to insert in front of an `upstream` label whose value, as it is escaped on the line, is `escaped`.
    pub(crate) fn upstream(&self, escaped: &[u8]) -> Option<&[u8]> {
        self.upstreams.get(escaped).map(AsRef::as_ref)
    }
}

/// Collects the names of a [`LabelTable`]. The last entry for a name stands.
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
        let mut labels = joined(namespace, name);
        // The line goes on with `service="<kong>"`, which this turns into `kong_service="<kong>"`.
        labels.extend_from_slice(b"kong_");
        self.table.services.insert(key(kong_name), labels.into());
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
        let labels = joined(namespace, name);
        self.table.upstreams.insert(key(kong_name), labels.into());
        self
    }

    /// The finished table.
    ///
    /// ```
    /// assert!(tagalong_exposition::LabelTable::builder().build().is_empty());
    /// ```
    #[must_use]
    pub fn build(self) -> LabelTable {
        self.table
    }
}

fn key(kong_name: &str) -> Box<[u8]> {
    let mut key = Vec::with_capacity(kong_name.len());
    escape_into(&mut key, kong_name);
    key.into()
}

/// The labels of the Kubernetes Service in the contract's order, each followed by a comma.
fn joined(namespace: &str, name: &str) -> Vec<u8> {
    let mut labels = Vec::with_capacity(128 + 2 * (namespace.len() + name.len()));
    for (label, value) in [
        ("namespace", namespace),
        ("service", name),
        ("kubernetes_apiversion", "v1"),
        ("kubernetes_kind", "service"),
        ("kubernetes_name", name),
        ("kubernetes_namespace", namespace),
    ] {
        label_into(&mut labels, label, value);
        labels.push(b',');
    }
    labels
}
