//! Kong Gateway Operator itself, and what it deploys, on a node: Kong Ingress Controller and the stand-in for Kong.

use std::path::Path;

use crate::binaries::{Tool, ensured, go_module};
use crate::cluster::Cluster;
use crate::error::{Result, at};
use crate::image::Image;
use crate::process::Process;

/// Where the operator keeps its own objects; it must be there before the operator is.
pub const NAMESPACE: &str = "kong-system";

/// The gateway that the published example names.
const GATEWAY: &str = "docker.io/kong/kong-gateway:3.10.0.1";

/// The controller that Gateway Operator 1.5.0 asks for: a later one of the same minor version as ours.
const CONTROLLER: &str = "docker.io/kong/kubernetes-ingress-controller:3.4.3";

/// The backend of the published example.
const BACKEND: &str = "registry.k8s.io/e2e-test-images/agnhost:2.40";

impl Cluster {
    /// Installs the definitions that Gateway Operator 1.5.0 was released with.
    ///
    /// # Errors
    ///
    /// When a module cannot be fetched or a definition is refused.
    pub async fn install_kong_definitions(&self) -> Result<()> {
        let configuration = "github.com/kong/kubernetes-configuration";
        let mut files = Vec::new();
        for (module, directory) in [
            ("sigs.k8s.io/gateway-api", "config/crd/standard"),
            (configuration, "config/crd/gateway-operator"),
            (configuration, "config/crd/ingress-controller"),
        ] {
            let directory = go_module("gateway-operator", module)?.join(directory);
            for entry in std::fs::read_dir(&directory).map_err(at(&directory))? {
                files.push(entry.map_err(at(&directory))?.path());
            }
        }
        files.retain(|path| !path.ends_with("kustomization.yaml"));
        self.install_crd_files(&files).await
    }

    /// Loads what the operator and the published example ask for. `binaries` is the directory with the stand-in,
    /// `tagalong-kong`.
    ///
    /// # Errors
    ///
    /// When there is no node, or an image cannot be made or imported.
    pub async fn load_kong_images(&self, binaries: &Path) -> Result<()> {
        let controller = ensured(Tool::KongIngressController).await?;
        let agnhost = ensured(Tool::Agnhost).await?;
        for (name, program, target) in [
            (GATEWAY, binaries.join("tagalong-kong"), "/program"),
            (CONTROLLER, controller, "/program"),
            (BACKEND, agnhost, "/agnhost"),
        ] {
            let mut image = Image::new(name)
                .program(&program, target)?
                .directory("/tmp", 0o1777)
                .entrypoint(&[target]);
            if name == BACKEND {
                // What the published example's load runs in it.
                for command in ["/bin/sh", "/bin/sleep"] {
                    image = image.program(Path::new(command), command)?;
                }
            }
            self.load_image(image).await?;
        }
        Ok(())
    }

    /// Starts the operator, as an administrator; it talks to nobody but the API server. It ends when dropped.
    ///
    /// # Errors
    ///
    /// When it cannot be built or started.
    pub async fn start_gateway_operator(&self, logs: &Path) -> Result<Process> {
        let mut command = self
            .ground()
            .command(ensured(Tool::KongGatewayOperator).await?);
        command
            .args([
                "--no-leader-election",
                "--anonymous-reports=false",
                "--metrics-bind-address=0",
                "--health-probe-bind-address=127.0.0.1:0",
            ])
            .env("KUBECONFIG", self.inside_kubeconfig())
            .env("POD_NAMESPACE", NAMESPACE);
        Process::start("gateway-operator", command, logs)
    }
}
