//! The published example: its files, and what they result in.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};
use tagalong_cluster::Seen;

use crate::Tried;
use crate::stage::{Stage, condition};

/// The name that the controller gives the Kong service of the published route.
pub const KONG_SERVICE: &str = "httproute.default.httproute-echo.0";

/// The Service that a Kong service stands for; none if no route has it.
#[must_use]
pub fn stands_for(kong_service: &str) -> Option<&'static str> {
    let number = kong_service.strip_prefix("httproute.default.after-");
    let later = number.and_then(|rest| rest.strip_suffix(".0"));
    match kong_service {
        KONG_SERVICE => Some("echo"),
        "httproute.default.steady.0" => Some("steady"),
        _ => later
            .is_some_and(|number| number.parse::<usize>().is_ok())
            .then_some("echo"),
    }
}

/// The Kong service of a route that [`Stage::route_after`] made.
#[must_use]
pub fn kong_service_after(number: usize) -> String {
    format!("httproute.default.after-{number}.0")
}

/// The sidecar's port in Kong's pods.
const SIDECAR: u16 = 9542;

/// The text of a published file.
///
/// # Errors
///
/// When it cannot be read.
pub fn file(name: &str) -> Tried<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/published-example");
    Ok(std::fs::read_to_string(Path::new(folder).join(name))?)
}

impl Stage {
    /// `kubectl apply` of a published file, unchanged.
    ///
    /// # Errors
    ///
    /// When the API server refuses.
    pub async fn apply(&self, name: &str) -> Tried<()> {
        let text = file(name)?;
        self.cluster.kubectl(&["apply", "-f", "-"], &text).await?;
        Ok(())
    }

    /// The published example, and a backend beside it that nobody scales.
    ///
    /// # Errors
    ///
    /// When the API server refuses.
    pub async fn apply_example(&self) -> Tried<()> {
        self.apply("echo.yaml").await?;
        self.apply("gateway.yaml").await?;
        let steady = include_str!("../steady.yaml");
        self.cluster.kubectl(&["apply", "-f", "-"], steady).await?;
        Ok(())
    }

    /// One more route to the Service `echo`, `after-<number>` by name and path.
    ///
    /// # Errors
    ///
    /// When the API server refuses.
    pub async fn route_after(&self, number: usize) -> Tried<()> {
        let name = format!("after-{number}");
        let route = json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {
                "name": name, "namespace": "default", "annotations": {"konghq.com/strip-path": "true"},
            },
            "spec": {
                "parentRefs": [{"name": "kong"}],
                "rules": [{
                    "matches": [{"path": {"type": "PathPrefix", "value": format!("/{name}")}}],
                    "backendRefs": [{"name": "echo", "kind": "Service", "port": 80}],
                }],
            },
        });
        self.cluster
            .kubectl(&["apply", "-f", "-"], &route.to_string())
            .await?;
        Ok(())
    }

    /// All pods of Kong, once Gateway and DataPlane are ready, all pods are, and each has the sidecar or none has.
    ///
    /// # Errors
    ///
    /// When that does not come.
    pub async fn kongs(&self, with_sidecar: bool) -> Tried<Vec<Value>> {
        let what = format!("Gateway, DataPlane and pods to be ready, sidecar: {with_sidecar}");
        self.until(&what, || async {
            self.all_ready(
                "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways",
                "Programmed",
            )
            .await?;
            self.all_ready(DATAPLANES, "Ready").await?;
            let pods = self.kong_pods().await;
            for pod in &pods {
                if !condition(pod, "Ready") || !pod["metadata"]["deletionTimestamp"].is_null() {
                    return Err(pod["status"].to_string().into());
                }
                if has_sidecar(pod) != with_sidecar {
                    return Err("a pod of before".into());
                }
            }
            if pods.is_empty() {
                return Err("no pod of Kong".into());
            }
            Ok(pods)
        })
        .await
    }

    async fn all_ready(&self, path: &str, name: &str) -> Result<(), Seen> {
        let all = self.list(path).await;
        match all.iter().find(|object| !condition(object, name)) {
            Some(object) => Err(object["status"].to_string().into()),
            None if all.is_empty() => Err(format!("nothing at {path}").into()),
            None => Ok(()),
        }
    }

    /// Kong's pods, in whatever state.
    pub async fn kong_pods(&self) -> Vec<Value> {
        let mut pods = self.list("/api/v1/namespaces/default/pods").await;
        pods.retain(|pod| names(&pod["spec"]["containers"]).any(|name| name == "proxy"));
        pods
    }

    /// The DataPlanes.
    pub async fn dataplanes(&self) -> Vec<Value> {
        self.list(DATAPLANES).await
    }

    /// Where the Gateway's clients go: the Service in front of Kong's pods.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn gateway(&self) -> Tried<SocketAddr> {
        let services = self.list("/api/v1/namespaces/default/services").await;
        let service = services
            .iter()
            .find(|service| service["spec"]["type"] == "LoadBalancer")
            .ok_or("no Service in front of Kong")?;
        address(&service["spec"]["clusterIP"], 80)
    }

    /// What a sidecar's `/metrics` says.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub async fn sidecar_metrics(&self, pod: &Value) -> Tried<String> {
        let address = address(&pod["status"]["podIP"], SIDECAR)?;
        Ok(self.cluster.get(address, "/metrics").await?)
    }
}

const DATAPLANES: &str = "/apis/gateway-operator.konghq.com/v1beta1/namespaces/default/dataplanes";

/// An address of an object's and a port.
///
/// # Errors
///
/// When it is none.
pub fn address(ip: &Value, port: u16) -> Tried<SocketAddr> {
    Ok(format!("{}:{port}", ip.as_str().unwrap_or_default()).parse()?)
}

fn names(containers: &Value) -> impl Iterator<Item = &str> {
    let all = containers.as_array().into_iter().flatten();
    all.filter_map(|container| container["name"].as_str())
}

fn has_sidecar(pod: &Value) -> bool {
    sidecar_image(pod).is_some()
}

/// The image of a pod's sidecar.
#[must_use]
pub fn sidecar_image(pod: &Value) -> Option<&str> {
    let containers = pod["spec"]["initContainers"].as_array()?;
    let sidecar = containers.iter().find(|one| one["name"] == "tagalong")?;
    sidecar["image"].as_str()
}
