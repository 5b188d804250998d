//! Tokens of service accounts with claims of one's own: the API server makes none that lives for less than ten minutes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::KeyPair;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::control_plane::SERVICE_ACCOUNTS;
use crate::error::{Error, Result, at};

impl Cluster {
    /// Signs a token with these claims as the API server signs those that it makes. `None` for someone else's cluster.
    ///
    /// # Errors
    ///
    /// When the API server's key cannot be read.
    pub fn signed(&self, claims: &Value) -> Result<Option<String>> {
        let Some(directory) = self.directory() else {
            return Ok(None);
        };
        let file = directory.join(format!("{SERVICE_ACCOUNTS}.key"));
        let key = std::fs::read_to_string(&file).map_err(at(file))?;
        let key = KeyPair::from_pem(&key)?.serialize_der();
        let random = SystemRandom::new();
        let failed = |error: &dyn std::fmt::Display| Error::Command {
            what: "signing a token".to_owned(),
            detail: error.to_string(),
        };
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key, &random)
            .map_err(|error| failed(&error))?;
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&json!({"alg": "ES256"})), part(claims));
        let signature = key
            .sign(&random, text.as_bytes())
            .map_err(|error| failed(&error))?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Ok(Some(format!("{text}.{signature}")))
    }
}
