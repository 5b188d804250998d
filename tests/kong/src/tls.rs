//! TLS for the listeners: a certificate of their own making where none is given.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;

/// A fresh self-signed certificate and what a server and its clients need of it.
pub(crate) struct SelfSigned {
    /// The server's side.
    pub(crate) config: Arc<ServerConfig>,
    /// The certificate, which a client may trust as its CA.
    pub(crate) certificate_pem: String,
}

/// Why a certificate could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate could be made.
    #[error("cannot make a self-signed certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// rustls refused it.
    #[error("cannot use a certificate: {0}")]
    Use(#[from] rustls::Error),
}

/// A certificate for `localhost` and the loopback addresses.
pub(crate) fn self_signed() -> Result<SelfSigned, TlsError> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names)?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())?;
    Ok(SelfSigned {
        config: Arc::new(config),
        certificate_pem: made.cert.pem(),
    })
}
