//! What a token says of itself, read before anybody has vouched for it: enough to refuse what cannot be a sidecar's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tagalong_wire::contract::AUDIENCE;

/// The claims that are looked at (RFC 7519; `pkg/serviceaccount/claims.go` of Kubernetes for the private ones).
#[derive(Debug, Deserialize)]
pub struct TokenClaims {
    /// When it expires, in seconds since 1970.
    #[serde(default)]
    pub exp: Option<i64>,
    #[serde(default)]
    aud: Audiences,
    #[serde(default, rename = "kubernetes.io")]
    kubernetes: Kubernetes,
}

/// One, or several (RFC 7519 §4.1.3).
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Several(Vec<String>),
}

impl Default for Audiences {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

#[derive(Debug, Default, Deserialize)]
struct Kubernetes {
    #[serde(default)]
    pod: Option<IgnoredAny>,
}

impl TokenClaims {
    /// Reads the payload of a JSON Web Token; `None` if it is not one. The signature is not looked at.
    #[must_use]
    pub fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        serde_json::from_slice(&payload).ok()
    }

    /// Whether it claims to be for our audience.
    #[must_use]
    pub fn is_for_us(&self) -> bool {
        match &self.aud {
            Audiences::One(audience) => audience == AUDIENCE,
            Audiences::Several(audiences) => audiences.iter().any(|audience| audience == AUDIENCE),
        }
    }

    /// Whether it claims to be bound to a pod.
    #[must_use]
    pub const fn is_of_a_pod(&self) -> bool {
        self.kubernetes.pod.is_some()
    }
}

#[cfg(test)]
mod tests;
