//! Which HTTP a server speaks. It is a type, so that a program that needs no HTTP/2 server carries none.

use super::limits::Limits;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite};

/// What may wait, unread, of one HTTP/2 request, in bytes. hyper's own default is a megabyte.
const STREAM_WINDOW: u32 = 64 << 10;
/// The same of all requests of a connection.
const CONNECTION_WINDOW: u32 = 128 << 10;

/// What can go wrong with a connection or a body.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// HTTP/1.1 only.
#[derive(Clone, Copy, Debug)]
pub struct Http1;

/// HTTP/1.1 and HTTP/2, as the client begins.
#[derive(Clone, Copy, Debug)]
pub struct Http1Or2;

/// Which HTTP a server speaks.
pub trait Protocol: Send + Sync + 'static {
    /// Answers what comes by `io`. Takes no new requests once `close` is done, and ends with those under way.
    fn serve<I, S, B>(
        io: I,
        service: S,
        limits: &Limits,
        close: impl Future<Output = ()> + Send,
    ) -> impl Future<Output = Result<(), BoxError>> + Send
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send,
        S::Future: Send + 'static,
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static;
}

impl Protocol for Http1 {
    async fn serve<I, S, B>(
        io: I,
        service: S,
        limits: &Limits,
        close: impl Future<Output = ()> + Send,
    ) -> Result<(), BoxError>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send,
        S::Future: Send + 'static,
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.keep_alive)
                .max_buf_size(limits.buffer)
                .serve_connection(TokioIo::new(io), service)
        );
        tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            () = close => {}
        }
        connection.as_mut().graceful_shutdown();
        Ok(connection.await?)
    }
}

impl Protocol for Http1Or2 {
    async fn serve<I, S, B>(
        io: I,
        service: S,
        limits: &Limits,
        close: impl Future<Output = ()> + Send,
    ) -> Result<(), BoxError>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send,
        S::Future: Send + 'static,
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.keep_alive)
            .max_buf_size(limits.buffer);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(limits.buffer)
            .keep_alive_interval(limits.ping)
            .keep_alive_timeout(limits.ping);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = close => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    }
}
