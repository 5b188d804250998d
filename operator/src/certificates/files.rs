//! Certificates that somebody else makes, cert-manager for instance: a directory with `tls.crt`,
//! `tls.key` and `ca.crt`.

use crate::certificates::Serving;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::path::Path;
use tagalong_runtime::Drain;
use tagalong_runtime::tls::{Files, REREAD};
use tagalong_wire::contract::CA_KEY;
use tokio::sync::watch;

/// Follows the files of `dir`.
#[must_use]
pub fn follow(dir: &Path, drain: Drain) -> Serving {
    let certificates = Files::in_dir(dir).follow(drain.clone());
    let (sender, bundle) = watch::channel(None);
    let path = dir.join(CA_KEY);
    drain.clone().spawn("reading the authority again", async move {
        loop {
            match std::fs::read_to_string(&path) {
                Ok(text) if holds_certificates(&text) => {
                    sender.send_if_modified(|bundle| {
                        let changed = bundle.as_ref() != Some(&text);
                        *bundle = Some(text);
                        changed
                    });
                }
                Ok(_) => {
                    tracing::warn!(path = %path.display(), "holds no certificates, kept the last ones");
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "cannot be read, kept the last one");
                }
            }
            if drain.cancel(tokio::time::sleep(REREAD)).await.is_none() {
                return;
            }
        }
    });
    Serving {
        certificates,
        bundle,
    }
}

fn holds_certificates(text: &str) -> bool {
    let mut certificates = CertificateDer::pem_slice_iter(text.as_bytes()).peekable();
    certificates.peek().is_some() && certificates.all(|certificate| certificate.is_ok())
}
