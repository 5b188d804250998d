//! Whether every webhook can put a sidecar into a GatewayConfiguration. While tagalong is updated, webhooks of two versions answer in
//! turn, and one of before would take the sidecar out of a DataPlane that loses its label.

use crate::causes::in_words;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use std::time::Duration;

/// The label of a webhook's pod that can.
const ABLE: &str = "tagalong.dev/injects";
/// Its value.
const CONFIGURATIONS: &str = "gateway-configurations";
/// How often it is checked until it is so.
pub(super) const EVERY: Duration = Duration::from_secs(5);

/// Asks until it is so, and never again: what comes later is of this version, or comes with an operator of its own.
pub struct Gate {
    pods: Option<(Api<Pod>, ListParams)>,
}

impl Gate {
    /// Checks the pods in `namespace` that `selector` names; without one, it is so.
    #[must_use]
    pub fn new(client: &kube::Client, namespace: &str, selector: Option<&str>) -> Self {
        let pods = selector.map(|selector| {
            let params = ListParams::default().labels(selector);
            (Api::namespaced(client.clone(), namespace), params)
        });
        Self { pods }
    }

    /// Whether it is so.
    pub async fn is_open(&mut self) -> bool {
        let Some((api, params)) = &self.pods else {
            return true;
        };
        let open = match api.list(params).await {
            Ok(list) => all_able(&list.items),
            Err(error) => {
                let error = in_words(&error);
                tracing::warn!(error, "cannot see the webhook's pods, tries again");
                false
            }
        };
        if open {
            self.pods = None;
        }
        open
    }
}

fn all_able(pods: &[Pod]) -> bool {
    let mut alive = pods.iter().filter(|pod| {
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        !matches!(phase, Some("Succeeded" | "Failed"))
    });
    let able = |pod: &Pod| pod.labels().get(ABLE).map(String::as_str) == Some(CONFIGURATIONS);
    let first = alive.next().is_some_and(able);
    first && alive.all(able)
}

#[cfg(test)]
mod tests {
    use super::{ABLE, CONFIGURATIONS, all_able};
    use k8s_openapi::api::core::v1::{Pod, PodStatus};

    fn pod(able: bool, phase: &str) -> Pod {
        let mut pod = Pod {
            status: Some(PodStatus {
                phase: Some(phase.to_owned()),
                ..PodStatus::default()
            }),
            ..Pod::default()
        };
        let labels = pod.metadata.labels.get_or_insert_default();
        if able {
            labels.insert(ABLE.to_owned(), CONFIGURATIONS.to_owned());
        }
        pod
    }

    #[test]
    fn all_that_may_answer_must_be_able() {
        assert!(!all_able(&[]));
        assert!(all_able(&[pod(true, "Running")]));
        assert!(!all_able(&[pod(true, "Running"), pod(false, "Running")]));
        assert!(!all_able(&[pod(false, "Pending"), pod(true, "Running")]));
        assert!(all_able(&[pod(false, "Failed"), pod(true, "Running")]));
        assert!(!all_able(&[pod(false, "Succeeded")]));
    }
}
