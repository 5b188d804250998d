//! What each watch needs, and where it puts what it reads.

use crate::metrics;
use std::collections::BTreeMap;

/// Where the objects of one kind go.
pub trait Sink<K>: Send + Sync + 'static {
    /// The object is new, or has changed.
    fn apply(&self, object: K);
    /// The object is gone, or can no longer be read.
    fn delete(&self, namespace: Option<&str>, name: &str);
    /// These are all objects.
    fn reset(&self, objects: Vec<K>);
}

/// What each watch needs.
pub struct Context<S> {
    /// Reads.
    pub client: kube::Client,
    /// Where objects go.
    pub sink: S,
    /// Counts.
    pub metrics: metrics::Watches,
    /// Restricts a kind to objects with these labels, by plural name.
    pub selectors: BTreeMap<&'static str, String>,
}

impl<S: Clone> Clone for Context<S> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            sink: self.sink.clone(),
            metrics: self.metrics.clone(),
            selectors: self.selectors.clone(),
        }
    }
}
