//! What Kong Gateway Operator needs to run: its definitions, the images that it names, and the operator itself.

use std::path::Path;

use parking_lot::Mutex;
use tagalong_cluster::Cluster;
use tagalong_cluster::binaries::{Tool, ensured, go_module};
use tagalong_cluster::image::Image;
use tagalong_cluster::process::Process;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::on_node::{SIDECAR, Tried, binaries};

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
            install_definitions(cluster).await?;
            load_images(cluster).await?;
            let namespace = ["create", "namespace", "kong-system"];
            cluster.kubectl(&namespace, "").await?;
            restart_operator(cluster).await
        })
        .await?;
    Ok(Some(cluster))
}

/// Ends the operator, if it runs, and starts it; it looks at everything anew.
/// It runs as an administrator and talks to nobody but the API server.
pub async fn restart_operator(cluster: &Cluster) -> Tried<()> {
    let program = ensured(Tool::KongGatewayOperator).await?;
    let directory = tempfile::tempdir()?;
    let mut command = cluster.ground().command(program);
    command
        .args([
            "--no-leader-election",
            "--anonymous-reports=false",
            "--metrics-bind-address=0",
            "--health-probe-bind-address=127.0.0.1:0",
        ])
        .env("KUBECONFIG", cluster.inside_kubeconfig())
        .env("POD_NAMESPACE", "kong-system");
    let mut running = OPERATOR.lock();
    drop(running.take());
    *running = Some(Operator {
        process: Process::start("gateway-operator", command, directory.path())?,
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

async fn load_images(cluster: &Cluster) -> Tried<()> {
    let ours = binaries().await?;
    let image = |name: &str, program: &Path| -> Tried<Image> {
        let image = Image::new(name)
            .program(program, "/program")?
            .directory("/tmp", 0o1777);
        Ok(image.entrypoint(&["/program"]))
    };
    // The controller that the operator asks for is a later one of the same minor version.
    let controller = ensured(Tool::KongIngressController).await?;
    let agnhost = ensured(Tool::Agnhost).await?;
    let echo =
        Image::new("registry.k8s.io/e2e-test-images/agnhost:2.40").program(&agnhost, "/agnhost")?;
    let kong = format!("docker.io/{KONG}");
    for image in [
        image(SIDECAR, &ours.join("tagalong-sidecar"))?,
        image(&kong, &ours.join("tagalong-kong"))?,
        image(
            "docker.io/kong/kubernetes-ingress-controller:3.4.3",
            &controller,
        )?,
        echo.entrypoint(&["/agnhost"]),
    ] {
        cluster.load_image(image).await?;
    }
    Ok(())
}

/// The definitions that this operator was released with.
async fn install_definitions(cluster: &Cluster) -> Tried<()> {
    let mut files = Vec::new();
    for (module, directory) in [
        ("sigs.k8s.io/gateway-api", "config/crd/standard"),
        (
            "github.com/kong/kubernetes-configuration",
            "config/crd/gateway-operator",
        ),
        (
            "github.com/kong/kubernetes-configuration",
            "config/crd/ingress-controller",
        ),
    ] {
        let directory = go_module("gateway-operator", module)?.join(directory);
        for entry in std::fs::read_dir(directory)? {
            files.push(entry?.path());
        }
    }
    files.retain(|path| !path.ends_with("kustomization.yaml"));
    Ok(cluster.install_crd_files(&files).await?)
}
