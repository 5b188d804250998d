//! TLS for servers, with certificates that may change at any time.
//!
//! Certificates come from files (a mounted Secret, read again when it changes) or from a channel
//! (the operator makes its own). Either way each handshake takes the newest.

use crate::drain::Drain;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

mod anybody;

/// How often files are read again. The kubelet itself takes up to a minute to write a changed Secret.
pub const REREAD: Duration = Duration::from_secs(10);

/// The certificate in use; `None` until there is one, and handshakes fail until then.
pub type Certificates = watch::Receiver<Option<Arc<CertifiedKey>>>;

/// What is wrong with a certificate or its key.
#[derive(Debug, thiserror::Error)]
pub enum BadCertificate {
    /// A file that cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not PEM, or without what it should hold.
    #[error("no certificate chain or no private key in PEM: {0}")]
    NotPem(rustls::pki_types::pem::Error),
    /// An empty chain.
    #[error("the certificate chain is empty")]
    Empty,
    /// A key of an unknown kind, or one that does not fit the certificate.
    #[error("certificate and private key cannot be used together: {0}")]
    Unusable(#[from] rustls::Error),
}

/// A certificate chain and its key, both PEM; checked to fit each other.
///
/// # Errors
///
/// When either is malformed, or they do not fit.
pub fn parse(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, BadCertificate> {
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(BadCertificate::NotPem)?;
    if chain.is_empty() {
        return Err(BadCertificate::Empty);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(BadCertificate::NotPem)?;
    Ok(CertifiedKey::from_der(
        chain,
        key,
        &ring::default_provider(),
    )?)
}

/// A server's configuration that takes the newest certificate for each handshake; offers HTTP/2 and 1.1.
///
/// # Errors
///
/// When the crypto provider lacks the default protocol versions (it does not).
pub fn config(certificates: Certificates) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Newest(certificates)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The same, and clients may show certificates, which the server's requests then carry
/// ([`ClientCertificates`](crate::serve::ClientCertificates)). Whoever shows one must hold its key, else there is no handshake.
/// Who signed it is for the server to judge afterwards: a certificate of a stranger is to get an answer in words, and whom to
/// trust may change while connections last.
///
/// # Errors
///
/// As [`config`].
pub fn asking(certificates: Certificates) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(anybody::Anybody::new(&provider)))
        .with_cert_resolver(Arc::new(Newest(certificates)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A session that can be resumed keeps the client's certificates, as many as strangers like to show.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Newest(Certificates);

impl ResolvesServerCert for Newest {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.borrow().clone()
    }
}

/// Where a mounted Secret keeps certificate and key.
#[derive(Clone, Debug)]
pub struct Files {
    /// The chain, leaf first (`tls.crt`).
    pub chain: PathBuf,
    /// The private key (`tls.key`).
    pub key: PathBuf,
}

impl Files {
    /// `tls.crt` and `tls.key` in one directory, as Secrets of type `kubernetes.io/tls` are mounted.
    #[must_use]
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            chain: dir.join("tls.crt"),
            key: dir.join("tls.key"),
        }
    }

    fn read(&self) -> Result<(Vec<u8>, Vec<u8>), BadCertificate> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| BadCertificate::Unreadable {
                path: path.to_owned(),
                source,
            })
        };
        Ok((read(&self.chain)?, read(&self.key)?))
    }

    /// Follows the files until the drain begins. What cannot be used (half-written, absent, not
    /// fitting) is said in the log and changes nothing; it is tried again [`REREAD`] later.
    #[must_use]
    pub fn follow(self, drain: Drain) -> Certificates {
        let (sender, receiver) = watch::channel(None);
        let mut followed = Followed::default();
        followed.look(&self, &sender);
        drain
            .clone()
            .spawn("reading certificates again", async move {
                while drain.cancel(tokio::time::sleep(REREAD)).await.is_some() {
                    followed.look(&self, &sender);
                }
            });
        receiver
    }
}

/// What was last seen in the files, so that each change and each complaint is said once.
#[derive(Default)]
struct Followed {
    seen: Option<(Vec<u8>, Vec<u8>)>,
    complaint: Option<String>,
}

impl Followed {
    fn look(&mut self, files: &Files, sender: &watch::Sender<Option<Arc<CertifiedKey>>>) {
        let looked = files.read().and_then(|bytes| {
            if self.seen.as_ref() == Some(&bytes) {
                return Ok(None);
            }
            parse(&bytes.0, &bytes.1).map(|certified| Some((bytes, certified)))
        });
        match looked {
            Ok(None) => self.complaint = None,
            Ok(Some((bytes, certified))) => {
                tracing::info!(chain = %files.chain.display(), "certificate loaded");
                self.seen = Some(bytes);
                self.complaint = None;
                sender.send_replace(Some(Arc::new(certified)));
            }
            Err(error) => {
                let complaint = error.to_string();
                if self.complaint.as_ref() != Some(&complaint) {
                    tracing::warn!(chain = %files.chain.display(), %error, "certificate not usable, kept the last one");
                    self.complaint = Some(complaint);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
