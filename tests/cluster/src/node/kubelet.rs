//! kubelet and kube-proxy.

use std::fs;

use serde_json::json;

use super::containers::SOCKET;
use super::{ADDRESS_TEXT, NAME, Node};
use crate::binaries::{Tool, ensure};
use crate::control_plane::{Authorities, Layout, POD_RANGE, flags};
use crate::error::{Result, at};
use crate::process::Process;

pub(super) fn write_keys(layout: &Layout, authorities: &Authorities) -> Result<()> {
    authorities
        .cluster
        .server(&[NAME, ADDRESS_TEXT])?
        .write(&layout.directory, "kubelet-serving")
}

pub(super) fn start(node: &Node, layout: &Layout, authorities: &Authorities) -> Result<Process> {
    let directory = &node.directory;
    let path = directory.join("kubelet.json");
    fs::write(&path, configuration(node).to_string()).map_err(at(&path))?;
    let empty = directory.join("resolv.conf");
    fs::write(&empty, "").map_err(at(&empty))?;
    let user = format!("system:node:{NAME}");
    let kubeconfig = layout.kubeconfig(authorities, &user, Some("system:nodes"))?;
    let file = |name: &str| directory.join(name).display().to_string();
    let mut command = node.ground().command(ensure(Tool::Kubelet)?);
    command.args(flags(&[
        ("config", file("kubelet.json")),
        ("kubeconfig", kubeconfig.display().to_string()),
        ("root-dir", file("kubelet")),
        ("cert-dir", file("kubelet-certificates")),
        ("hostname-override", NAME.into()),
        ("node-ip", ADDRESS_TEXT.into()),
    ]));
    Process::start("kubelet", command, directory)
}

fn configuration(node: &Node) -> serde_json::Value {
    let file = |name: &str| node.directory.join(name).display().to_string();
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        // It would refuse to run on version 1 of cgroups.
        "failCgroupV1": false,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": node.cgroup.root(),
        "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
        "volumePluginDir": file("volume-plugins"),
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": file("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": file("kubelet-serving.crt"),
        "tlsPrivateKeyFile": file("kubelet-serving.key"),
        "clusterDNS": [super::dns::ADDRESS],
        "clusterDomain": "cluster.local",
        "failSwapOn": false,
        "imageGCHighThresholdPercent": 100,
        // A disk that is full is its owner's concern, and no reason to end pods: what is not named here is not watched.
        "evictionHard": {"memory.available": "100Mi"},
        "resolvConf": file("resolv.conf"),
        "nodeStatusUpdateFrequency": "4s",
    })
}

/// The conntrack settings belong to the host, and a network namespace may not own them: zero leaves them
/// alone.
pub(super) fn start_proxy(
    node: &Node,
    layout: &Layout,
    authorities: &Authorities,
) -> Result<Process> {
    let kubeconfig = layout.kubeconfig(authorities, "system:kube-proxy", None)?;
    let mut command = node.ground().command(ensure(Tool::KubeProxy)?);
    command.args(flags(&[
        ("kubeconfig", kubeconfig.display().to_string()),
        ("proxy-mode", "nftables".into()),
        ("cluster-cidr", POD_RANGE.into()),
        ("hostname-override", NAME.into()),
        ("conntrack-max-per-core", "0".into()),
        ("conntrack-tcp-timeout-established", "0s".into()),
        ("conntrack-tcp-timeout-close-wait", "0s".into()),
    ]));
    Process::start("kube-proxy", command, &node.directory)
}
