//! The same of objects in a cluster.

use crate::unreadable::{ROUTE, asked, text};
use tagalong_cluster::Cluster;

/// A definition that admits anything stands for one that is older or newer than what is read.
#[tokio::test]
async fn explain_tells_of_objects_in_the_cluster_that_cannot_be_read()
-> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let cluster = Cluster::start().await?;
    let definition = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: httproutes.gateway.networking.k8s.io
  annotations: {api-approved.kubernetes.io: \"unapproved, for a test\"}
spec:
  group: gateway.networking.k8s.io
  names: {kind: HTTPRoute, plural: httproutes}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";
    cluster.kubectl(&["apply", "-f", "-"], definition).await?;
    let wait = [
        "wait",
        "--for=condition=Established",
        "crd/httproutes.gateway.networking.k8s.io",
        "--timeout=60s",
    ];
    cluster.kubectl(&wait, "").await?;
    cluster.kubectl(&["apply", "-f", "-"], ROUTE).await?;
    let kubeconfig = cluster.kubeconfig().to_owned();
    let asked = tokio::task::spawn_blocking(move || asked(&["explain", "a"], Some(&kubeconfig)));
    let output = asked.await?;
    let err = text(&output.stderr);
    assert!(output.status.success(), "{err}");
    for part in ["WARN", "HTTPRoute", "default", "echoes", "eighty"] {
        assert!(err.contains(part), "{part} in {err}");
    }
    assert_eq!(err.lines().count(), 1, "{err}");
    Ok(())
}
