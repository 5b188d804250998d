//! Certificates of the listeners: from files, from the configuration, or made on the spot.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

use super::config::Certificate;
use super::state::State;
use crate::tls::{SelfSigned, TlsError, self_signed};

/// Why a listener cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file is missing or is no PEM.
    #[error("cannot use {0}: {1}")]
    File(PathBuf, #[source] rustls::pki_types::pem::Error),
    /// The client CAs make no verifier.
    #[error("cannot verify clients by {0}: {1}")]
    Verifier(PathBuf, #[source] rustls::server::VerifierBuilderError),
    /// rustls refused.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The Admin API's side: its certificate, and whose clients it trusts.
pub(super) fn admin(
    certificate: Option<&(PathBuf, PathBuf)>,
    client_ca: Option<&Path>,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Use)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for ca in chain(file)? {
                roots.add(ca).map_err(TlsError::Use)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| CertificateError::Verifier(file.to_owned(), error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let Some((certificate, key)) = certificate else {
        let SelfSigned {
            key, certificate, ..
        } = self_signed()?;
        return Ok(builder
            .with_single_cert(vec![certificate], key)
            .map_err(TlsError::Use)?
            .into());
    };
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| CertificateError::File(key.clone(), error))?;
    Ok(builder
        .with_single_cert(chain(certificate)?, key)
        .map_err(TlsError::Use)?
        .into())
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let named = |error| CertificateError::File(file.to_owned(), error);
    CertificateDer::pem_file_iter(file)
        .map_err(named)?
        .collect::<Result<_, _>>()
        .map_err(named)
}

/// The proxy's side: the pushed certificate of the SNI, else a self-signed one.
pub(super) fn proxy(state: Arc<State>) -> Result<Arc<ServerConfig>, CertificateError> {
    let SelfSigned {
        key, certificate, ..
    } = self_signed()?;
    let fallback = CertifiedKey::from_der(vec![certificate], key, &ring::default_provider())
        .map_err(TlsError::Use)?;
    let resolver = Arc::new(BySni {
        state,
        fallback: Arc::new(fallback),
    });
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Use)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct BySni {
    state: Arc<State>,
    fallback: Arc<CertifiedKey>,
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pushed = || {
            let active = self.state.active();
            let config = &active.config;
            let name = hello.server_name().unwrap_or_default();
            let wildcard = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
            let sni = [Some(name), wildcard.as_deref(), Some("*")]
                .into_iter()
                .flatten()
                .find_map(|wanted| config.snis.iter().find(|sni| sni.name == wanted))?;
            let id = &sni.certificate.as_ref()?.id;
            key(config
                .certificates
                .iter()
                .find(|certificate| certificate.id == *id)?)
        };
        Some(pushed().unwrap_or_else(|| self.fallback.clone()))
    }
}

/// Kong verifies certificates when they are pushed; here one that cannot be used counts as absent.
fn key(certificate: &Certificate) -> Option<Arc<CertifiedKey>> {
    let chain = CertificateDer::pem_slice_iter(certificate.cert.as_bytes())
        .collect::<Result<_, _>>()
        .ok()?;
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).ok()?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .ok()
        .map(Arc::new)
}
