//! `tagalong-operator uninstall`: takes back what tagalong has put into a cluster. The chart runs it before it is deleted.
//!
//! It is the reconcilers' own difference to an empty desired state, by a process that holds the lease and so is
//! the only one that writes. The webhook is up meanwhile and takes the sidecar out of
//! each DataPlane whose label goes; its configuration goes when that is done, or when writes fail, since a
//! webhook that does not answer may be why.
//!
//! While another installation works in the cluster, what is there is that one's, and stays.

use crate::args::{OperateArgs, UninstallArgs};
use crate::custom_metrics::keeper;
use crate::error::Failure;
use crate::installer::Installer;
use crate::lease;
use crate::lease::installation::{Standing, Watchman};
use crate::lease::mark::KubeMarks;
use crate::metrics::Metrics;
use crate::process::{client, on_runtime};
use crate::reconcile::desired::Desired;
use crate::reconcile::diff;
use crate::reconcile::write::Writer;
use crate::watch::Context;
use crate::world::World;
use crate::world::watched::{watch, written};
use json_patch::jsonptr::PointerBuf;
use json_patch::{PatchOperation, TestOperation};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;
use tagalong_crds::{DataPlaneMetricsExtension, GatewayConfiguration, Kind as _};
use tagalong_index::{Key, Settings};
use tagalong_runtime::{Drain, Readiness, drain, logging};
use tagalong_webhook::InjectionSettings;
use tokio::time::Instant;

/// Between two passes: what a deletion makes possible shows only in the watches.
const PAUSE: Duration = Duration::from_millis(200);
/// After writes failed.
const RETRY: Duration = Duration::from_secs(2);
/// After so many passes with failures, the webhook is taken for their reason.
const FAILURES: u32 = 3;
/// The end of our own tasks.
const GRACE: Duration = Duration::from_secs(10);

/// Does it all, however long it takes.
///
/// # Errors
///
/// When there is no cluster, or it does not let us.
pub fn run(args: &OperateArgs, how: &UninstallArgs) -> Result<(), Failure> {
    logging::init(&args.runtime().log).map_err(tagalong_runtime::StartError::from)?;
    on_runtime(async { uninstall(client().await?, args, how).await })
}

/// Does it all with `client`.
///
/// # Errors
///
/// When the cluster does not let us.
pub async fn uninstall(
    client: kube::Client,
    args: &OperateArgs,
    how: &UninstallArgs,
) -> Result<(), Failure> {
    namespace_exists(&client, &args.namespace).await?;
    if let Some(name) = &how.deployment {
        if !is_wanted(&client, &args.namespace, name, how.if_installed_by).await? {
            return Ok(());
        }
        // While they lead nowhere, the cluster can delete no namespaces: so before whoever answers goes, and again when nobody is
        // left who makes them.
        remove_api_services(&client, args).await?;
        stop(&client, &args.namespace, name).await?;
    }
    let (mut trigger, drain) = drain::channel();
    let (namespace, name) = (&args.namespace, &args.lease);
    let (lease, writes) = lease::claim(&client, namespace, name, &args.pod_name, &drain);
    let metrics = Metrics::default();
    let writer = Writer {
        client: client.clone(),
        writes,
        world: World::new(Settings::default(), metrics.push.clone()),
        metrics: metrics.reconcile.clone(),
        admitted: args.admitted().into(),
    };
    let context = Context {
        client: client.clone(),
        sink: writer.world.clone(),
        metrics: metrics.watches.clone(),
        selectors: BTreeMap::new(),
    };
    let us = Key::new(namespace.as_str(), name.as_str());
    let done = async {
        tracing::info!("waits until no operator holds the lease");
        writer.writes.granted().await;
        remove_api_services(&client, args).await?;
        let webhook = args.webhook_configuration.as_deref();
        match another_works(&client, us).await {
            Some(other) => {
                tracing::warn!(%other, "another installation of tagalong works in this cluster: what it keeps stays");
                match webhook {
                    Some(name) => delete_configuration(&client, name).await,
                    None => Ok(()),
                }
            }
            None => take_back(&writer, context, webhook, drain).await,
        }
    };
    tokio::select! {
        done = done => done?,
        failed = trigger.failed() => return Err(tagalong_runtime::EndError::from(failed).into()),
        ended = lease => return Err(match ended {
            Ok(Err(lost)) => lost.into(),
            Ok(Ok(())) => Failure::LeaseGivenBack,
            Err(panicked) => Failure::LeaseTask(panicked),
        }),
    }
    trigger.drain(GRACE).await;
    if args.tls_dir.is_none() {
        let secrets = Api::<Secret>::namespaced(client.clone(), &args.namespace);
        for name in [&args.ca_secret, &args.push_secret, &args.webhook_secret] {
            delete(&secrets, "Secret", name).await?;
        }
    }
    let leases = Api::<Lease>::namespaced(client, &args.namespace);
    delete(&leases, "Lease", &args.lease).await
}

async fn remove_api_services(client: &kube::Client, args: &OperateArgs) -> Result<(), Failure> {
    let Some(at) = args.served_at() else {
        return Ok(());
    };
    let removed = keeper::remove(client.clone(), &at).await;
    removed.map_err(Failure::ApiServices)
}

/// Without the namespace there is no lease to take, and none to wait for.
async fn namespace_exists(client: &kube::Client, namespace: &str) -> Result<(), Failure> {
    match Api::<Namespace>::all(client.clone()).get(namespace).await {
        Err(error) if is_gone(&error) => Err(Failure::NoNamespace(namespace.to_owned())),
        // The hook may not look at namespaces; its own exists.
        _ => Ok(()),
    }
}

/// Whether this is an uninstallation: hooks are applied at installation by whatever knows no hooks.
async fn is_wanted(
    client: &kube::Client,
    namespace: &str,
    name: &str,
    installer: Option<Installer>,
) -> Result<bool, Failure> {
    let Some(installer) = installer else {
        return Ok(true);
    };
    let deployments = Api::<Deployment>::namespaced(client.clone(), namespace);
    let installed = match deployments.get(name).await {
        Ok(deployment) => installer.installed(&deployment),
        // Whatever knows no hooks may apply the hook before the Deployment.
        Err(error) if is_gone(&error) => false,
        Err(error) => return Err(refused("Deployment", name, error)),
    };
    if !installed {
        tracing::info!(
            deployment = name,
            "not installed by {installer}, so this is no uninstallation: everything stays as it is"
        );
    }
    Ok(installed)
}

/// Tells the operators to end.
async fn stop(client: &kube::Client, namespace: &str, name: &str) -> Result<(), Failure> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), namespace);
    let none = Patch::Merge(json!({"spec": {"replicas": 0}}));
    let params = lease::patches();
    match deployments.patch_scale(name, &params, &none).await {
        Ok(_) => tracing::info!(deployment = name, "scaled to 0"),
        Err(error) if is_gone(&error) => {}
        Err(error) => return Err(refused("Deployment", name, error)),
    }
    Ok(())
}

async fn take_back(
    writer: &Writer,
    context: Context<World>,
    webhook: Option<&str>,
    drain: Drain,
) -> Result<(), Failure> {
    let synced = Readiness::default();
    watch(written(), context, &synced, &drain);
    synced.complete().await;
    let mut failures = 0;
    loop {
        let nothing = Desired::default();
        let stages = writer
            .world
            .with(|state| diff::due(&nothing, &state.observed));
        if stages.is_empty() {
            break;
        }
        let written = writer.carry_out(stages).await;
        tracing::info!(writes = written.done.len(), "took back");
        let refused = written.failed.iter().any(|(_, error)| error.is_some());
        if !refused {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        failures += 1;
        if let (FAILURES, Some(name)) = (failures, webhook) {
            delete_configuration(&writer.client, name).await?;
        }
        tokio::time::sleep(RETRY).await;
    }
    if let Some(name) = webhook {
        delete_configuration(&writer.client, name).await?;
    }
    take_out(writer).await?;
    forget_status(writer).await
}

/// The other installation whose marks these are: the one that the cluster's mark names, as long as it has a Lease.
async fn another_works(client: &kube::Client, us: Key) -> Option<Key> {
    let mut watchman = Watchman::new(KubeMarks::new(client.clone()), us);
    loop {
        match watchman.look(false, Instant::now()).await {
            Ok(Standing::Waits { working }) => return Some(working),
            Ok(_) => return None,
            Err(error) => tracing::warn!(error, "cannot see which installation works here"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn delete_configuration(client: &kube::Client, name: &str) -> Result<(), Failure> {
    let configurations = Api::<MutatingWebhookConfiguration>::all(client.clone());
    delete(&configurations, "MutatingWebhookConfiguration", name).await
}

/// Takes the sidecar out of the GatewayConfigurations that no webhook has taken it out of, by the webhook's own function.
async fn take_out(writer: &Writer) -> Result<(), Failure> {
    let left: Vec<Key> = writer.world.with(|state| {
        let left = state.observed.configurations.iter();
        let left = left.filter(|(_, one)| one.injected && one.label.is_none() && !one.deleting);
        left.map(|(key, _)| key.clone()).collect()
    });
    // What is taken out depends on no setting.
    let settings = InjectionSettings::new("", "");
    for key in left {
        for version in GatewayConfiguration::VERSIONS {
            let resource = GatewayConfiguration::at(version);
            let client = writer.client.clone();
            let api = Api::<DynamicObject>::namespaced_with(client, &key.namespace, &resource);
            match take_out_of(&api, &key.name, &settings).await {
                Ok(()) => break,
                // Not in this version.
                Err(error) if is_gone(&error) => {}
                Err(error) => {
                    return Err(refused(GatewayConfiguration::KIND, &key.to_string(), error));
                }
            }
        }
    }
    Ok(())
}

async fn take_out_of(
    api: &Api<DynamicObject>,
    name: &str,
    settings: &InjectionSettings,
) -> kube::Result<()> {
    let named = ListParams::default().fields(&format!("metadata.name={name}"));
    while let Some(object) = api.list(&named).await?.items.pop() {
        let object = serde_json::to_value(object).map_err(kube::Error::SerdeError)?;
        let mut patch = tagalong_webhook::inject(&object, None, settings).patch;
        if patch.is_empty() {
            return Ok(());
        }
        let version = PatchOperation::Test(TestOperation {
            path: PointerBuf::from_tokens(["metadata", "resourceVersion"]),
            value: object["metadata"]["resourceVersion"].clone(),
        });
        patch.0.insert(0, version);
        let (params, patch) = (lease::patches(), Patch::Json::<()>(patch));
        match api.patch(name, &params, &patch).await {
            Ok(_) => {
                tracing::info!(name, "took the sidecar out of the GatewayConfiguration");
                return Ok(());
            }
            // Somebody was faster.
            Err(kube::Error::Api(status)) if matches!(status.code, 409 | 422) => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Nobody keeps the extensions' status any more.
async fn forget_status(writer: &Writer) -> Result<(), Failure> {
    let told: Vec<Key> = writer.world.with(|state| {
        let told = state.observed.extensions.iter();
        let told = told.filter(|(_, extension)| extension.status.is_some());
        told.map(|(key, _)| key.clone()).collect()
    });
    let nothing = json!({"status": {
        "controlPlaneRef": null, "conditions": null, "observedGeneration": null,
    }});
    for key in told {
        let resource = DataPlaneMetricsExtension::preferred();
        let api =
            Api::<DynamicObject>::namespaced_with(writer.client.clone(), &key.namespace, &resource);
        let (params, patch) = (lease::patches(), Patch::Merge(&nothing));
        match api.patch_status(&key.name, &params, &patch).await {
            Ok(_) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) => {
                return Err(refused(
                    DataPlaneMetricsExtension::KIND,
                    &key.to_string(),
                    error,
                ));
            }
        }
    }
    Ok(())
}

async fn delete<K>(api: &Api<K>, kind: &str, name: &str) -> Result<(), Failure>
where
    K: Clone + Debug + DeserializeOwned,
{
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => tracing::info!(kind, name, "deleted"),
        Err(error) if is_gone(&error) => {}
        Err(error) => return Err(refused(kind, name, error)),
    }
    Ok(())
}

fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

fn refused(kind: &str, name: &str, error: kube::Error) -> Failure {
    Failure::Write {
        kind: kind.to_owned(),
        name: name.to_owned(),
        source: error.into(),
    }
}
