//! Targets and hosts: addresses, or names that a resolver knows.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// `host:port` to the addresses behind it.
pub(crate) async fn resolve(target: &str) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = target.parse() {
        return Ok(vec![address]);
    }
    let found = tokio::net::lookup_host(with_port(target)).await?;
    // Kong asks for A before AAAA and stays with what it got.
    let (v4, v6): (Vec<_>, Vec<_>) = found.partition(SocketAddr::is_ipv4);
    let mut addresses = if v4.is_empty() { v6 } else { v4 };
    addresses.dedup();
    Ok(addresses)
}

/// Kong's default port of a target is 8000.
fn with_port(target: &str) -> String {
    if target
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    {
        target.to_owned()
    } else {
        format!("{target}:8000")
    }
}

/// A target as Kong prints it: IPv6 at full length.
pub(crate) fn display(target: &str) -> String {
    match target.parse::<SocketAddr>() {
        Ok(address) => match address.ip() {
            IpAddr::V6(ip) => format!("[{}]:{}", long(ip), address.port()),
            IpAddr::V4(_) => address.to_string(),
        },
        Err(_) => with_port(target),
    }
}

/// Eight groups of four digits.
pub(crate) fn long(ip: Ipv6Addr) -> String {
    ip.segments()
        .map(|segment| format!("{segment:04x}"))
        .join(":")
}
