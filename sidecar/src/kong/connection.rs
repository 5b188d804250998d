//! A connection that lives and dies with the one response it carries.
//!
//! hyper gives a connection and its response as two things, of which the first must be driven for the second to move. Here
//! one owns the other: no task to spawn, none to forget.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::net::Io;

/// The most that hyper reads ahead, in bytes. Kong's chunks are 11 to 22 KB.
const READ_AHEAD: usize = 64 * 1024;

type Driver = Pin<Box<http1::Connection<TokioIo<Box<dyn Io>>, Empty<Bytes>>>>;

/// An open connection, before its request.
pub struct Connection {
    driver: Driver,
    sender: http1::SendRequest<Empty<Bytes>>,
}

/// A response's body, and the connection that it comes from.
pub struct KongBody {
    body: Incoming,
    /// None once it has ended; the body then tells how.
    driver: Option<Driver>,
}

// === impl Connection ===

impl Connection {
    pub(super) async fn open(io: Box<dyn Io>) -> hyper::Result<Self> {
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(READ_AHEAD)
            .handshake(TokioIo::new(io))
            .await?;
        Ok(Self {
            driver: Box::pin(driver),
            sender,
        })
    }

    pub(super) async fn send(
        mut self,
        request: Request<Empty<Bytes>>,
    ) -> hyper::Result<Response<KongBody>> {
        let mut response = std::pin::pin!(self.sender.send_request(request));
        let mut driver = Some(self.driver);
        let response = std::future::poll_fn(|cx| {
            drive(&mut driver, cx);
            response.as_mut().poll(cx)
        })
        .await?;
        Ok(response.map(|body| KongBody { body, driver }))
    }
}

/// Moves the connection. How it ended is told by what it carried.
fn drive(driver: &mut Option<Driver>, cx: &mut Context<'_>) {
    if let Some(running) = driver
        && running.as_mut().poll(cx).is_ready()
    {
        *driver = None;
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

// === impl KongBody ===

impl std::fmt::Debug for KongBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KongBody")
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

impl Body for KongBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        // First asked, so that the connection knows that there is room for another frame.
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        drive(&mut this.driver, cx);
        Poll::Ready(ready!(Pin::new(&mut this.body).poll_frame(cx)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
