//! What the tests on a node share: the programs for their images, requests to pods, and what a pod says of itself.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use tagalong_cluster::{Cluster, Seen, programs};

/// The sidecar's image.
pub const SIDECAR: &str = "test.local/tagalong-sidecar:1";

pub type Tried<T> = Result<T, Box<dyn std::error::Error>>;

/// Builds the binaries that go into the images, beside the webhook's own, and says where they are.
pub async fn binaries() -> Tried<PathBuf> {
    let build = || programs::build(&["tagalong-sidecar", "tagalong-kong"]);
    Ok(tokio::task::spawn_blocking(build).await??)
}

/// `GET` from a port of a pod.
pub async fn get(cluster: &Cluster, pod: &Value, port: u16, path: &str) -> Result<String, Seen> {
    let ip = pod["status"]["podIP"].as_str().unwrap_or_default();
    Ok(cluster.get(format!("{ip}:{port}").parse()?, path).await?)
}

/// Whether the object's condition of this type is true.
pub fn condition(object: &Value, name: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    let holds = |one: &Value| one["type"] == name && one["status"] == "True";
    conditions.is_some_and(|all| all.iter().any(holds))
}

/// Ready, and not on its way out.
pub fn ready(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_null() && condition(pod, "Ready")
}

/// Whether a pod's spec, or that of a template, has the sidecar.
pub fn has_sidecar(spec: &Value) -> bool {
    let inits = spec["initContainers"].as_array();
    inits.is_some_and(|inits| inits.iter().any(|init| init["name"] == "tagalong"))
}

/// Who the pods are.
pub fn uids(pods: &[Value]) -> BTreeSet<String> {
    pods.iter()
        .map(|pod| pod["metadata"]["uid"].to_string())
        .collect()
}
