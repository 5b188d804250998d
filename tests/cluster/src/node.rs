//! A node that runs real pods: containerd, runc, CNI, kubelet, kube-proxy and CoreDNS, in namespaces of
//! their own together with the control plane.
//!
//! Nothing of it touches the host: no interface, no rule, no mount, no port but one on 127.0.0.1 through
//! which the API server is reached. One process holds the namespaces; when it is killed, all are gone.

pub(crate) mod cgroups;
mod containers;
mod dns;
mod kubelet;
mod namespaces;
mod requirements;
mod tunnel;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use tagalong_ports::Reserved;

use crate::binaries::{Tool, ensure};
use crate::control_plane::{Authorities, Layout};
use crate::error::Result;
use crate::image::Image;
use crate::process::{Ground, Process, Reaper};

use self::cgroups::Cgroup;
use self::namespaces::Namespaces;
use self::tunnel::Forwarder;

/// The node's address, on a bridge that only its own network namespace has.
pub(crate) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 90, 0, 1));
/// The same, where text is wanted.
pub(crate) const ADDRESS_TEXT: &str = "10.90.0.1";
/// The node's name.
pub(crate) const NAME: &str = "node1";

/// Ends with [`Drop`]: the tunnel first, then everything inside.
pub(crate) struct Node {
    forwarder: Forwarder,
    namespaces: Namespaces,
    directory: PathBuf,
    cgroup: Cgroup,
}

impl Node {
    /// Checks the machine, and makes the namespaces and the way into them. The control plane comes next.
    pub fn prepare(directory: &Path, reaper: &mut Reaper) -> Result<Self> {
        requirements::install_packages()?;
        let cgroup = Cgroup::create(reaper)?;
        let namespaces = Namespaces::create(directory)?;
        let api = SocketAddr::from(([127, 0, 0, 1], API_PORT));
        Ok(Self {
            forwarder: Forwarder::start(namespaces.holder(), api)?,
            namespaces,
            directory: directory.to_owned(),
            cgroup,
        })
    }

    pub fn ground(&self) -> Ground {
        Ground::Inside(self.namespaces.holder())
    }

    /// The API server's address on the host.
    pub fn api_server(&self) -> String {
        format!("https://127.0.0.1:{}", self.forwarder.port())
    }

    /// Starts containerd, kubelet and kube-proxy.
    pub fn start(&self, layout: &Layout, authorities: &Authorities) -> Result<Vec<Process>> {
        let containerd = containers::start(self)?;
        self.importer()(&containers::pause()?)?;
        self.importer()(&dns::image()?)?;
        kubelet::write_keys(layout, authorities)?;
        Ok(vec![
            containerd,
            kubelet::start(self, layout, authorities)?,
            kubelet::start_proxy(self, layout, authorities)?,
        ])
    }

    /// Imports an image, so that pods find it under its name. Blocks.
    pub fn importer(&self) -> impl FnOnce(&Image) -> Result<()> + use<> {
        let (ground, directory) = (self.ground(), self.directory.clone());
        move |image| containers::import(ground, &directory, image)
    }

    /// As [`Node::importer`], from an archive.
    pub fn archive_importer(&self) -> impl FnOnce(&Path) -> Result<()> + use<> {
        let ground = self.ground();
        move |archive| containers::import_archive(ground, archive)
    }

    /// Connects from inside. Blocks.
    pub fn dialer(&self) -> impl FnOnce(SocketAddr) -> std::io::Result<TcpStream> + use<> {
        let holder = self.namespaces.holder();
        move |address| tunnel::connect(holder, address)
    }

    /// Listens inside.
    pub fn listen(&self, address: SocketAddr) -> std::io::Result<TcpListener> {
        tunnel::listen(self.namespaces.holder(), address)
    }

    /// Keeps a port of 127.0.0.1 inside.
    pub fn reserve(&self) -> std::io::Result<Reserved> {
        tunnel::reserve(self.namespaces.holder())
    }
}

/// The API server's port inside.
pub(crate) const API_PORT: u16 = 6443;

/// Fetches or builds what a node is made of.
pub(crate) fn ensure_binaries() -> Result<()> {
    for tool in [Tool::Kubelet, Tool::KubeProxy, Tool::CoreDns, Tool::Kubectl] {
        ensure(tool)?;
    }
    Ok(())
}

pub(crate) use dns::MANIFEST as DNS_MANIFEST;
pub(crate) use requirements::check as check_machine;
