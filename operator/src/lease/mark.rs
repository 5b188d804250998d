//! Where the mark is kept: a ClusterRole that grants nothing and that nobody is bound to. It is of a kind that whoever
//! installs tagalong may create anyway, outside of all namespaces, and has no effect of its own.

use crate::causes::in_words;
use crate::lease::installation::{Mark, Marks};
use crate::lease::{PutError, patches};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::ResourceExt as _;
use kube::api::{Api, Patch};
use serde_json::json;
use tagalong_index::Key;

/// Its name, in every release the same.
pub const MARK: &str = "installation.tagalong.dev";
/// On it: the installation that works, as the namespace and name of its Lease.
pub const WORKING: &str = "tagalong.dev/working";
/// On it: another one, which waits.
pub const WAITING: &str = "tagalong.dev/waiting";

/// The mark in a cluster.
#[derive(Clone)]
pub struct KubeMarks {
    client: kube::Client,
}

impl KubeMarks {
    /// The one of this cluster.
    #[must_use]
    pub fn new(client: kube::Client) -> Self {
        Self { client }
    }

    fn api(&self) -> Api<ClusterRole> {
        Api::all(self.client.clone())
    }
}

impl Marks for KubeMarks {
    async fn read(&self) -> Result<Option<Mark>, String> {
        let role = match self.api().get_opt(MARK).await {
            Ok(Some(role)) => role,
            Ok(None) => return Ok(None),
            // The chart's older version has neither the mark nor the right to it.
            Err(kube::Error::Api(status)) if status.code == 403 => return Ok(None),
            Err(error) => return Err(in_words(&error)),
        };
        // What cannot be read names nobody.
        let named = |annotation| role.annotations().get(annotation)?.parse().ok();
        Ok(Some(Mark {
            version: role.resource_version().unwrap_or_default(),
            working: named(WORKING),
            waiting: named(WAITING),
        }))
    }

    async fn write(&self, mark: Mark) -> Result<(), PutError> {
        let named = |key: &Option<Key>| key.as_ref().map(Key::to_string);
        let patch = Patch::Merge(json!({"metadata": {
            "resourceVersion": mark.version,
            "annotations": {WORKING: named(&mark.working), WAITING: named(&mark.waiting)},
        }}));
        match self.api().patch(MARK, &patches(), &patch).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                Err(PutError::Conflict)
            }
            Err(error) => Err(PutError::Other(in_words(&error))),
        }
    }

    async fn lease(&self, of: &Key) -> Result<Option<String>, String> {
        let api = Api::<Lease>::namespaced(self.client.clone(), &of.namespace);
        let lease = api.get_opt(&of.name).await;
        let lease = lease.map_err(|error| in_words(&error))?;
        Ok(lease.map(|lease| lease.resource_version().unwrap_or_default()))
    }
}
