//! Where the lease is kept.

use crate::causes::in_words;
use crate::lease::puts;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use std::future::Future;

/// Why a lease could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// Somebody else wrote first.
    #[error("somebody else wrote the lease first")]
    Conflict,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Keeps one lease, with optimistic concurrency.
pub trait Store: Send + Sync {
    /// The lease as it stands, or `None` if it does not exist.
    fn get(&self) -> impl Future<Output = Result<Option<Lease>, String>> + Send;

    /// Writes the lease: created without a `resourceVersion`, replaced at just that one otherwise.
    fn put(&self, lease: Lease) -> impl Future<Output = Result<Lease, PutError>> + Send;
}

/// A lease in the cluster.
#[derive(Clone)]
pub struct KubeStore {
    api: Api<Lease>,
    name: String,
}

impl KubeStore {
    /// The lease `namespace/name`.
    #[must_use]
    pub fn new(client: kube::Client, namespace: &str, name: impl Into<String>) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.into(),
        }
    }
}

impl Store for KubeStore {
    async fn get(&self) -> Result<Option<Lease>, String> {
        let lease = self.api.get_opt(&self.name).await;
        lease.map_err(|error| in_words(&error))
    }

    async fn put(&self, mut lease: Lease) -> Result<Lease, PutError> {
        lease.metadata.name = Some(self.name.clone());
        lease.metadata.managed_fields = None;
        let (params, exists) = (puts(), lease.metadata.resource_version.is_some());
        let written = if exists {
            self.api.replace(&self.name, &params, &lease).await
        } else {
            self.api.create(&params, &lease).await
        };
        written.map_err(|error| match error {
            kube::Error::Api(status) if status.code == 409 => PutError::Conflict,
            // Deleted since we read it: to whoever claims it that is a lost race, too.
            kube::Error::Api(status) if exists && status.code == 404 => PutError::Conflict,
            error => PutError::Other(in_words(&error)),
        })
    }
}
