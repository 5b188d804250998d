//! What Kong Gateway Operator needs to run: its definitions, the images that it names, and the operator itself.

use parking_lot::Mutex;
use tagalong_cluster::process::Process;
use tagalong_cluster::{Cluster, kong, programs};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::support::node::{SIDECAR, Tried, binaries};

/// Kong's image, as the operator and the published example name it.
pub const KONG: &str = "kong/kong-gateway:3.10.0.1";

/// One for all tests of this binary, as one operator looks after a whole cluster.
static OPERATOR: Mutex<Option<Operator>> = Mutex::new(None);

struct Operator {
    process: Process,
    _directory: TempDir,
}

/// A node on which the operator runs.
pub async fn cluster() -> Tried<Option<&'static Cluster>> {
    static READY: OnceCell<()> = OnceCell::const_new();
    let Some(cluster) = Cluster::shared_with_node().await? else {
        return Ok(None);
    };
    READY
        .get_or_try_init(|| async {
            cluster.install_kong_definitions().await?;
            let binaries = binaries().await?;
            cluster.load_kong_images(&binaries).await?;
            let sidecar = programs::image("tagalong-sidecar", SIDECAR, &binaries)?;
            cluster.load_image(sidecar).await?;
            let namespace = ["create", "namespace", kong::NAMESPACE];
            cluster.kubectl(&namespace, "").await?;
            restart_operator(cluster).await
        })
        .await?;
    Ok(Some(cluster))
}

/// Stories that restart Kong's operator take turns: who waits while it is away for another's sake waits for long, since
/// what it has failed at meanwhile it tries again ever more rarely.
pub static RESTARTS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Ends the operator, if it runs, and starts it; it looks at everything anew.
pub async fn restart_operator(cluster: &Cluster) -> Tried<()> {
    drop(OPERATOR.lock().take());
    let directory = tempfile::tempdir()?;
    let process = cluster.start_gateway_operator(directory.path()).await?;
    *OPERATOR.lock() = Some(Operator {
        process,
        _directory: directory,
    });
    Ok(())
}

/// The end of the operator's log.
pub fn operator_log() -> String {
    let running = OPERATOR.lock();
    let tail = running.as_ref().map(|one| one.process.log_tail());
    tail.unwrap_or_default()
}
