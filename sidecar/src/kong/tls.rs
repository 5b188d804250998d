//! TLS towards Kong's status listener.
//!
//! Kong makes itself a self-signed certificate for `status_listen … ssl`, and the pod's own loopback reaches nobody but
//! the pod. So on loopback no certificate is checked. Any other host is, against the system's CA certificates.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::url::Url;

/// Where systems keep their CA certificates; `SSL_CERT_FILE` names another place.
const SYSTEM_CAS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What a peer on loopback may sign with beyond what the provider can check: keys on P-521, and SHA-1, which only
/// TLS 1.2 has.
const UNCHECKED: [SignatureScheme; 3] = [
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::RSA_PKCS1_SHA1,
    SignatureScheme::ECDSA_SHA1_Legacy,
];

/// How to speak TLS to one host.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

/// Why TLS cannot be spoken to a host at all.
#[derive(Debug, Error)]
pub enum TlsSetupError {
    /// The host is neither a DNS name nor an address.
    #[error("the host is no name that a certificate could have")]
    Name,
    /// There are no CA certificates.
    #[error("no CA certificates to verify the host with: {0} (SSL_CERT_FILE names another file)")]
    Roots(String),
    /// rustls refuses.
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

impl Tls {
    /// TLS as `url`'s host wants it.
    ///
    /// # Errors
    /// As [`TlsSetupError`] says.
    pub fn new(url: &Url) -> Result<Self, TlsSetupError> {
        let config = if url.is_loopback() {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
                .with_no_client_auth()
        } else {
            let file = std::env::var_os("SSL_CERT_FILE")
                .map_or_else(|| PathBuf::from(SYSTEM_CAS), PathBuf::from);
            crate::net::checked_by(&file)
                .map_err(TlsSetupError::Roots)?
                .with_no_client_auth()
        };
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name: ServerName::try_from(url.host.clone()).map_err(|_| TlsSetupError::Name)?,
        })
    }

    pub(super) async fn connect(&self, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), tcp).await
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Takes any certificate, whatever it is signed with: to check that the peer has the key of a certificate that anybody may
/// have made would tell nothing. So keys and signatures that the provider cannot check are no obstacle.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.0.signature_verification_algorithms.supported_schemes();
        schemes.extend(UNCHECKED);
        schemes
    }
}
