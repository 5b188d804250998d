//! The API server's front proxy: what it is known by, and whom it speaks for.
//!
//! It says in ConfigMap `kube-system/extension-apiserver-authentication` who signs its certificate, which names that may
//! bear, and in which headers it tells who asks (`apiserver/pkg/authentication/request/headerrequest`).

use crate::custom_metrics::user::User;
use crate::reviews::memory::Memory;
use http::HeaderMap;
use http::header::HeaderName;
use percent_encoding::percent_decode_str;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tagalong_runtime::serve::ClientCertificates;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Seconds that a judgement is remembered.
const JUDGED_FOR: u64 = 10;
/// More judgements than this are not remembered.
const JUDGEMENTS: usize = 256;

/// Why the ConfigMap cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// A key is missing or empty: the API server runs without a front proxy.
    #[error("it has no {0}, so the API server has no front proxy (--requestheader-client-ca-file)")]
    Missing(&'static str),
    /// A key that cannot be read.
    #[error("its {key} cannot be read: {why}")]
    Malformed {
        /// Which.
        key: &'static str,
        /// Why.
        why: String,
    },
}

/// What the front proxy is known by.
#[derive(Debug)]
pub struct FrontProxy {
    signers: Arc<dyn ClientCertVerifier>,
    /// Empty: any.
    names: Vec<String>,
    user: Vec<HeaderName>,
    uid: Vec<HeaderName>,
    groups: Vec<HeaderName>,
    /// In lower case, as header names are here.
    extra: Vec<String>,
    judged: Memory<[u8; 32], bool, u64>,
}

impl FrontProxy {
    /// Reads the ConfigMap's data.
    ///
    /// # Errors
    ///
    /// When there is no front proxy, or something cannot be read.
    pub fn read(data: &BTreeMap<String, String>) -> Result<Self, Unusable> {
        const CA: &str = "requestheader-client-ca-file";
        const USER: &str = "requestheader-username-headers";
        let malformed = |why: &dyn ToString| Unusable::Malformed {
            key: CA,
            why: why.to_string(),
        };
        let pem = data.get(CA).filter(|pem| !pem.trim().is_empty());
        let pem = pem.ok_or(Unusable::Missing(CA))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| malformed(&error))?;
            roots.add(certificate).map_err(|error| malformed(&error))?;
        }
        let provider = Arc::new(ring::default_provider());
        let signers = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let signers = signers.build().map_err(|error| malformed(&error))?;
        let user = headers(data, USER)?;
        if user.is_empty() {
            return Err(Unusable::Missing(USER));
        }
        let extra = texts(data, "requestheader-extra-headers-prefix")?;
        Ok(Self {
            signers,
            names: texts(data, "requestheader-allowed-names")?,
            user,
            uid: headers(data, "requestheader-uid-headers")?,
            groups: headers(data, "requestheader-group-headers")?,
            extra: extra.iter().map(|one| one.to_lowercase()).collect(),
            judged: Memory::new(JUDGEMENTS),
        })
    }

    /// Whether these certificates are the front proxy's. That the client holds the key was proved in the handshake.
    #[must_use]
    pub fn is_shown_by(&self, shown: &ClientCertificates, now: Duration) -> bool {
        let mut digest = Sha256::new();
        for certificate in shown.0.iter() {
            digest.update(certificate.len().to_le_bytes());
            digest.update(certificate);
        }
        let key = digest.finalize().into();
        if let Some(judged) = self.judged.get(&key, now.as_secs()) {
            return judged;
        }
        let judged = self.judge(&shown.0, now);
        let until = now.as_secs() + JUDGED_FOR;
        self.judged.put(key, judged, until, now.as_secs());
        judged
    }

    fn judge(&self, shown: &[CertificateDer<'_>], now: Duration) -> bool {
        let Some((own, others)) = shown.split_first() else {
            return false;
        };
        let now = UnixTime::since_unix_epoch(now);
        if let Err(error) = self.signers.verify_client_cert(own, others, now) {
            tracing::debug!(%error, "a client's certificate is not the front proxy's");
            return false;
        }
        self.names.is_empty() || common_name(own).is_some_and(|name| self.names.contains(&name))
    }

    /// Whom the front proxy speaks for. Only for requests by which it has shown its certificate: anybody can send headers.
    #[must_use]
    pub fn user(&self, headers: &HeaderMap) -> Option<User> {
        let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in headers.keys() {
            let keys = self.extra.iter();
            let Some(key) = keys
                .filter_map(|prefix| name.as_str().strip_prefix(prefix))
                .next()
            else {
                continue;
            };
            let Ok(key) = percent_decode_str(key).decode_utf8() else {
                continue;
            };
            let values = extra.entry(key.to_lowercase()).or_default();
            values.extend(headers.get_all(name).iter().filter_map(text));
        }
        Some(User {
            name: first(headers, &self.user)?,
            uid: first(headers, &self.uid),
            groups: self
                .groups
                .iter()
                .flat_map(|name| headers.get_all(name).iter().filter_map(text))
                .collect(),
            extra,
        })
    }
}

/// The first value of the first of these headers that has one.
fn first(headers: &HeaderMap, names: &[HeaderName]) -> Option<String> {
    names
        .iter()
        .find_map(|name| headers.get(name).and_then(text))
}

fn text(value: &http::HeaderValue) -> Option<String> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// The one common name of a certificate's subject. With several, other programs see another one each.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?.to_owned();
    names.next().is_none().then_some(name)
}

/// A list of texts, in JSON; a key that is missing has none.
fn texts(data: &BTreeMap<String, String>, key: &'static str) -> Result<Vec<String>, Unusable> {
    let Some(text) = data.get(key).filter(|text| !text.is_empty()) else {
        return Ok(Vec::new());
    };
    serde_json::from_str(text).map_err(|error| Unusable::Malformed {
        key,
        why: error.to_string(),
    })
}

fn headers(
    data: &BTreeMap<String, String>,
    key: &'static str,
) -> Result<Vec<HeaderName>, Unusable> {
    let names = texts(data, key)?;
    let names = names.iter().map(|name| name.parse::<HeaderName>());
    names
        .collect::<Result<_, _>>()
        .map_err(|error| Unusable::Malformed {
            key,
            why: error.to_string(),
        })
}

#[cfg(test)]
mod tests;
