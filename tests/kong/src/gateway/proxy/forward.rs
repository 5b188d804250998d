//! Tries: one target after the other, until one responds or none is left.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::answer::Own;
use super::exchange::Exchange;
use super::pool::{ConnectError, Lease};
use super::{Client, headers};
use crate::gateway::address;
use crate::gateway::config::Service;
use crate::gateway::router::{Match, upstream_path};
use crate::gateway::state::Active;
use crate::http::{Body, BodyError, full};

/// A request that a service shall answer.
pub(super) struct Job<'a> {
    pub(super) head: Parts,
    pub(super) body: Incoming,
    pub(super) found: &'a Match,
    pub(super) service: &'a Service,
    pub(super) active: &'a Active,
    pub(super) client: &'a Client,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    NoPeer,
    Name,
    Broken,
    Timeout,
}

impl Failure {
    fn own(self) -> Own {
        let (status, message, by_nginx) = match self {
            Self::NoPeer => (
                StatusCode::SERVICE_UNAVAILABLE,
                "failure to get a peer from the ring-balancer",
                false,
            ),
            Self::Name => (
                StatusCode::SERVICE_UNAVAILABLE,
                "name resolution failed",
                false,
            ),
            Self::Broken => (
                StatusCode::BAD_GATEWAY,
                "An invalid response was received from the upstream server",
                true,
            ),
            Self::Timeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "The upstream server is timing out",
                true,
            ),
        };
        let mut own = Own::new(status, message);
        own.by_nginx = by_nginx;
        own
    }
}

/// Asks targets until one answers.
pub(super) async fn forward(mut exchange: Exchange, job: Job<'_>) -> Response<Body> {
    let Job {
        head,
        body,
        found,
        service,
        active,
        client,
    } = job;
    let host = super::host(&head).to_owned();
    let path = path(&head, found, service);
    // As Nginx: what may have side effects is not sent twice.
    let repeatable = body.is_end_stream() && ![Method::POST, Method::PATCH].contains(&head.method);
    let mut payload = Payload {
        body: Some(body).filter(|body| !body.is_end_stream()),
        repeatable,
    };
    let balancer = active.balancers.get(&service.host);
    let direct = format!("{}:{}", service.host, service.port);
    let mut tried: Vec<String> = Vec::new();
    let mut failure = Failure::NoPeer;

    if service.protocol != "http" {
        exchange
            .state
            .unexpected
            .record("service protocol that is not proxied", &service.protocol);
    }
    for _ in 0..=service.retries {
        let target = match balancer {
            Some(balancer) => balancer.next(&tried),
            None => Some(direct.as_str()),
        };
        let Some(target) = target else { break };
        tried.push(target.to_owned());
        let Some(address) = resolve(target, tried.len()).await else {
            failure = Failure::Name;
            continue;
        };
        exchange.try_begins();
        let headers =
            headers::to_upstream(&head, client, found, &host, target, &exchange.request_id);
        let attempt = Try {
            method: &head.method,
            path: &path,
            headers: &headers,
            address,
            service,
        };
        match attempt.run(&exchange, &mut payload).await {
            Ok((response, lease)) => return exchange.proxied(response, lease),
            Err((why, again)) => {
                exchange.try_failed();
                failure = why;
                if !again {
                    break;
                }
            }
        }
    }
    exchange.own(&head, failure.own())
}

/// Path and query as the upstream sees them.
fn path(head: &Parts, found: &Match, service: &Service) -> String {
    let taken = found.route.strip_path.then_some(found.taken);
    let path = upstream_path(service.path.as_deref(), head.uri.path(), taken);
    match head.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    }
}

/// One of the addresses behind a target; the next one at each try.
async fn resolve(target: &str, number: usize) -> Option<SocketAddr> {
    let addresses = address::resolve(target).await.ok()?;
    addresses
        .get((number - 1) % addresses.len().max(1))
        .copied()
}

/// A request's body, which can be sent once.
struct Payload {
    body: Option<Incoming>,
    repeatable: bool,
}

struct Try<'a> {
    method: &'a Method,
    path: &'a str,
    headers: &'a HeaderMap,
    address: SocketAddr,
    service: &'a Service,
}

impl Try<'_> {
    /// The answer, or why there is none and whether another target may be asked.
    async fn run(
        &self,
        exchange: &Exchange,
        payload: &mut Payload,
    ) -> Result<(Response<Body>, Lease), (Failure, bool)> {
        loop {
            let mut lease = self
                .lease(exchange, payload)
                .await
                .map_err(|error| match error {
                    ConnectError::Refused => (Failure::Broken, true),
                    ConnectError::Timeout => (Failure::Timeout, true),
                })?;
            let request = self
                .request(exchange, payload)
                .ok_or((Failure::Broken, false))?;
            match self.send(&mut lease, request, exchange).await {
                Ok(response) => {
                    let response = response.map(|body| body.map_err(BodyError::new).boxed_unsync());
                    return Ok((response, lease));
                }
                // The upstream closed it while it was idle: no fault of the target's.
                Err(Failure::Broken) if lease.reused && payload.repeatable => (),
                Err(failure) => return Err((failure, payload.repeatable)),
            }
        }
    }

    async fn lease(&self, exchange: &Exchange, payload: &Payload) -> Result<Lease, ConnectError> {
        // What cannot be sent twice is not entrusted to a connection that may be about to close.
        if payload.repeatable
            && let Some(lease) = exchange.state.pool.take(self.address).await
        {
            return Ok(lease);
        }
        Lease::connect(
            self.address,
            Duration::from_millis(self.service.connect_timeout),
        )
        .await
    }

    fn request(&self, exchange: &Exchange, payload: &mut Payload) -> Option<Request<Body>> {
        let body = match payload.body.take() {
            None => full(Bytes::new()),
            Some(body) => {
                let sent = Arc::clone(&exchange.sent);
                body.map_frame(move |frame| {
                    sent.fetch_add(frame.data_ref().map_or(0, Bytes::len) as u64, Relaxed);
                    frame
                })
                .map_err(BodyError::new)
                .boxed_unsync()
            }
        };
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .body(body)
            .ok()?;
        request.headers_mut().clone_from(self.headers);
        Some(request)
    }

    /// Sends, and waits for the answer's head; `read_timeout` begins anew with each piece of the request's body.
    async fn send(
        &self,
        lease: &mut Lease,
        request: Request<Body>,
        exchange: &Exchange,
    ) -> Result<Response<Incoming>, Failure> {
        let limit = Duration::from_millis(self.service.read_timeout);
        let mut answer = std::pin::pin!(lease.sender.send_request(request));
        loop {
            let before = exchange.sent.load(Relaxed);
            match timeout(limit, &mut answer).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => {
                    tracing::debug!(address = %self.address, %error, "no answer");
                    return Err(Failure::Broken);
                }
                Err(_) if exchange.sent.load(Relaxed) != before => (),
                Err(_) => return Err(Failure::Timeout),
            }
        }
    }
}
