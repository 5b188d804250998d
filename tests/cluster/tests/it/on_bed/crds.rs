//! The definitions of Kong and Gateway API install on this Kubernetes.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::ListParams;
use tagalong_cluster::crds::CrdSet;
use tagalong_cluster::{Cluster, Result, until};

#[tokio::test]
async fn all_sets_install_twice_and_are_served() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let sets = [
        CrdSet::GatewayApiStandard,
        CrdSet::KongGatewayOperator,
        CrdSet::KongIngressController,
    ];
    cluster.install_crds(&sets).await?;
    cluster.install_crds(&sets).await?;
    let all: Api<CustomResourceDefinition> = Api::all(cluster.client()?);
    let installed = all.list(&ListParams::default()).await?.items.len();
    // 5 of Gateway API, 35 files of Kong's operator, 12 of its ingress controller, 5 of which are in both.
    assert!(installed >= 40, "{installed}");

    // Established is not yet listed: discovery follows within a moment.
    let timeout = Duration::from_secs(60);
    let kinds = until("the kinds in discovery", timeout, || async {
        let kinds = cluster
            .kubectl(&["api-resources", "--no-headers", "-o", "name"], "")
            .await?;
        let kinds: Vec<&str> = kinds.lines().collect();
        let wanted = [
            "dataplanes.gateway-operator.konghq.com",
            "controlplanes.gateway-operator.konghq.com",
            "dataplanemetricsextensions.gateway-operator.konghq.com",
            "kongplugins.configuration.konghq.com",
            "httproutes.gateway.networking.k8s.io",
        ];
        match wanted.iter().find(|wanted| !kinds.contains(wanted)) {
            None => Ok(kinds.len()),
            Some(missing) => Err(format!("no {missing}").into()),
        }
    })
    .await?;
    assert!(kinds > installed);
    Ok(())
}
