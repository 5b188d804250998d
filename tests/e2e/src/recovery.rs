//! What has to hold for everything to be well again after a fault, and when it did.

use std::future::Future;
use std::time::Duration;

use serde_json::Value;
use tagalong_cluster::Seen;
use tokio::time::{Instant, timeout};

use crate::Tried;
use crate::example::kong_service_after;
use crate::labels::wrong_line;
use crate::monitoring::PUBLISHED;
use crate::road::Road;
use crate::stage::condition;

/// A look that takes longer has seen nothing: packets may be dropped without a word.
const LOOK: Duration = Duration::from_secs(10);

/// How long after the fault each thing was seen to work.
#[derive(Clone, Copy, Debug)]
pub struct Recovery {
    /// A replica holds the lease and renews it.
    pub leader: Duration,
    /// A labelled GatewayConfiguration can be changed.
    pub webhook: Duration,
    /// A route that was made after the fault has its Service's name in the operator's `/metrics`.
    pub label: Duration,
    /// Prometheus has that both ways, and the autoscaler has its metric.
    pub autoscaler: Duration,
}

impl Road {
    /// Waits until all is well again. `number`: a route of this number is made. `former`: what the Lease said before, if
    /// its holder was a victim.
    ///
    /// # Errors
    ///
    /// When something does not come back by itself, or a label was wrong at any time.
    pub async fn well_again(
        &self,
        number: usize,
        former: Option<&Value>,
        since: Instant,
    ) -> Tried<Recovery> {
        let (leader, webhook, (label, autoscaler)) = tokio::try_join!(
            self.leads(former, since),
            self.webhook_answers(since),
            self.is_scaled_again(number, since),
        )?;
        let series = self.monitoring.no_label_was_wrong(&self.stage).await?;
        if series == 0 {
            return Err("no enriched series".into());
        }
        Ok(Recovery {
            leader,
            webhook,
            label,
            autoscaler,
        })
    }

    async fn leads(&self, former: Option<&Value>, since: Instant) -> Tried<Duration> {
        let first = self.stage.lease().await?;
        self.seen("another claim of a leader", since, || async {
            let lease = self.stage.lease().await?;
            self.stage.leader().await?;
            let same = |one: &Value| one["holderIdentity"] == lease["holderIdentity"];
            if lease["renewTime"] == first["renewTime"] || former.is_some_and(same) {
                return Err(lease.to_string().into());
            }
            Ok(())
        })
        .await
    }

    /// A request that only an answering webhook lets through; nothing is kept of it.
    async fn webhook_answers(&self, since: Instant) -> Tried<Duration> {
        let words = [
            "annotate",
            "gatewayconfigurations",
            "--all",
            "--overwrite",
            "example.com/probe=1",
            "--dry-run=server",
        ];
        self.seen("the webhook to answer", since, || async {
            self.stage.cluster.kubectl(&words, "").await?;
            Ok(())
        })
        .await
    }

    async fn is_scaled_again(&self, number: usize, since: Instant) -> Tried<(Duration, Duration)> {
        let stage = &self.stage;
        self.seen("a new route to be taken", since, || async {
            Ok(stage.route_after(number).await?)
        })
        .await?;
        let kong_service = kong_service_after(number);
        let what = format!("an enriched sample of {kong_service}");
        let label = self
            .seen(&what, since, || async {
                stage
                    .cluster
                    .get(self.gateway, &format!("/after-{number}/hostname"))
                    .await?;
                self.has_label(&kong_service).await
            })
            .await?;
        let autoscaler = self
            .seen("the autoscaler to have its metric", since, || async {
                self.monitoring.both_ways(stage, &kong_service).await?;
                stage.metric(PUBLISHED).await?;
                let autoscaler = stage.get(AUTOSCALER).await?;
                if condition(&autoscaler, "ScalingActive") {
                    Ok(())
                } else {
                    Err(autoscaler["status"].to_string().into())
                }
            })
            .await?;
        Ok((label, autoscaler))
    }

    /// Whether the operator has a sample of this Kong service with the name of its Service. Nothing that it or a sidecar
    /// says meanwhile may be wrong, which Prometheus would not see between two scrapes.
    async fn has_label(&self, kong_service: &str) -> Result<(), Seen> {
        for pod in &self.stage.kong_pods().await {
            if let Ok(metrics) = self.stage.sidecar_metrics(pod).await {
                self.wrong.lock().extend(wrong_line(&metrics));
            }
        }
        let metrics = self.stage.operator_metrics().await?;
        self.wrong.lock().extend(wrong_line(&metrics));
        let named = format!("kong_service=\"{kong_service}\"");
        let wanted = ["kong_upstream_latency_ms_count{", &named];
        let mut lines = metrics.lines();
        if lines.any(|line| wanted.iter().all(|part| line.contains(part))) {
            Ok(())
        } else {
            Err(metrics.into())
        }
    }

    /// Waits for something, and returns how long after `since` it was seen.
    async fn seen<F, Fut>(&self, what: &str, since: Instant, mut probe: F) -> Tried<Duration>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<(), Seen>>,
    {
        let look = || {
            let probe = probe();
            async { timeout(LOOK, probe).await? }
        };
        self.stage.until(what, look).await?;
        match self.wrong.lock().first() {
            Some(wrong) => Err(wrong.clone().into()),
            None => Ok(since.elapsed()),
        }
    }
}

const AUTOSCALER: &str = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/echo";
