//! A namespace of a test's own, gone afterwards.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace as Object, ServiceAccount};
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};
use kube::{Client, Config, Resource};

use crate::diagnosis;
use crate::error::{Error, Result};
use crate::wait::{Seen, TIMEOUT, until};

/// A namespace with a generated name. Dropping it asks for its deletion; [`Namespace::delete`] also
/// waits for that.
pub struct Namespace {
    name: String,
    client: Client,
    config: Config,
    kept: bool,
}

impl Namespace {
    pub(crate) async fn create(config: &Config, prefix: &str) -> Result<Self> {
        let client = Client::try_from(config.clone())?;
        let wanted = Object {
            metadata: ObjectMeta {
                generate_name: Some(format!("{prefix}-")),
                ..ObjectMeta::default()
            },
            ..Object::default()
        };
        let api: Api<Object> = Api::all(client.clone());
        let created = api.create(&PostParams::default(), &wanted).await?;
        let namespace = Self {
            name: created.metadata.name.unwrap_or_default(),
            client: client.clone(),
            config: config.clone(),
            kept: false,
        };
        // Before its service account exists, no pod can be created in it.
        let accounts: Api<ServiceAccount> = namespace.api();
        until(
            "the namespace's default service account",
            TIMEOUT,
            || async { Ok(accounts.get("default").await.map(drop)?) },
        )
        .await?;
        Ok(namespace)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A client of the async runtime it was created on.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The objects of one kind in it.
    #[must_use]
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// [`until`], within [`TIMEOUT`]; a failure tells of the namespace's events, pods and logs too.
    ///
    /// # Errors
    ///
    /// When the deadline passes.
    pub async fn until<T, F, Fut>(&self, what: &str, probe: F) -> Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = std::result::Result<T, Seen>>,
    {
        self.until_within(TIMEOUT, what, probe).await
    }

    /// [`Namespace::until`] with a deadline of one's own.
    ///
    /// # Errors
    ///
    /// When the deadline passes.
    pub async fn until_within<T, F, Fut>(&self, within: Duration, what: &str, probe: F) -> Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = std::result::Result<T, Seen>>,
    {
        match until(what, within, probe).await {
            Err(Error::Deadline {
                what,
                seconds,
                state,
            }) => {
                let diagnosis = diagnosis::of_namespace(&self.client, &self.name).await;
                Err(Error::Deadline {
                    what,
                    seconds,
                    state: format!("{state}\n{diagnosis}"),
                })
            }
            other => other,
        }
    }

    /// Deletes it and waits until it is gone.
    ///
    /// # Errors
    ///
    /// When it is still there after [`TIMEOUT`], for instance because of a finalizer.
    pub async fn delete(mut self) -> Result<()> {
        self.kept = true;
        let api: Api<Object> = Api::all(self.client.clone());
        api.delete(&self.name, &DeleteParams::default()).await?;
        self.until("the namespace to be gone", || async {
            match api.get_opt(&self.name).await? {
                None => Ok(()),
                Some(object) => Err(serde_json::to_string(&object.status)?.into()),
            }
        })
        .await
    }

    /// Leaves it in the cluster when dropped, for a person to look at.
    pub fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Namespace {
    /// On a thread and runtime of its own: the test's runtime may be the one that is blocked here.
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let (config, name) = (self.config.clone(), self.name.clone());
        let deletion = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                let Ok(client) = Client::try_from(config) else {
                    return;
                };
                let api: Api<Object> = Api::all(client);
                let delete = DeleteParams::background();
                let request = api.delete(&name, &delete);
                if !matches!(
                    tokio::time::timeout(Duration::from_secs(10), request).await,
                    Ok(Ok(_))
                ) {
                    tracing::warn!(namespace = name, "could not be deleted");
                }
            });
        });
        let _ = deletion.join();
    }
}
