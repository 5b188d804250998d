//! `KONG_*` variables, as far as a stand-in supports them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::config::plugins::BUNDLED;

/// One address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether to speak TLS there.
    pub tls: bool,
}

/// How a [`Gateway`](super::Gateway) is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `KONG_PROXY_LISTEN`.
    pub proxy: Vec<Listen>,
    /// `KONG_ADMIN_LISTEN`.
    pub admin: Vec<Listen>,
    /// `KONG_STATUS_LISTEN`.
    pub status: Vec<Listen>,
    /// `KONG_ADMIN_SSL_CERT` and `KONG_ADMIN_SSL_CERT_KEY`; without them a self-signed certificate.
    pub admin_certificate: Option<(PathBuf, PathBuf)>,
    /// `KONG_NGINX_ADMIN_SSL_CLIENT_CERTIFICATE`, if `KONG_NGINX_ADMIN_SSL_VERIFY_CLIENT` is on: the CAs of which a
    /// client must show a certificate.
    pub admin_client_ca: Option<PathBuf>,
    /// `KONG_PLUGINS`, with `bundled` spelled out.
    pub plugins: BTreeSet<String>,
    /// `KONG_NGINX_WORKER_PROCESSES`: how many workers the metrics show.
    pub workers: u32,
    /// `KONG_PREFIX`: where `kong quit` finds a running Kong. `None` for one that it shall not find.
    pub prefix: Option<PathBuf>,
}

impl Default for Settings {
    /// For tests: free ports of 127.0.0.1, of the proxy one plain and one with TLS, and no prefix.
    fn default() -> Self {
        let free = |tls| Listen {
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            tls,
        };
        Self {
            proxy: vec![free(false), free(true)],
            admin: vec![free(false)],
            status: vec![free(false)],
            admin_certificate: None,
            admin_client_ca: None,
            plugins: bundled(),
            workers: 2,
            prefix: None,
        }
    }
}

/// A variable that cannot be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}={value}: {reason}")]
pub struct BadSetting {
    variable: &'static str,
    value: String,
    reason: &'static str,
}

impl Settings {
    /// Reads what `variable` answers for each `KONG_*` name; what is absent is Kong 3.9.1's default.
    ///
    /// # Errors
    ///
    /// If a variable cannot be understood.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        let text = |name: &'static str, default: &str| {
            variable(name).unwrap_or_else(|| default.to_owned())
        };
        let listens = |name, default| {
            let value = text(name, default);
            listens(&value).map_err(|reason| BadSetting {
                variable: name,
                value: value.clone(),
                reason,
            })
        };
        let path = |name| {
            variable(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let verify = text("KONG_NGINX_ADMIN_SSL_VERIFY_CLIENT", "off") == "on";
        let mut plugins = BTreeSet::new();
        for name in text("KONG_PLUGINS", "bundled").split(',').map(str::trim) {
            match name {
                "bundled" => plugins.append(&mut bundled()),
                "" | "off" => (),
                name => {
                    plugins.insert(name.to_owned());
                }
            }
        }
        Ok(Self {
            proxy: listens("KONG_PROXY_LISTEN", "0.0.0.0:8000, 0.0.0.0:8443 ssl")?,
            admin: listens("KONG_ADMIN_LISTEN", "127.0.0.1:8001, 127.0.0.1:8444 ssl")?,
            status: listens("KONG_STATUS_LISTEN", "127.0.0.1:8007")?,
            admin_certificate: path("KONG_ADMIN_SSL_CERT").zip(path("KONG_ADMIN_SSL_CERT_KEY")),
            admin_client_ca: path("KONG_NGINX_ADMIN_SSL_CLIENT_CERTIFICATE").filter(|_| verify),
            plugins,
            // `auto` is one for each core, which says nothing about a stand-in.
            workers: text("KONG_NGINX_WORKER_PROCESSES", "auto")
                .parse()
                .unwrap_or(1),
            prefix: Some(path("KONG_PREFIX").unwrap_or_else(|| PathBuf::from("/usr/local/kong"))),
        })
    }
}

fn bundled() -> BTreeSet<String> {
    BUNDLED.iter().map(|name| (*name).to_owned()).collect()
}

/// `0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl`, or `off`.
fn listens(value: &str) -> Result<Vec<Listen>, &'static str> {
    if value.trim() == "off" {
        return Ok(Vec::new());
    }
    let one = |part: &str| {
        let mut words = part.split_whitespace();
        let address = words
            .next()
            .ok_or("an empty address; write address:port, or off")?;
        let address = address
            .parse()
            .map_err(|_| "not address:port with an IP address")?;
        Ok(Listen {
            address,
            tls: words.any(|word| word == "ssl"),
        })
    };
    value.split(',').map(one).collect()
}

#[cfg(test)]
mod tests;
