//! What a cluster with a node can do besides.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use tokio::net::{TcpListener, TcpStream};

use super::Cluster;
use crate::diagnosis;
use crate::error::{Error, Result, at};
use crate::image::Image;
use crate::node::{self, Node};
use crate::wait::{TIMEOUT, until};

impl Cluster {
    /// Imports an image into the node.
    ///
    /// # Errors
    ///
    /// When there is no node, or the image cannot be made or imported.
    pub async fn load_image(&self, image: Image) -> Result<()> {
        let import = self.node()?.importer();
        crate::blocking(move || import(&image)).await
    }

    /// Imports an image archive, as `docker save` or [`Image::write`] make it, into the node.
    ///
    /// # Errors
    ///
    /// When there is no node, or the archive cannot be imported.
    pub async fn load_archive(&self, archive: PathBuf) -> Result<()> {
        let import = self.node()?.archive_importer();
        crate::blocking(move || import(&archive)).await
    }

    /// Connects to an address inside the node's network: a pod's, a Service's.
    ///
    /// # Errors
    ///
    /// When there is no node or nobody answers.
    pub async fn connect(&self, address: SocketAddr) -> Result<TcpStream> {
        let failed = move || at(format!("connection to {address}"));
        let dial = self.node()?.dialer();
        let stream = crate::blocking(move || dial(address).map_err(failed())).await?;
        stream.set_nonblocking(true).map_err(failed())?;
        TcpStream::from_std(stream).map_err(failed())
    }

    /// Listens on an address inside the node's network, for pods and the API server to call this process:
    /// 127.0.0.1 for the API server, [`Cluster::node_address`] for pods.
    ///
    /// # Errors
    ///
    /// When there is no node or the address is taken.
    pub fn listen(&self, address: SocketAddr) -> Result<TcpListener> {
        let failed = || at(format!("listener on {address}"));
        let listener = self.node()?.listen(address).map_err(failed())?;
        listener.set_nonblocking(true).map_err(failed())?;
        TcpListener::from_std(listener).map_err(failed())
    }

    /// The node's address in its own network.
    #[must_use]
    pub fn node_address(&self) -> IpAddr {
        node::ADDRESS
    }

    fn node(&self) -> Result<&Node> {
        self.own
            .as_ref()
            .and_then(|own| own.node.as_ref())
            .ok_or_else(|| Error::Unsupported("this cluster has no node of ours".to_owned()))
    }

    pub(super) async fn until_node_is_ready(&self) -> Result<()> {
        self.kubectl(&["apply", "-f", "-"], node::DNS_MANIFEST)
            .await?;
        let nodes: Api<k8s_openapi::api::core::v1::Node> = Api::all(self.client()?);
        let pods: Api<Pod> = Api::namespaced(self.client()?, "kube-system");
        let ready = until("the node to be ready, with DNS", TIMEOUT, || async {
            if let Err(error) = self.running() {
                return Ok(Err(error));
            }
            let status = nodes.get(node::NAME).await?.status.unwrap_or_default();
            let conditions = status.conditions.unwrap_or_default();
            if !conditions
                .iter()
                .any(|c| c.type_ == "Ready" && c.status == "True")
            {
                return Err(serde_json::to_string(&conditions)?.into());
            }
            let dns = pods
                .list(&ListParams::default().labels("k8s-app=kube-dns"))
                .await?;
            let statuses: Vec<_> = dns.items.into_iter().filter_map(|pod| pod.status).collect();
            let mut conditions = statuses
                .iter()
                .flat_map(|status| status.conditions.iter().flatten());
            if conditions.any(|c| c.type_ == "Ready" && c.status == "True") {
                Ok(Ok(()))
            } else {
                Err(serde_json::to_string(&statuses)?.into())
            }
        });
        match self.explained(ready.await.and_then(|ended| ended)) {
            Err(Error::Deadline {
                what,
                seconds,
                state,
            }) => {
                let diagnosis = diagnosis::of_namespace(&self.client()?, "kube-system").await;
                let state = format!("{state}\n{diagnosis}");
                Err(Error::Deadline {
                    what,
                    seconds,
                    state,
                })
            }
            other => other,
        }
    }
}
