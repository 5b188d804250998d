//! Carries out what is due.

use crate::causes::in_words;
use crate::lease::{Writes, patches, puts};
use crate::metrics::{self, KindLabel};
use crate::reconcile::action::{Action, Patched};
use crate::reconcile::desired::policies::DesiredPolicy;
use crate::reconcile::subject::SubjectKind;
use crate::world::World;
use crate::world::observed::{EXTENSION, Observe};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPeer};
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, Preconditions};
use kube::core::{DynamicObject, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use tagalong_crds as crds;
use tagalong_index::{Key, PROMETHEUS};
use tagalong_wire::contract::{CA_CONFIG_MAP, CA_KEY, MANAGED_BY, MANAGED_BY_LABEL};

/// Writes under way at once.
const AT_ONCE: usize = 16;

/// Who is to reach sidecars: the operator, and whoever else scrapes them.
pub type Admitted = Arc<Vec<NetworkPolicyPeer>>;

/// Writes for the reconcilers.
#[derive(Clone)]
pub struct Writer {
    /// The API server.
    pub client: kube::Client,
    /// Whether this process may write.
    pub writes: Writes,
    /// What the answers are noted in.
    pub world: World,
    /// Counts.
    pub metrics: metrics::Reconcile,
    /// Who is to reach sidecars.
    pub admitted: Admitted,
}

/// What came of a pass's writes.
#[derive(Debug, Default)]
pub struct Written {
    /// What was written.
    pub done: Vec<Action>,
    /// What was not, and why; without a reason, someone else changed the object in between.
    pub failed: Vec<(Action, Option<String>)>,
}

impl Writer {
    /// Carries out all stages. A stage that failed in part does not keep back the next, which is about
    /// other objects, or finds the world as it is; but no Service names a plugin that could not be made.
    pub async fn carry_out(&self, stages: Vec<Vec<Action>>) -> Written {
        let mut written = Written::default();
        let mut unwritten = BTreeSet::new();
        for mut stage in stages {
            stage.retain(|action| action.names().is_none_or(|key| !unwritten.contains(&key)));
            let results: Vec<_> = futures::stream::iter(stage)
                .map(|action| async move {
                    let result = self.one(&action).await;
                    (action, result)
                })
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            for (action, result) in results {
                let subject = action.subject();
                let kind = subject.kind.name();
                let label = KindLabel { kind };
                if subject.kind == SubjectKind::Plugin && result.is_err() {
                    unwritten.insert(subject.key.clone());
                }
                match result {
                    Ok(()) => {
                        self.metrics.writes.get_or_create(&label).inc();
                        written.done.push(action);
                    }
                    Err(Failed::Conflict | Failed::Gone) => written.failed.push((action, None)),
                    Err(Failed::Other(error)) => {
                        self.metrics.failures.get_or_create(&label).inc();
                        tracing::warn!(kind, key = %subject.key, error, "cannot write, tries again");
                        written.failed.push((action, Some(error)));
                    }
                }
            }
        }
        written
    }

    async fn one(&self, action: &Action) -> Result<(), Failed> {
        match action {
            Action::Plugin {
                key,
                config,
                extension,
                version,
            } => {
                let object = json!({
                    "apiVersion": "configuration.konghq.com/v1",
                    "kind": "KongPlugin",
                    "metadata": {
                        "namespace": key.namespace.as_ref(),
                        "name": key.name.as_ref(),
                        "labels": {MANAGED_BY_LABEL: MANAGED_BY},
                        "annotations": {EXTENSION: extension.to_string()},
                    },
                    "plugin": PROMETHEUS,
                    "config": config,
                });
                self.plugin(key, object, version.clone()).await
            }
            Action::DeletePlugin { key, version } => {
                let api = api::<crds::KongPlugin>(&self.client, key);
                self.delete(&api, &key.name, version).await
            }
            Action::Metadata { kind, key, patch } => match kind {
                Patched::Service => self.patch::<crds::Service>(key, patch).await,
                Patched::DataPlane => self.patch::<crds::DataPlane>(key, patch).await,
                Patched::Configuration => {
                    self.patch::<crds::GatewayConfiguration>(key, patch).await
                }
                Patched::Extension => {
                    self.patch::<crds::DataPlaneMetricsExtension>(key, patch)
                        .await
                }
            },
            Action::ConfigMap {
                namespace,
                bundle,
                version,
            } => {
                self.config_map(namespace, bundle.clone(), version.clone())
                    .await
            }
            Action::Policy {
                key,
                desired,
                version,
            } => {
                self.policy(key, DesiredPolicy::clone(desired), version.clone())
                    .await
            }
            Action::DeletePolicy { key, version } => {
                let api = Api::<NetworkPolicy>::namespaced(self.client.clone(), &key.namespace);
                self.delete(&api, &key.name, version).await
            }
            Action::DeleteConfigMap { namespace, version } => {
                let api = Api::<ConfigMap>::namespaced(self.client.clone(), namespace);
                self.delete(&api, CA_CONFIG_MAP, version).await
            }
        }
    }

    async fn patch<K: crds::Kind + Observe + DeserializeOwned>(
        &self,
        key: &Key,
        patch: &Value,
    ) -> Result<(), Failed> {
        let (params, patch) = (patches(), Patch::Merge(patch));
        let mut result = Err(Failed::Gone);
        // The best that the cluster serves. Of two versions of Kong's kinds that is the stored one: nothing is converted.
        for version in K::VERSIONS {
            let resource = K::at(version);
            let api = Api::<DynamicObject>::namespaced_with(
                self.client.clone(),
                &key.namespace,
                &resource,
            );
            let answer = self.writes.run(api.patch(&key.name, &params, &patch));
            result = checked(answer.await);
            if !matches!(result, Err(Failed::Gone)) {
                break;
            }
        }
        self.note::<K>(result?);
        Ok(())
    }

    fn note<K: Observe + DeserializeOwned>(&self, answer: DynamicObject) {
        if let Some(object) = typed::<K>(answer) {
            self.world.note(|observed| {
                object.seen(observed);
            });
        }
    }

    async fn plugin(
        &self,
        key: &Key,
        object: Value,
        version: Option<String>,
    ) -> Result<(), Failed> {
        let api = api::<crds::KongPlugin>(&self.client, key);
        let mut object: DynamicObject =
            serde_json::from_value(object).map_err(|error| Failed::Other(error.to_string()))?;
        object.metadata.resource_version = version;
        self.note::<crds::KongPlugin>(self.put(&api, &object).await?);
        Ok(())
    }

    async fn config_map(
        &self,
        namespace: &str,
        bundle: String,
        version: Option<String>,
    ) -> Result<(), Failed> {
        let api = Api::<ConfigMap>::namespaced(self.client.clone(), namespace);
        let config_map = ConfigMap {
            metadata: ObjectMeta {
                name: Some(CA_CONFIG_MAP.to_owned()),
                labels: Some([(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned())].into()),
                resource_version: version,
                ..ObjectMeta::default()
            },
            data: Some([(CA_KEY.to_owned(), bundle)].into()),
            ..ConfigMap::default()
        };
        let object = self.put(&api, &config_map).await?;
        self.world.note(|observed| {
            observed.ca_seen(&object);
        });
        Ok(())
    }

    async fn policy(
        &self,
        key: &Key,
        desired: DesiredPolicy,
        version: Option<String>,
    ) -> Result<(), Failed> {
        let api = Api::<NetworkPolicy>::namespaced(self.client.clone(), &key.namespace);
        let policy = NetworkPolicy {
            metadata: ObjectMeta {
                name: Some(key.name.to_string()),
                labels: Some([(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned())].into()),
                owner_references: Some(vec![desired.owner]),
                resource_version: version,
                ..ObjectMeta::default()
            },
            spec: Some(desired.spec),
        };
        let object = self.put(&api, &policy).await?;
        self.world.note(|observed| {
            observed.policy_seen(&object);
        });
        Ok(())
    }

    /// Makes an object, or replaces the version that it names.
    async fn put<K>(&self, api: &Api<K>, object: &K) -> Result<K, Failed>
    where
        K: Resource + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        let params = puts();
        let name = object.meta().name.as_deref().unwrap_or_default();
        let answer = self.writes.run(async {
            match object.meta().resource_version {
                Some(_) => api.replace(name, &params, object).await,
                None => api.create(&params, object).await,
            }
        });
        checked(answer.await)
    }

    async fn delete<K>(&self, api: &Api<K>, name: &str, version: &str) -> Result<(), Failed>
    where
        K: Clone + std::fmt::Debug + DeserializeOwned,
    {
        let params = DeleteParams::default().preconditions(Preconditions {
            resource_version: Some(version.to_owned()),
            uid: None,
        });
        match checked(self.writes.run(api.delete(name, &params)).await) {
            Ok(_) | Err(Failed::Gone) => Ok(()),
            Err(failed) => Err(failed),
        }
    }
}

/// The API of a kind in its best version; what is written is the same in all versions.
pub(super) fn api<K: crds::Kind>(client: &kube::Client, key: &Key) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), &key.namespace, &K::preferred())
}

/// An answer, read as far as it is known.
pub(super) fn typed<K: DeserializeOwned>(answer: DynamicObject) -> Option<K> {
    let object = serde_json::to_value(answer).and_then(serde_json::from_value);
    object.ok()
}

enum Failed {
    /// Someone else wrote first.
    Conflict,
    /// There is no such object (any more).
    Gone,
    Other(String),
}

fn checked<T>(answer: Result<kube::Result<T>, crate::lease::NotLeader>) -> Result<T, Failed> {
    match answer {
        Ok(Ok(object)) => Ok(object),
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => Err(Failed::Conflict),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err(Failed::Gone),
        Ok(Err(error)) if namespace_ends(&error) => Err(Failed::Gone),
        Ok(Err(error)) => Err(Failed::Other(in_words(&error))),
        Err(not_leader) => Err(Failed::Other(not_leader.to_string())),
    }
}

/// Nothing can be made in a namespace that is on its way out; soon nothing will be wanted there either.
pub(super) fn namespace_ends(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 403
        && causes
            .into_iter()
            .any(|cause| cause.reason == "NamespaceTerminating")
}
