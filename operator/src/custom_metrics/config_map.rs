//! Follows the ConfigMap that says who the API server's front proxy is.

use crate::custom_metrics::authentication::KnownProxy;
use crate::custom_metrics::front_proxy::FrontProxy;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use std::pin::pin;
use std::sync::Arc;
use tagalong_runtime::{Drain, with_causes};
use tokio::sync::watch;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";

/// Follows it until the drain begins. What was known stays known while the API server does not answer.
#[must_use]
pub fn follow(client: kube::Client, drain: &Drain) -> watch::Receiver<KnownProxy> {
    let (sender, known) = watch::channel(KnownProxy::NotYet);
    let api = Api::<ConfigMap>::namespaced(client, NAMESPACE);
    let following = async move {
        let mut seen = None;
        let mut events = pin!(watch_object(api, NAME).default_backoff());
        while let Some(event) = events.next().await {
            let data = match event {
                Ok(object) => object.and_then(|object| object.data).unwrap_or_default(),
                Err(error) => {
                    let error = with_causes(&error);
                    tracing::warn!(
                        error,
                        "the watch of ConfigMap {NAMESPACE}/{NAME} failed, tries again"
                    );
                    continue;
                }
            };
            if seen.as_ref() == Some(&data) {
                continue;
            }
            let known = match FrontProxy::read(&data) {
                Ok(front_proxy) => {
                    tracing::info!("read who the API server's front proxy is");
                    KnownProxy::FrontProxy(Arc::new(front_proxy))
                }
                Err(error) => {
                    tracing::warn!(%error, "ConfigMap {NAMESPACE}/{NAME}: no HPA can be answered until that is mended");
                    KnownProxy::None
                }
            };
            sender.send_replace(known);
            seen = Some(data);
        }
    };
    let end = drain.clone();
    drain.spawn("following the front proxy's ConfigMap", async move {
        end.cancel(following).await;
    });
    known
}
