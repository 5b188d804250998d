//! The certificate authority as a value: makes, signs and rotates, and does no I/O.
//!
//! ```text
//!   current ───────────────▶ 2/3 of its life: a next one is made, and trusted beside it
//!   current, next ─────────▶ an overlap later, when all have read the new bundle: next signs
//!   previous, current ─────▶ another overlap later, when all leaves are signed anew: previous goes
//! ```

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use time::OffsetDateTime;

/// Clocks of other machines may be behind by this much, in seconds.
const SKEW: i64 = 300;

/// How long things last.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Of the authority's own certificates.
    pub authority: Duration,
    /// Of what it signs.
    pub leaf: Duration,
    /// How long everybody has to read a new bundle before it is needed.
    pub overlap: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self {
            authority: 730 * day,
            leaf: 90 * day,
            overlap: day,
        }
    }
}

/// A failure of the cryptography itself.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Keys or certificates could not be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// A time outside of what certificates can say.
    #[error("the clock is outside the range of a certificate's dates: {0}")]
    Clock(#[from] time::error::ComponentRange),
}

/// One certificate of the authority, and its key. Times are seconds since 1970.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Signer {
    name: String,
    certificate: String,
    key: String,
    made: i64,
    expires: i64,
}

/// What is kept in the Secret.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Authority {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Signer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<Signer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<Signer>,
    /// When `current` began to sign.
    #[serde(default)]
    since: i64,
}

/// A certificate for servers, with its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// Who signed it.
    pub issuer: String,
    /// When to renew it: two thirds of its life, in seconds since 1970.
    pub renew: i64,
}

impl Authority {
    /// Does what is due at `now`. `true`: something changed and must be kept.
    ///
    /// # Errors
    ///
    /// When no certificate can be made.
    pub fn tick(&mut self, now: i64, lifetimes: &Lifetimes) -> Result<bool, AuthorityError> {
        let before = self.clone();
        let usable = |signer: &Signer| now < signer.expires && signer.issuer().is_ok();
        self.previous = self.previous.take().filter(usable);
        self.next = self.next.take().filter(usable);
        self.current = self.current.take().filter(usable);
        let overlap = seconds(lifetimes.overlap);
        match (&self.current, &self.next) {
            (None, next) => {
                let signer = match next {
                    Some(next) => next.clone(),
                    None => Signer::make(now, lifetimes)?,
                };
                (self.current, self.next, self.since) = (Some(signer), None, now);
            }
            (Some(current), None) if now >= renew(current.made, current.expires) => {
                self.next = Some(Signer::make(now, lifetimes)?);
            }
            (Some(_), Some(next)) if now >= next.made + overlap => {
                self.previous = self.current.take();
                (self.current, self.since) = (self.next.take(), now);
            }
            _ => {}
        }
        if self.previous.is_some() && now >= self.since + overlap {
            self.previous = None;
        }
        Ok(*self != before)
    }

    /// What everybody is to trust: PEM, oldest first.
    #[must_use]
    pub fn bundle(&self) -> String {
        let signers = [&self.previous, &self.current, &self.next];
        let certificates = signers.into_iter().flatten();
        certificates
            .map(|signer| signer.certificate.as_str())
            .collect()
    }

    /// Who signs now.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        Some(&self.current.as_ref()?.name)
    }

    /// Signs a certificate for a server with these DNS names or addresses; none before the first tick.
    ///
    /// # Errors
    ///
    /// When a name is no name, or no certificate can be made.
    pub fn sign(
        &self,
        names: &[String],
        now: i64,
        lifetimes: &Lifetimes,
    ) -> Result<Option<Leaf>, AuthorityError> {
        let Some(signer) = &self.current else {
            return Ok(None);
        };
        let expires = (now + seconds(lifetimes.leaf)).min(signer.expires);
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = name(names.first().map_or("tagalong", String::as_str));
        params.not_before = at(now - SKEW)?;
        params.not_after = at(expires)?;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &signer.issuer()?)?;
        Ok(Some(Leaf {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            issuer: signer.name.clone(),
            renew: renew(now, expires),
        }))
    }
}

impl Signer {
    fn make(now: i64, lifetimes: &Lifetimes) -> Result<Self, AuthorityError> {
        let expires = now + seconds(lifetimes.authority);
        let mut signer = Self {
            name: format!("tagalong CA {now}"),
            certificate: String::new(),
            key: String::new(),
            made: now,
            expires,
        };
        let key = KeyPair::generate()?;
        signer.certificate = signer.params()?.self_signed(&key)?.pem();
        signer.key = key.serialize_pem();
        Ok(signer)
    }

    fn params(&self) -> Result<CertificateParams, AuthorityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(&self.name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = at(self.made - SKEW)?;
        params.not_after = at(self.expires)?;
        Ok(params)
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, AuthorityError> {
        Ok(Issuer::new(self.params()?, KeyPair::from_pem(&self.key)?))
    }
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    // The upper bound of X.520, which some clients check.
    name.push(
        DnType::CommonName,
        common.chars().take(64).collect::<String>(),
    );
    name
}

fn at(seconds: i64) -> Result<OffsetDateTime, time::error::ComponentRange> {
    OffsetDateTime::from_unix_timestamp(seconds)
}

fn renew(from: i64, until: i64) -> i64 {
    from + (until - from) / 3 * 2
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests;
