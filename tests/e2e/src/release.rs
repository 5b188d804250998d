//! The objects of our Helm release in the cluster.

use serde_json::Value;

use crate::Tried;
use crate::example::{KONG_SERVICE, address};
use crate::helm::NAMESPACE;
use crate::stage::{Stage, condition};

impl Stage {
    /// The release's pods of one component, `operator` or `webhook`.
    pub async fn ours(&self, component: &str) -> Vec<Value> {
        let path = format!(
            "/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app.kubernetes.io/component={component}"
        );
        let mut pods = self.list(&path).await;
        pods.retain(|pod| condition(pod, "Ready"));
        pods
    }

    /// What the operator's `/metrics` says, through its Service.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub async fn operator_metrics(&self) -> Tried<String> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/services/tagalong-metrics");
        let service = self.get(&path).await?;
        let address = address(&service["spec"]["clusterIP"], 8080)?;
        Ok(self.cluster.get(address, "/metrics").await?)
    }

    /// Waits until the operator has a latency of the example's Service.
    ///
    /// # Errors
    ///
    /// When none comes.
    pub async fn enriched_at_operator(&self) -> Tried<()> {
        let named = format!("kong_service=\"{KONG_SERVICE}\"");
        let wanted = [r#"service="echo""#, r#"namespace="default""#, &named];
        self.until("an enriched sample at the operator", || async {
            let metrics = self.operator_metrics().await?;
            let latency = |line: &&str| line.starts_with("kong_upstream_latency_ms_count{");
            let mut latencies = metrics.lines().filter(latency);
            if latencies.any(|line| wanted.iter().all(|label| line.contains(label))) {
                Ok(())
            } else {
                Err(metrics.into())
            }
        })
        .await
    }
}
