//! The proxy: from a client's request to its response.

mod answer;
mod auth;
mod exchange;
mod forward;
mod headers;
mod pool;

use std::net::SocketAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::config::{Plugin, Route};
use super::plugin::Scope;
use super::router::Subject;
use super::state::State;
use crate::http::Body;
use answer::Own;
use exchange::Exchange;
pub(crate) use pool::Pool;

/// What is known of a client's connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) sni: Option<String>,
}

impl Client {
    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

/// Answers one request. Whatever happens, it is counted once, if a route took it.
pub(super) async fn answer(
    request: Request<Incoming>,
    client: Arc<Client>,
    state: Arc<State>,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let active = state.active();
    let mut exchange = Exchange::begin(state, active.clone(), &head, client.tls);
    let host = host(&head);
    let subject = Subject {
        https: client.tls,
        sni: client.sni.as_deref(),
        method: head.method.as_str(),
        host,
        path: head.uri.path(),
        headers: &head.headers,
    };
    let Some(found) = active.router.find(&subject) else {
        return exchange.own(
            &head,
            Own::new(StatusCode::NOT_FOUND, "no Route matched with those values"),
        );
    };
    let service = found
        .route
        .service
        .as_ref()
        .and_then(|service| active.config.services.get(&service.id));
    exchange.matched(found.route.clone(), service.cloned());

    if !client.tls
        && !found
            .route
            .protocols
            .iter()
            .any(|protocol| protocol == "http" || protocol == "grpc")
    {
        return exchange.own(&head, to_https(&found.route, host, &head));
    }
    match auth::consumer(&active, &exchange, &head) {
        Ok(consumer) => exchange.consumer = consumer,
        Err(refusal) => return exchange.own(&head, *refusal),
    }
    if let Some(plugin) = active.plugins.find("request-termination", exchange.scope()) {
        return exchange.own(&head, termination(plugin));
    }
    let Some(service) = service.filter(|service| service.enabled) else {
        let own = Own::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no Service found with those values",
        );
        return exchange.own(&head, own);
    };
    forward::forward(
        exchange,
        forward::Job {
            head,
            body,
            found: &found,
            service,
            active: &active,
            client: &client,
        },
    )
    .await
}

/// The `Host` header, or the authority of an absolute URI.
fn host(head: &Parts) -> &str {
    let header = head
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    header
        .or_else(|| head.uri.authority().map(http::uri::Authority::as_str))
        .unwrap_or_default()
}

/// What a route for HTTPS alone answers to HTTP.
fn to_https(route: &Route, host: &str, head: &Parts) -> Own {
    let status = StatusCode::from_u16(route.https_redirect_status_code)
        .unwrap_or(StatusCode::UPGRADE_REQUIRED);
    if status == StatusCode::UPGRADE_REQUIRED {
        let upgrade = HeaderValue::from_static("TLS/1.2, HTTP/1.1");
        return Own::new(status, "Please use HTTPS protocol").header(header::UPGRADE, upgrade);
    }
    let name = host.split(':').next().unwrap_or(host);
    let location = format!(
        "https://{name}{}",
        head.uri.path_and_query().map_or("/", |path| path.as_str())
    );
    let own = Own::new(status, "");
    match HeaderValue::from_str(&location) {
        Ok(location) => own.header(header::LOCATION, location),
        Err(_) => own,
    }
}

/// `request-termination`, which Kong Ingress Controller uses where a rule has no backend.
fn termination(plugin: &Plugin) -> Own {
    let text = |field: &str| plugin.config.get(field).and_then(serde_json::Value::as_str);
    let code = plugin
        .config
        .get("status_code")
        .and_then(serde_json::Value::as_u64)
        .and_then(|code| u16::try_from(code).ok());
    let status = code
        .and_then(|code| StatusCode::from_u16(code).ok())
        .unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let own = Own::new(status, text("message").unwrap_or("Service unavailable"));
    match text("body") {
        Some(body) => own.body(
            body,
            text("content_type").unwrap_or("application/json; charset=utf-8"),
        ),
        None => own,
    }
}

impl Exchange {
    /// What plugins go by.
    fn scope(&self) -> Scope<'_> {
        Scope {
            route: self.route.as_ref().map(|route| route.id.as_str()),
            service: self.service.as_ref().map(|service| service.id.as_str()),
            consumer: self.consumer.as_ref().map(|consumer| consumer.id.as_str()),
            https: self.https,
        }
    }
}
