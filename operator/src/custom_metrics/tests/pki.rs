//! Certificate authorities of API servers, and what strangers make of theirs.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::BTreeMap;
use time::{Duration, OffsetDateTime};

/// Signs certificates of clients.
pub struct Signer {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A client's certificate and key.
pub struct Shown {
    pub certificate: CertificateDer<'static>,
    pub key: PrivateKeyDer<'static>,
}

/// What may differ.
pub struct Form<'a> {
    pub names: &'a [&'a str],
    pub usage: ExtendedKeyUsagePurpose,
    /// How long ago it expired.
    pub expired: Option<Duration>,
}

impl Default for Form<'_> {
    fn default() -> Self {
        Self {
            names: &["front-proxy-client"],
            usage: ExtendedKeyUsagePurpose::ClientAuth,
            expired: None,
        }
    }
}

impl Signer {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    pub fn sign(&self, form: &Form<'_>) -> Shown {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        // One of each type is all that rcgen has: a second common name has its number instead.
        let kinds = [DnType::CommonName, DnType::CustomDnType(vec![2, 5, 4, 3])];
        for (kind, name) in kinds.into_iter().zip(form.names) {
            params.distinguished_name.push(kind, *name);
        }
        params.extended_key_usages = vec![form.usage.clone()];
        let now = OffsetDateTime::now_utc();
        params.not_before = now - Duration::days(2);
        params.not_after = now + form.expired.map_or(Duration::days(1), |ago| -ago);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Shown {
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        }
    }
}

/// The ConfigMap `extension-apiserver-authentication`, as of Kubernetes 1.36.
pub fn config_map(ca: &str) -> BTreeMap<String, String> {
    [
        ("client-ca-file", "not looked at"),
        ("requestheader-client-ca-file", ca),
        ("requestheader-allowed-names", r#"["front-proxy-client"]"#),
        ("requestheader-username-headers", r#"["X-Remote-User"]"#),
        ("requestheader-group-headers", r#"["X-Remote-Group"]"#),
        (
            "requestheader-extra-headers-prefix",
            r#"["X-Remote-Extra-"]"#,
        ),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}
