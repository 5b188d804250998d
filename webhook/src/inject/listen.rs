//! Kong's `*_listen` settings: where its status listener can be read from within the pod, and which ports are taken.
//!
//! The grammar is that of `kong/conf_loader/listeners.lua` in Kong: `off`, or entries `address:port [flag …]`
//! between commas.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde_json::Value;

use super::kind::Kind;
use super::pod::{env, has_env_from, name};
use super::refusal::Refusal;

/// Where the sidecar finds Kong's metrics.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// URL of `/metrics`, as seen from within the pod.
    pub(super) url: String,
    /// Whether Kong listens on the IPv6 wildcard, hence whether the pod has IPv6. A socket on `[::]` takes IPv4
    /// too.
    pub(super) ipv6: bool,
}

/// Reads `KONG_STATUS_LISTEN` of the container that runs Kong.
pub(super) fn status(kind: Kind, proxy: &Value) -> Result<Status, Refusal> {
    // The kubelet lets the last of several entries of one name win.
    let entry = env(proxy)
        .rev()
        .find(|entry| name(entry) == "KONG_STATUS_LISTEN");
    let value = match entry {
        Some(entry) if entry.get("valueFrom").is_some_and(|from| !from.is_null()) => {
            return Err(Refusal::StatusElsewhere);
        }
        Some(entry) => entry
            .get("value")
            .and_then(Value::as_str)
            .unwrap_or_default(),
        None => kind
            .default_status_listen()
            .ok_or_else(|| match has_env_from(proxy) {
                true => Refusal::EnvFrom(name(proxy).to_owned()),
                false => Refusal::StatusUnset(name(proxy).to_owned()),
            })?,
    };
    if is_off(value) {
        return Err(Refusal::StatusOff);
    }
    let listeners = || value.split(',').filter_map(Listener::parse);
    let ipv6 = listeners().any(|listener| listener.address == IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let best = listeners()
        .filter_map(|listener| Some((listener.rank()?, listener)))
        .min_by_key(|(rank, _)| *rank);
    match best {
        Some((_, listener)) => Ok(Status {
            url: listener.url(),
            ipv6,
        }),
        None => Err(Refusal::StatusUnusable(shortened(value))),
    }
}

/// The ports in the value of a `KONG_*_LISTEN` variable.
pub(super) fn listen_ports(value: &str) -> impl Iterator<Item = u16> {
    let entries = if is_off(value) { "" } else { value };
    entries.split(',').filter_map(|entry| {
        let mut words = entry.split_whitespace();
        let (_, port) = words.next()?.rsplit_once(':')?;
        // A UDP listener and ours do not meet.
        if words.any(|flag| flag == "udp") {
            None
        } else {
            port.parse().ok()
        }
    })
}

fn is_off(value: &str) -> bool {
    value
        .split(',')
        .next()
        .is_some_and(|first| first.trim() == "off")
}

fn shortened(value: &str) -> String {
    value.chars().take(60).collect()
}

struct Listener {
    address: IpAddr,
    port: u16,
    tls: bool,
    http2: bool,
    proxy_protocol: bool,
}

impl Listener {
    fn parse(entry: &str) -> Option<Self> {
        let mut words = entry.split_whitespace();
        let (host, port) = words.next()?.rsplit_once(':')?;
        let address = match host {
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            host => match host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'))
            {
                Some(host) => IpAddr::V6(host.parse().ok()?),
                None => IpAddr::V4(host.parse().ok()?),
            },
        };
        let mut listener = Self {
            address,
            port: port.parse().ok().filter(|port| *port != 0)?,
            tls: false,
            http2: false,
            proxy_protocol: false,
        };
        for flag in words {
            match flag {
                "ssl" => listener.tls = true,
                "http2" => listener.http2 = true,
                "proxy_protocol" => listener.proxy_protocol = true,
                _ => {}
            }
        }
        Some(listener)
    }

    /// How well the sidecar can read it, the least first. Plain HTTP costs Kong least. Without TLS, `http2` makes an
    /// Nginx before 1.25.1 speak nothing but HTTP/2. `proxy_protocol` wants a preamble that no HTTP client sends. And
    /// Kong's certificate is its own, which the sidecar takes on loopback only.
    fn rank(&self) -> Option<u8> {
        match (self.proxy_protocol, self.tls, self.http2) {
            (true, _, _) => None,
            (false, true, _) => self.reached().is_loopback().then_some(1),
            (false, false, false) => Some(0),
            (false, false, true) => Some(2),
        }
    }

    /// The address by which the pod's own containers reach it.
    fn reached(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            address => address,
        }
    }

    fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let address = SocketAddr::new(self.reached(), self.port);
        format!("{scheme}://{address}/metrics")
    }
}

#[cfg(test)]
mod tests;
