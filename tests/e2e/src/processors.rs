//! Processor time used while idle, except for a scrape of the operator and of the pods every five seconds.

use crate::Tried;
use crate::cgroups::Meter;
use crate::figures::at_most;
use crate::stage::Stage;

/// What is measured from a moment on.
pub struct Processors {
    operators: Meter,
    webhooks: Meter,
    sidecar: Meter,
}

impl Processors {
    /// Starts to measure.
    ///
    /// # Errors
    ///
    /// When a container does not run.
    pub async fn start(stage: &Stage) -> Tried<Self> {
        let kongs = stage.kong_pods().await;
        let kong = kongs.get(..1).ok_or("no pod of Kong")?;
        Ok(Self {
            operators: Meter::start(&stage.ours("operator").await, "operator")?,
            webhooks: Meter::start(&stage.ours("webhook").await, "webhook")?,
            sidecar: Meter::start(kong, "tagalong")?,
        })
    }

    /// Prints the figures.
    ///
    /// # Errors
    ///
    /// When a container does not run any more.
    pub fn print(&self) -> Tried<()> {
        let servers = self.operators.millicores()? + self.webhooks.millicores()?;
        at_most("idle operators and webhooks", servers, "millicores", 5.0)?;
        let sidecar = self.sidecar.millicores()?;
        at_most("an idle sidecar", sidecar, "millicores", 1.0)?;
        Ok(())
    }
}
