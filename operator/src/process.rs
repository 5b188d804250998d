//! What every command begins with: an async runtime, and a client for the cluster.

use crate::error::Failure;

/// Runs `work` on a new async runtime.
pub(crate) fn on_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Tokio)?;
    let done = runtime.block_on(work);
    // What still runs was told to end, and did not: it must not hold up the process.
    runtime.shutdown_background();
    done
}

/// A client for the cluster that this process is in, or that the kubeconfig names.
pub(crate) async fn client() -> Result<kube::Client, Failure> {
    let client = kube::Client::try_default().await;
    client.map_err(|error| Failure::NoCluster(error.into()))
}
