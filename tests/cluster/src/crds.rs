//! Custom resource definitions of Kong and of Gateway API, from the modules that publish them.

use std::path::{Path, PathBuf};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client};

use crate::binaries::go_module;
use crate::cluster::Cluster;
use crate::error::{Error, Result, at};
use crate::wait::{TIMEOUT, until};

/// A directory of definitions. Versions stand in `modules/crds/go.mod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrdSet {
    /// GatewayClass, Gateway, HTTPRoute, GRPCRoute, ReferenceGrant.
    GatewayApiStandard,
    /// The standard channel and what is still being tried.
    GatewayApiExperimental,
    /// Kong Gateway Operator's: DataPlane, ControlPlane, GatewayConfiguration, DataPlaneMetricsExtension…
    KongGatewayOperator,
    /// Kong Ingress Controller's: KongPlugin, KongConsumer, KongUpstreamPolicy…
    KongIngressController,
    /// What Kong Ingress Controller tries out: KongServiceFacade.
    KongIncubator,
}

impl CrdSet {
    fn directory(self) -> Result<PathBuf> {
        const GATEWAY_API: &str = "sigs.k8s.io/gateway-api";
        const KONG: &str = "github.com/kong/kubernetes-configuration";
        let (module, directory) = match self {
            Self::GatewayApiStandard => (GATEWAY_API, "config/crd/standard"),
            Self::GatewayApiExperimental => (GATEWAY_API, "config/crd/experimental"),
            Self::KongGatewayOperator => (KONG, "config/crd/gateway-operator"),
            Self::KongIngressController => (KONG, "config/crd/ingress-controller"),
            Self::KongIncubator => (KONG, "config/crd/ingress-controller-incubator"),
        };
        Ok(go_module("crds", module)?.join(directory))
    }

    fn files(self) -> Result<Vec<PathBuf>> {
        let directory = self.directory()?;
        let mut files: Vec<PathBuf> = std::fs::read_dir(&directory)
            .map_err(at(&directory))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "yaml")
            })
            .filter(|path| path.file_stem().is_some_and(|stem| stem != "kustomization"))
            .collect();
        files.sort();
        Ok(files)
    }
}

impl Cluster {
    /// Installs whole sets of definitions and waits until each is established.
    ///
    /// # Errors
    ///
    /// When a module cannot be fetched or a definition is refused.
    pub async fn install_crds(&self, sets: &[CrdSet]) -> Result<()> {
        let sets = sets.to_vec();
        let files = crate::blocking(move || {
            let files: Result<Vec<_>> = sets.into_iter().map(CrdSet::files).collect();
            Ok(files?.concat())
        })
        .await?;
        self.install_crd_files(&files).await
    }

    /// Installs definitions from files of one's own, one in each.
    ///
    /// # Errors
    ///
    /// When one cannot be read or is refused.
    pub async fn install_crd_files(&self, files: &[PathBuf]) -> Result<()> {
        let client = self.client()?;
        let mut names = Vec::with_capacity(files.len());
        for file in files {
            let text = tokio::fs::read_to_string(file).await.map_err(at(file))?;
            let name = name(file, &text)?;
            apply(&client, &name, text).await?;
            names.push(name);
        }
        let api: Api<CustomResourceDefinition> = Api::all(client);
        for name in &names {
            until(&format!("{name} to be established"), TIMEOUT, || async {
                let status = api.get_status(name).await?.status.unwrap_or_default();
                let conditions = status.conditions.unwrap_or_default();
                let established = |condition: &&_| {
                    let condition: &k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionCondition = condition;
                    condition.type_ == "Established" && condition.status == "True"
                };
                match conditions.iter().find(established) {
                    Some(_) => Ok(()),
                    None => Err(serde_json::to_string(&conditions)?.into()),
                }
            })
            .await?;
        }
        Ok(())
    }
}

/// Server-side apply of the file as it is: client-side apply would put a copy of it into an annotation,
/// and some of these files are four times as large as an annotation may be.
async fn apply(client: &Client, name: &str, yaml: String) -> Result<()> {
    let request = http::Request::patch(format!(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}?fieldManager=tagalong-cluster&force=true"
    ))
    .header("Content-Type", "application/apply-patch+yaml")
    .body(yaml.into_bytes())
    .map_err(|error| Error::Unsupported(format!("the name {name} of a definition: {error}")))?;
    client.request::<CustomResourceDefinition>(request).await?;
    Ok(())
}

/// `metadata.name`, which generated files hold on a line of its own.
fn name(file: &Path, text: &str) -> Result<String> {
    text.lines()
        .skip_while(|line| *line != "metadata:")
        .skip(1)
        .take_while(|line| line.starts_with(' '))
        .find_map(|line| line.strip_prefix("  name: "))
        .map(|name| name.trim_matches('"').to_owned())
        .ok_or_else(|| Error::Unsupported(format!("{} has no metadata.name", file.display())))
}
