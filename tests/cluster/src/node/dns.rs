//! Cluster DNS: CoreDNS as a pod.

use crate::binaries::{Tool, ensure};
use crate::error::Result;
use crate::image::Image;

/// The address of the Service `kube-dns`, which the kubelet writes into each pod's resolv.conf.
pub(super) const ADDRESS: &str = "10.96.0.10";

/// To be applied once the API server is up.
pub(crate) const MANIFEST: &str = include_str!("dns/coredns.yaml");

pub(super) fn image() -> Result<Image> {
    Ok(Image::new("test.local/coredns:1")
        .program(&ensure(Tool::CoreDns)?, "/coredns")?
        .entrypoint(&["/coredns"]))
}
