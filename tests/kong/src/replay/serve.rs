//! The listener: from a connection to a response.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use http::{Method, Request, Response, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::count::Scrape;
use super::{Shared, body};
use crate::http::{self as answers, Body, full};

/// Accepts until the runtime ends.
pub(super) async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        // Whether small chunks wait for an acknowledgement must not colour what tests measure.
        let _ = stream.set_nodelay(true);
        let (tls, shared) = (tls.clone(), shared.clone());
        tokio::spawn(async move {
            match tls {
                None => connection(stream, shared).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, shared).await;
                    }
                }
            }
        });
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(stream: S, shared: Arc<Shared>) {
    let service = service_fn(|request| {
        let shared = shared.clone();
        async move {
            let persistence = answers::persistence(&request);
            let mut response = answer(request, shared).await;
            response.headers_mut().insert(CONNECTION, persistence);
            Ok::<_, Infallible>(response)
        }
    });
    // An error here is the client's leaving or a cut that was asked for.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Response<Body> {
    if !matches!(request.uri().path(), "/metrics" | "/metrics/") {
        return answers::not_found();
    }
    match *request.method() {
        Method::HEAD => answers::metrics(full(Bytes::new())),
        Method::GET => metrics(&request, shared).await,
        _ => answers::method_not_allowed(),
    }
}

async fn metrics(request: &Request<Incoming>, shared: Arc<Shared>) -> Response<Body> {
    let scrape = Scrape::start(&shared.count);
    shared.last_headers.lock().clone_from(request.headers());
    let behaviour = shared.behaviour.lock().clone();
    if behaviour.hang {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(behaviour.first_byte_delay).await;
    if behaviour.error {
        return answers::internal_error();
    }
    let exposition = shared.exposition.lock().clone();
    if request.version() == Version::HTTP_10 {
        // Nginx cannot chunk for an HTTP/1.0 client, so Kong buffers the whole and tells its length.
        let whole = exposition.bytes().clone();
        let mut response = answers::metrics(full(Bytes::new()));
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
        *response.body_mut() = full(whole)
            .map_frame(move |frame| {
                let _ends_with_the_body = &scrape;
                frame
            })
            .boxed_unsync();
        return response;
    }
    answers::metrics(body::replay(exposition, &behaviour, scrape))
}
