//! Where values come from.

use crate::custom_metrics::denial::Denial;
use jiff::Timestamp;
use std::time::Duration;

/// An object that metrics describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Described<'a> {
    /// As in a path of the API: `services`, or with a group `deployments.apps`.
    pub resource: &'a str,
    /// Its namespace, which is that of the HPA.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// A metric of one kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// The kind's resource, as in [`Described`].
    pub resource: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// Group and version of the kind, as in an object's `apiVersion`.
    pub api_version: &'static str,
    /// The metric's name.
    pub metric: &'static str,
}

/// A value, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The value as a Kubernetes quantity: whole, or in thousandths (`1500m`).
    pub quantity: String,
    /// How old the oldest of what it rests on is.
    pub timestamp: Timestamp,
    /// The time that it was measured over.
    pub window: Duration,
}

/// Knows the values. It answers from memory: whoever asks it waits.
pub trait Signals: Send + Sync + 'static {
    /// All that can be asked for, at any time. The same for as long as the process lives.
    fn catalogue(&self) -> Vec<CatalogueEntry>;

    /// The value of a metric of the catalogue.
    ///
    /// # Errors
    ///
    /// When it is not known, or there is none: 404 or 503, in words for whoever reads `kubectl describe hpa`.
    fn value(&self, object: Described<'_>, metric: &str) -> Result<Measured, Denial>;
}
