//! Answers `GET /v1/labels`.

use crate::metrics::{self, Reason};
use crate::push::stream::{self, LabelStream, Subscription};
use crate::push::tokens::{Refused, Tokens};
use crate::reviews::token::{Reviewer, bearer};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tagalong_runtime::Drain;
use tagalong_runtime::admin::{only, text};
use tagalong_runtime::log_rate::{LogRateLimiter, shortened};
use tagalong_runtime::serve::{ConnectionHandle, Peer};
use tagalong_wire::contract::DATAPLANE_QUERY;

/// How much of a stranger's words the log takes, in bytes.
const WORDS: usize = 512;

/// Answers are streams, or a line of text that says why not.
pub type PushResponse = Response<Either<LabelStream, Full<Bytes>>>;

/// Where tables come from.
pub trait TableSource: Send + Sync + 'static {
    /// The table of the DataPlane that the pod with this UID runs; none if it runs none, or is not known (yet).
    fn subscribe(&self, pod_uid: &str) -> Option<Subscription>;

    /// The table of this DataPlane, `NAMESPACE/NAME`; without a name that of the only one there is.
    fn subscribe_to(&self, dataplane: Option<&str>) -> Option<Subscription>;
}

/// Who may have which table.
pub enum Access<R> {
    /// Pods, by their tokens.
    Pods(Tokens<R>),
    /// Everybody: without a cluster there is nobody who could vouch for a pod, and so this is for
    /// loopback only. Which DataPlane's table is wanted says the query: `?dataplane=NAMESPACE/NAME`.
    Anybody,
}

/// The push server.
pub struct PushServer<T, R> {
    tables: T,
    access: Access<R>,
    drain: Drain,
    metrics: metrics::PushMetrics,
    /// Anybody can be refused as often as they like: the log tells of each reason now and then.
    told: LogRateLimiter<&'static str>,
}

impl<T: TableSource, R: Reviewer> PushServer<T, R> {
    /// Serves `tables`.
    pub fn new(
        tables: T,
        access: Access<R>,
        drain: Drain,
        metrics: metrics::PushMetrics,
    ) -> Arc<Self> {
        Arc::new(Self {
            tables,
            access,
            drain,
            metrics,
            told: LogRateLimiter::new(1),
        })
    }

    /// The answer to one request.
    pub async fn answer<B>(self: Arc<Self>, request: Request<B>) -> PushResponse {
        let connection = request.extensions().get::<ConnectionHandle>().cloned();
        let connection = connection.unwrap_or_default();
        let answer = self.respond(&request, &connection).await;
        if answer.status() != StatusCode::OK {
            connection.end_after_answers();
        }
        answer
    }

    async fn respond<B>(
        &self,
        request: &Request<B>,
        connection: &ConnectionHandle,
    ) -> PushResponse {
        if request.uri().path() != tagalong_wire::PATH {
            return refusal(StatusCode::NOT_FOUND, "labels are at /v1/labels\n");
        }
        if request.method() != Method::GET {
            return only("GET").map(Either::Right);
        }
        let (subscription, who) = match &self.access {
            Access::Anybody => {
                let query = request.uri().query().unwrap_or_default();
                let named = query
                    .split('&')
                    .filter_map(|pair| pair.split_once('='))
                    .find_map(|(name, value)| (name == DATAPLANE_QUERY).then_some(value));
                let who = named.unwrap_or("the only DataPlane").to_owned();
                (self.tables.subscribe_to(named), who)
            }
            Access::Pods(tokens) => match self.pod(tokens, request).await {
                Ok(uid) => (self.tables.subscribe(&uid), uid),
                Err(answer) => return answer,
            },
        };
        let Some(subscription) = subscription else {
            let why = format_args!("{who} is of no DataPlane that is known");
            self.refuse("unknown_pod", &why, request);
            return refusal(
                StatusCode::FORBIDDEN,
                "this pod is of no DataPlane that is known, or has not been seen yet: try again\n",
            );
        };
        let (lines, work) = stream::open(subscription, connection.clone(), self.drain.clone());
        let (metrics, drain) = (self.metrics.clone(), self.drain.clone());
        tokio::spawn(async move {
            metrics.streams.inc();
            let end = work.await;
            metrics.streams.dec();
            let reason = end.reason();
            metrics.ended.get_or_create(&Reason { reason }).inc();
            tracing::debug!(who, reason, "label stream ended");
            drop(drain);
        });
        let mut answer = Response::new(Either::Left(lines));
        answer.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static(tagalong_wire::CONTENT_TYPE),
        );
        answer
    }

    async fn pod<B>(
        &self,
        tokens: &Tokens<R>,
        request: &Request<B>,
    ) -> Result<String, PushResponse> {
        let Some(token) = bearer(request.headers()) else {
            self.refuse("no_token", &"without a bearer token", request);
            let mut answer = refusal(StatusCode::UNAUTHORIZED, "a bearer token is needed\n");
            let challenge = HeaderValue::from_static("Bearer");
            answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            return Err(answer);
        };
        let now = jiff::Timestamp::now().as_second();
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
        // Without a connection there is one peer.
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let (pod, asked) = tokens.pod(token, peer, now).await;
        if asked {
            self.metrics.reviews.inc();
        }
        pod.map(|pod| pod.uid).map_err(|refused| {
            let (status, reason) = match refused {
                Refused::Invalid(_) => (StatusCode::UNAUTHORIZED, "invalid_token"),
                Refused::NoPod => (StatusCode::FORBIDDEN, "no_pod"),
                Refused::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            };
            self.refuse(reason, &refused, request);
            refusal(status, format!("{refused}\n"))
        })
    }

    fn refuse<B>(&self, reason: &'static str, why: &dyn Display, request: &Request<B>) {
        self.metrics.refused.get_or_create(&Reason { reason }).inc();
        if let Some(suppressed) = self.told.due(reason) {
            let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
            let why = why.to_string();
            let why = shortened(&why, WORDS);
            tracing::info!(?peer, reason, why, suppressed, "refused labels");
        }
    }
}

fn refusal(status: StatusCode, why: impl Into<Bytes>) -> PushResponse {
    text(status, why).map(Either::Right)
}

#[cfg(test)]
mod tests;
