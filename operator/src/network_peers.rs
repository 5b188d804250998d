//! Who is admitted to sidecars, as flags say it.

use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value;
use std::collections::BTreeMap;

/// Kubernetes itself puts a namespace's name there.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Labels of pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodLabels(pub BTreeMap<String, String>);

/// Peers of a NetworkPolicy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peers(pub Vec<NetworkPolicyPeer>);

/// The operator itself.
#[must_use]
pub fn operator(namespace: &str, labels: &PodLabels) -> NetworkPolicyPeer {
    let selector = |labels: BTreeMap<String, String>| LabelSelector {
        match_labels: Some(labels),
        match_expressions: None,
    };
    let home = [(NAMESPACE_NAME.to_owned(), namespace.to_owned())].into();
    NetworkPolicyPeer {
        namespace_selector: Some(selector(home)),
        pod_selector: Some(selector(labels.0.clone())),
        ip_block: None,
    }
}

/// Reads `KEY=VALUE,...`.
///
/// # Errors
///
/// When there is none, or it is something else: no labels would be all pods.
pub fn labels(text: &str) -> Result<PodLabels, String> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        (!key.is_empty()).then(|| (key.trim().to_owned(), value.trim().to_owned()))
    };
    let pairs: Option<BTreeMap<_, _>> = text.split(',').map(pair).collect();
    pairs
        .map(PodLabels)
        .ok_or_else(|| "no KEY=VALUE,...".to_owned())
}

/// Reads a list of peers.
///
/// # Errors
///
/// When it is something else. A misspelt field is an error, too: without it, a peer is more than was meant.
pub fn peers(text: &str) -> Result<Peers, String> {
    let given: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let peers: Vec<NetworkPolicyPeer> =
        serde_json::from_value(given.clone()).map_err(|error| error.to_string())?;
    let read = serde_json::to_value(&peers).map_err(|error| error.to_string())?;
    if read != given {
        return Err(format!("only this of it is known: {read}"));
    }
    if peers.contains(&NetworkPolicyPeer::default()) {
        return Err("a peer that names nobody".to_owned());
    }
    Ok(Peers(peers))
}

#[cfg(test)]
mod tests;
