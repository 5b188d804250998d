//! The headers that Kong adds, and those that it does not forward.

use http::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::request::Parts;

use super::Client;
use crate::gateway::router::Match;

pub(super) const PROXY_LATENCY: HeaderName = HeaderName::from_static("x-kong-proxy-latency");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-kong-request-id");
pub(super) const RESPONSE_LATENCY: HeaderName = HeaderName::from_static("x-kong-response-latency");
pub(super) const UPSTREAM_LATENCY: HeaderName = HeaderName::from_static("x-kong-upstream-latency");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// `Via`, as Kong 3.9.1 writes it.
pub(super) const KONG_VIA: HeaderValue = HeaderValue::from_static("1.1 kong/3.9.1");

/// A count of milliseconds or bytes.
pub(super) fn number(value: u128) -> HeaderValue {
    HeaderValue::from(u64::try_from(value).unwrap_or(u64::MAX))
}

/// Takes out what belongs to one connection.
pub(super) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let always = [
        CONNECTION,
        EXPECT,
        KEEP_ALIVE,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        PROXY_CONNECTION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    for name in named.into_iter().chain(always) {
        headers.remove(name);
    }
}

/// A request's headers as the upstream gets them.
pub(super) fn to_upstream(
    head: &Parts,
    client: &Client,
    found: &Match,
    host: &str,
    target: &str,
    request_id: &str,
) -> HeaderMap {
    let mut headers = head.headers.clone();
    strip(&mut headers);
    let ip = client.address.ip().to_string();
    let forwarded_for = match headers
        .get(FORWARDED_FOR)
        .and_then(|value| value.to_str().ok())
    {
        Some(before) => format!("{before}, {ip}"),
        None => ip.clone(),
    };
    let path = head.uri.path();
    let prefix = if found.route.strip_path {
        path.get(..found.taken).unwrap_or_default()
    } else {
        ""
    };
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let upstream_host = if found.route.preserve_host {
        host
    } else {
        without_default_port(target)
    };
    let port = client.port.to_string();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(HOST, upstream_host);
    set(FORWARDED_FOR, &forwarded_for);
    set(
        HeaderName::from_static("x-forwarded-proto"),
        client.scheme(),
    );
    set(HeaderName::from_static("x-forwarded-host"), name);
    set(HeaderName::from_static("x-forwarded-port"), &port);
    set(HeaderName::from_static("x-forwarded-path"), path);
    if !prefix.is_empty() {
        set(HeaderName::from_static("x-forwarded-prefix"), prefix);
    }
    set(HeaderName::from_static("x-real-ip"), &ip);
    set(REQUEST_ID, request_id);
    headers.append(VIA, KONG_VIA);
    headers
}

fn without_default_port(target: &str) -> &str {
    target.strip_suffix(":80").unwrap_or(target)
}

/// The bytes of a head on the wire: its first line of `line` bytes, its headers, and the line feeds.
pub(super) fn size(line: usize, headers: &HeaderMap) -> u64 {
    let headers: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    (line + 2 + headers + 2) as u64
}
