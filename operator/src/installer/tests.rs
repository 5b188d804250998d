use super::*;
use std::collections::BTreeMap;

fn with(annotation: &str) -> Deployment {
    let mut deployment = Deployment::default();
    deployment.metadata.annotations =
        Some(BTreeMap::from([(annotation.to_owned(), "x".to_owned())]));
    deployment
}

#[test]
fn kubectl_is_nobody_who_runs_hooks() {
    let kubectl = with("kubectl.kubernetes.io/last-applied-configuration");
    for installer in [Installer::Helm, Installer::Argocd] {
        assert!(!installer.installed(&kubectl));
        assert!(!installer.installed(&Deployment::default()));
    }
}

#[test]
fn each_is_known_by_its_mark() {
    assert!(Installer::Helm.installed(&with("meta.helm.sh/release-name")));
    let argocd = with("argocd.argoproj.io/tracking-id");
    assert!(Installer::Argocd.installed(&argocd));
    // Argo CD runs Helm's pre-delete hooks, too: then it is an uninstallation.
    assert!(Installer::Helm.installed(&argocd));
    // Helm would not run a hook of Argo CD's.
    assert!(!Installer::Argocd.installed(&with("meta.helm.sh/release-name")));
}
