//! Certificates for the cluster, and for servers that a test has the cluster call.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};

use crate::error::{Result, at};

/// A certificate authority that lives in memory.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its private key, both PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The private key, PKCS#8.
    pub key: String,
}

impl Authority {
    /// A new one (ECDSA P-256).
    ///
    /// # Errors
    ///
    /// When no key can be made.
    pub fn new(common_name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(common_name, None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { issuer })
    }

    /// Its own certificate, PEM: what a `caBundle` holds.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// A server's certificate. Names that look like IP addresses become IP names.
    ///
    /// # Errors
    ///
    /// When a name is no DNS name.
    pub fn server(&self, names: &[&str]) -> Result<Issued> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let common_name = names.first().cloned().unwrap_or_default();
        let params = CertificateParams::new(names)?;
        self.issue(
            params,
            &common_name,
            None,
            ExtendedKeyUsagePurpose::ServerAuth,
        )
    }

    /// A client's certificate; Kubernetes reads the user from the common name, the group from the
    /// organization.
    ///
    /// # Errors
    ///
    /// When no key can be made.
    pub fn client(&self, user: &str, group: Option<&str>) -> Result<Issued> {
        let params = CertificateParams::default();
        self.issue(params, user, group, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        common_name: &str,
        organization: Option<&str>,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Issued> {
        params.distinguished_name = name(common_name, organization);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }

    /// Its certificate and key, to be given to something else that signs.
    pub(crate) fn pair(&self) -> Issued {
        Issued {
            certificate: self.issuer.pem(),
            key: self.issuer.key().serialize_pem(),
        }
    }
}

impl Issued {
    /// Writes `<name>.crt` and `<name>.key`.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn write(&self, directory: &Path, name: &str) -> Result<()> {
        write(directory, &format!("{name}.crt"), &self.certificate)?;
        write(directory, &format!("{name}.key"), &self.key)
    }
}

/// A key pair for signing service-account tokens: `<name>.key` and `<name>.pub`.
pub(crate) fn write_signing_key(directory: &Path, name: &str) -> Result<()> {
    let key = KeyPair::generate()?;
    write(directory, &format!("{name}.key"), &key.serialize_pem())?;
    write(directory, &format!("{name}.pub"), &key.public_key_pem())
}

/// Writes a file that others on this machine must not read.
pub(crate) fn write(directory: &Path, name: &str, contents: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = directory.join(name);
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(contents.as_bytes()))
        .map_err(at(path))
}

/// At most one organization: rcgen keeps one value per type.
fn name(common_name: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name.push(DnType::CommonName, common_name);
    name
}
