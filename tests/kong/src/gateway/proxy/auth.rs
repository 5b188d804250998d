//! `key-auth`, as far as a consumer's name in the metrics needs it.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

use super::answer::Own;
use super::exchange::Exchange;
use crate::gateway::config::Consumer;
use crate::gateway::state::Active;

/// Who asks: nobody where no `key-auth` applies; else the key's owner, the anonymous consumer, or a refusal.
pub(super) fn consumer(
    active: &Active,
    exchange: &Exchange,
    head: &Parts,
) -> Result<Option<Arc<Consumer>>, Box<Own>> {
    let Some(plugin) = active.plugins.find("key-auth", exchange.scope()) else {
        return Ok(None);
    };
    let names = plugin.config.get("key_names").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    let key = names
        .into_iter()
        .find_map(|name| in_header(head, name).or_else(|| in_query(head, name)));
    if let Some(found) = key.and_then(|key| active.config.consumer_by_key(key)) {
        return Ok(Some(found.clone()));
    }
    let anonymous = plugin.config.get("anonymous").and_then(Value::as_str);
    if let Some(anonymous) = anonymous.and_then(|name| active.config.consumer(name)) {
        return Ok(Some(anonymous.clone()));
    }
    let message = if key.is_some() {
        "Unauthorized"
    } else {
        "No API key found in request"
    };
    let challenge = HeaderValue::from_static("Key");
    Err(Box::new(
        Own::new(StatusCode::UNAUTHORIZED, message).header(header::WWW_AUTHENTICATE, challenge),
    ))
}

fn in_header<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name)?.to_str().ok()
}

fn in_query<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.uri
        .query()?
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}
