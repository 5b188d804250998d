//! The few URLs the sidecar is told: `http` or `https`, a host, and a path.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;
use http::uri::PathAndQuery;
use thiserror::Error;

/// Where to ask, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether to speak TLS.
    pub tls: bool,
    /// The host, an IPv6 address without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query.
    pub path: PathAndQuery,
    authority: String,
}

/// Why a text is no [`Url`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct UrlError(&'static str);

impl Url {
    /// Host and port as the `Host` header has them.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether the host is this machine by its very name or address. Nothing is looked up.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self
                .host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let uri: Uri = text.parse().map_err(|_| UrlError("not a URL"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(UrlError("the URL must begin with http:// or https://")),
        };
        let authority = uri
            .authority()
            .filter(|authority| !authority.host().is_empty())
            .ok_or(UrlError("the URL names no host"))?;
        if authority.as_str().contains('@') {
            return Err(UrlError("the URL must not hold a user or password"));
        }
        // The `http` crate drops fragments silently.
        if text.contains('#') {
            return Err(UrlError("the URL must not have a fragment"));
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            // `host:` and `host:99999` have no port that could be read, but a colon.
            None if authority.as_str() != authority.host() => {
                return Err(UrlError("the URL's port is not a number from 1 to 65535"));
            }
            None if tls => 443,
            None => 80,
        };
        if port == 0 {
            return Err(UrlError("the URL's port is not a number from 1 to 65535"));
        }
        let host = authority.host();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            path: uri
                .path_and_query()
                .cloned()
                .unwrap_or_else(|| PathAndQuery::from_static("/")),
            authority: authority.to_string(),
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests;
