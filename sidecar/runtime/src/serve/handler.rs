//! The trait of what answers requests.

use super::protocol::BoxError;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use std::future::Future;

/// Answers requests. Whose answers do not end by themselves must watch the drain, too.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The body of an answer.
    type Body: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static;

    /// The answer to one request, which has [`Peer`](super::Peer) and [`ConnectionHandle`](super::ConnectionHandle) among its extensions.
    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static;
}

impl<H, F, B> Handler for H
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Body = B;

    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<B>> + Send + 'static {
        self(request)
    }
}
