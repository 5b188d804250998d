//! HTTP into the node.

use std::fmt::Display;
use std::net::SocketAddr;

use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::Cluster;
use crate::error::{Error, Result};

impl Cluster {
    /// `GET http://<address><path>` inside the node's network, over a connection of its own: the body, in which what is not
    /// UTF-8 is replaced.
    ///
    /// # Errors
    ///
    /// When there is no node, nobody answers, or not with a status of success; then with the body.
    pub async fn get(&self, address: SocketAddr, path: &str) -> Result<String> {
        let failed = |detail: &dyn Display| Error::Request {
            what: format!("GET http://{address}{path}"),
            detail: detail.to_string(),
        };
        let broken = |error: hyper::Error| failed(&error);
        let stream = self.connect(address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        tokio::spawn(connection);
        let request = Request::get(path)
            .header("host", address.to_string())
            .body(Empty::<Bytes>::new())
            .map_err(|error| failed(&error))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(broken)?;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        if status.is_success() {
            Ok(body)
        } else {
            Err(failed(&format_args!("{status}: {body}")))
        }
    }
}
