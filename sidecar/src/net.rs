//! What both clients of the sidecar share: connections and CA certificates.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WantsClientCert;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ConfigBuilder};
use tagalong_runtime::net::{self, Buffers};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::url::Url;

/// TCP or TLS.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A TCP connection to the URL's host.
pub(crate) async fn connect(url: &Url) -> std::io::Result<TcpStream> {
    net::connect(&url.host, url.port, Buffers::CLIENT).await
}

/// A TLS client that checks its peer by the CA certificates in a PEM file.
pub(crate) fn checked_by(
    file: &Path,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, String> {
    let in_file = |why: String| format!("{}: {why}", file.display());
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(file).map_err(|error| in_file(error.to_string()))?;
    roots.add_parsable_certificates(certificates.filter_map(Result::ok));
    if roots.is_empty() {
        return Err(in_file("no certificate in it".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots))
}
