//! Who installed the release, told by the marks that installers leave on what they apply.
//!
//! The chart's uninstall Job is a hook. Helm and Argo CD run it before they delete a release; Kustomize and
//! `helm template | kubectl apply` know no hooks and apply it like all else, that is, when the release is *installed*.

use k8s_openapi::api::apps::v1::Deployment;
use std::fmt;

/// On all that Helm 3.2 or newer installs
/// (<https://helm.sh/docs/chart_best_practices/labels>, `pkg/action/validate.go` of Helm).
const HELM: &str = "meta.helm.sh/release-name";
/// On all that Argo CD applies with annotation tracking, its default since 3.0
/// (<https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking>).
const ARGO_CD: &str = "argocd.argoproj.io/tracking-id";

/// What runs the chart's hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Installer {
    /// Helm, or Argo CD where it runs Helm's hooks as its own.
    Helm,
    /// Argo CD.
    Argocd,
}

impl Installer {
    /// Whether it installed this Deployment.
    #[must_use]
    pub fn installed(self, deployment: &Deployment) -> bool {
        let annotations = deployment.metadata.annotations.as_ref();
        let mut marks = self.marks().iter();
        annotations.is_some_and(|annotations| marks.any(|mark| annotations.contains_key(*mark)))
    }

    /// Its annotations. Argo CD renders charts itself, so nothing that it applies carries Helm's.
    const fn marks(self) -> &'static [&'static str] {
        match self {
            Self::Helm => &[HELM, ARGO_CD],
            Self::Argocd => &[ARGO_CD],
        }
    }
}

impl fmt::Display for Installer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Helm => "Helm",
            Self::Argocd => "Argo CD",
        })
    }
}

#[cfg(test)]
mod tests;
