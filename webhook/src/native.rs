//! Whether the cluster runs native sidecars.

use std::time::Duration;

use kube::Client;
use tokio::time::sleep;

/// Init containers with `restartPolicy: Always` are on by default since this minor version of Kubernetes 1 (KEP-753).
const SINCE: u32 = 29;

/// Between two questions to an API server that does not answer.
const PAUSE: Duration = Duration::from_secs(2);

/// When the sidecar is a native one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum NativeSidecars {
    /// Where the cluster's version has them: the API server is asked once, at the start. `/version` is open to
    /// everybody who is authenticated (ClusterRole `system:public-info-viewer`), so this needs no permission.
    Auto,
    /// Always; nobody is asked.
    Always,
    /// Never: an ordinary container. Nobody is asked.
    Never,
}

impl NativeSidecars {
    /// Decides, once the API server has answered.
    ///
    /// # Errors
    /// There is no way to reach an API server: no service account and no kubeconfig.
    pub async fn decide(self) -> Result<bool, kube::Error> {
        match self {
            Self::Always => return Ok(true),
            Self::Never => return Ok(false),
            Self::Auto => {}
        }
        let client = Client::try_default().await?;
        loop {
            match client.apiserver_version().await {
                Ok(version) => {
                    let native = has_native(&version.major, &version.minor);
                    tracing::info!(
                        version = version.git_version,
                        native,
                        "asked the API server for its version"
                    );
                    return Ok(native);
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot ask the API server for its version, tries again");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

/// `minor` may have a suffix (`29+`). What cannot be read is a version to come.
fn has_native(major: &str, minor: &str) -> bool {
    let digits: String = minor.chars().take_while(char::is_ascii_digit).collect();
    major != "1" || digits.parse::<u32>().map_or(true, |minor| minor >= SINCE)
}

#[cfg(test)]
mod tests;
