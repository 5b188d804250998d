//! One request and its response, from the first byte to the last; counted when it is over, however it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::answer::Own;
use super::headers;
use super::pool::Lease;
use crate::gateway::config::{Consumer, Route, Service};
use crate::gateway::id;
use crate::gateway::metrics::{Flags, Observation};
use crate::gateway::state::{Active, State};
use crate::http::{Body, BodyError};

/// What Nginx logs for a client that left before there was an answer.
const CLIENT_LEFT: u16 = 499;

/// `Date: …`, which hyper adds where it is missing.
const DATE_LINE: u64 = 37;

pub(super) struct Exchange {
    pub(super) state: Arc<State>,
    active: Arc<Active>,
    pub(super) https: bool,
    pub(super) request_id: String,
    pub(super) route: Option<Arc<Route>>,
    pub(super) service: Option<Arc<Service>>,
    pub(super) consumer: Option<Arc<Consumer>>,
    /// Bytes of the request's body, as they pass.
    pub(super) sent: Arc<AtomicU64>,
    start: Instant,
    last_try: Option<Instant>,
    upstream: Option<Duration>,
    code: u16,
    from_service: bool,
    ingress_head: u64,
    egress: u64,
}

impl Exchange {
    pub(super) fn begin(state: Arc<State>, active: Arc<Active>, head: &Parts, https: bool) -> Self {
        state.server.requests.fetch_add(1, Relaxed);
        state.server.in_flight.fetch_add(1, Relaxed);
        let uri = head
            .uri
            .path_and_query()
            .map_or(1, |path| path.as_str().len());
        let line = head.method.as_str().len() + 1 + uri + " HTTP/1.1".len();
        Self {
            state,
            active,
            https,
            request_id: id::fresh().replace('-', ""),
            route: None,
            service: None,
            consumer: None,
            sent: Arc::default(),
            start: Instant::now(),
            last_try: None,
            upstream: None,
            code: CLIENT_LEFT,
            from_service: false,
            ingress_head: headers::size(line, &head.headers),
            egress: 0,
        }
    }

    /// A route took it; from here on it counts.
    pub(super) fn matched(&mut self, route: Arc<Route>, service: Option<Arc<Service>>) {
        self.route = Some(route);
        self.service = service;
    }

    /// A try begins: Kong's own latency ends here, and the upstream's begins.
    pub(super) fn try_begins(&mut self) {
        self.last_try = Some(Instant::now());
    }

    /// The last try failed.
    pub(super) fn try_failed(&mut self) {
        self.upstream = self.last_try.map(|begin| begin.elapsed());
    }

    /// Kong itself answers.
    pub(super) fn own(mut self, head: &Parts, own: Own) -> Response<Body> {
        let mut response = own.response(head, &self.request_id, self.start.elapsed().as_millis());
        self.finish_head(&mut response);
        response.map(|body| {
            Tracked {
                inner: body,
                exchange: self,
                lease: None,
                ended: false,
            }
            .boxed_unsync()
        })
    }

    /// The upstream answers.
    pub(super) fn proxied(mut self, mut response: Response<Body>, lease: Lease) -> Response<Body> {
        self.from_service = true;
        let upstream = self
            .last_try
            .map(|begin| begin.elapsed())
            .unwrap_or_default();
        self.upstream = Some(upstream);
        let kong = self.kong_latency();
        headers::strip(response.headers_mut());
        let headers = response.headers_mut();
        headers.insert(
            headers::UPSTREAM_LATENCY,
            headers::number(upstream.as_millis()),
        );
        headers.insert(headers::PROXY_LATENCY, headers::number(kong.as_millis()));
        headers.append(header::VIA, headers::KONG_VIA);
        self.finish_head(&mut response);
        response.map(|body| {
            Tracked {
                inner: body,
                exchange: self,
                lease: Some(lease),
                ended: false,
            }
            .boxed_unsync()
        })
    }

    fn finish_head(&mut self, response: &mut Response<Body>) {
        self.code = response.status().as_u16();
        if let Ok(id) = self.request_id.parse() {
            response.headers_mut().insert(headers::REQUEST_ID, id);
        }
        self.egress = response_head(response.status(), response.headers());
    }

    fn kong_latency(&self) -> Duration {
        self.last_try
            .map_or_else(|| self.start.elapsed(), |begin| begin - self.start)
    }
}

fn response_head(status: StatusCode, headers: &HeaderMap) -> u64 {
    let line = "HTTP/1.1 200 ".len() + status.canonical_reason().unwrap_or_default().len();
    let date = if headers.contains_key(header::DATE) {
        0
    } else {
        DATE_LINE
    };
    headers::size(line, headers) + date
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.state.server.in_flight.fetch_sub(1, Relaxed);
        let Some(route) = &self.route else { return };
        let Some(plugin) = self.active.plugins.find("prometheus", self.scope()) else {
            return;
        };
        let consumer = self
            .consumer
            .as_ref()
            .and_then(|consumer| consumer.username.as_deref());
        self.state.metrics.observe(
            Flags::of(plugin),
            &Observation {
                service: self.service.as_ref().map_or("", |service| service.label()),
                route: route.label(),
                consumer: consumer.unwrap_or_default(),
                code: self.code,
                from_service: self.from_service,
                ingress: self.ingress_head + self.sent.load(Relaxed),
                egress: self.egress,
                request: self.start.elapsed(),
                kong: self.kong_latency(),
                upstream: self.upstream,
            },
        );
    }
}

/// An answer's body on its way to the client.
struct Tracked {
    inner: Body,
    exchange: Exchange,
    lease: Option<Lease>,
    ended: bool,
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.exchange.egress += bytes as u64;
                self.ended = self.inner.is_end_stream();
            }
            Some(Err(_)) => (),
            None => self.ended = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // A connection with half a body on it is of no further use.
        if let Some(lease) = self.lease.take()
            && (self.ended || self.inner.is_end_stream())
        {
            lease.give_back(&self.exchange.state.pool);
        }
    }
}
