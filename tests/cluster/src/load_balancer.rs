//! Stands in for a cloud: gives every Service of type LoadBalancer an address.

use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::cluster::Cluster;
use crate::error::Result;

/// Gives out addresses until dropped.
pub struct LoadBalancers {
    task: JoinHandle<()>,
}

impl Cluster {
    /// From now on, each Service of type LoadBalancer gets an address of 192.0.2.0/24 (RFC 5737: nothing
    /// answers there) as its ingress. The task lives on the caller's async runtime.
    ///
    /// # Errors
    ///
    /// When there is no client to be had.
    pub fn load_balancers(&self) -> Result<LoadBalancers> {
        let client = self.client()?;
        let task = tokio::spawn(async move {
            loop {
                if let Err(error) = serve(&client).await {
                    tracing::warn!(%error, "load balancers");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
            }
        });
        Ok(LoadBalancers { task })
    }
}

impl Drop for LoadBalancers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(client: &Client) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let all: Api<Service> = Api::all(client.clone());
    let changes = watcher(all, watcher::Config::default()).applied_objects();
    let mut changes = std::pin::pin!(changes);
    let mut next: u8 = 1;
    while let Some(service) = changes.try_next().await? {
        if !waits(&service) {
            continue;
        }
        let namespace = service.namespace().unwrap_or_default();
        let api: Api<Service> = Api::namespaced(client.clone(), &namespace);
        let status =
            json!({"status": {"loadBalancer": {"ingress": [{"ip": format!("192.0.2.{next}")}]}}});
        let patched = api
            .patch_status(
                &service.name_any(),
                &PatchParams::default(),
                &Patch::Merge(status),
            )
            .await;
        match patched {
            Ok(_) => next = next.wrapping_add(1).max(1),
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn waits(service: &Service) -> bool {
    let wanted = service
        .spec
        .as_ref()
        .is_some_and(|spec| spec.type_.as_deref() == Some("LoadBalancer"));
    let given = service
        .status
        .as_ref()
        .and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref())
        .is_some_and(|ingress| !ingress.is_empty());
    wanted && !given && service.metadata.deletion_timestamp.is_none()
}
