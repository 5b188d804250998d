//! How many pods the autoscaler asks for, and how long it takes to do so.

use std::time::Duration;

use tokio::time::Instant;

use crate::Tried;
use crate::stage::Stage;

const ECHO: &str = "/apis/apps/v1/namespaces/default/deployments/echo";

impl Stage {
    /// Waits until the backend has as many ready pods as `enough` accepts, and as many as it should have.
    /// Returns how many, and after what time it *wanted* so many.
    ///
    /// # Errors
    ///
    /// When that does not come.
    pub async fn scaled(&self, what: &str, enough: impl Fn(u64) -> bool) -> Tried<(u64, Duration)> {
        let started = Instant::now();
        let mut wanted_after = None;
        loop {
            let echo = self.get(ECHO).await?;
            let wanted = echo["spec"]["replicas"].as_u64().unwrap_or_default();
            let ready = echo["status"]["readyReplicas"].as_u64().unwrap_or_default();
            if enough(wanted) {
                let after = *wanted_after.get_or_insert_with(|| started.elapsed());
                if ready == wanted && echo["status"]["replicas"] == wanted {
                    return Ok((wanted, after));
                }
            }
            if started.elapsed() > crate::stage::TIMEOUT {
                let account = self.account().await;
                return Err(format!("in vain for {what}: {}\n{account}", echo["status"]).into());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}
