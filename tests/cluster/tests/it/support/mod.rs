//! An HTTPS server in the test process, for the API server to call.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tagalong_cluster::pki::Issued;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What came in.
pub struct Asked {
    pub path: String,
    /// The user the API server says it asks for, on aggregated APIs.
    pub remote_user: Option<String>,
    /// Null if there was no JSON.
    pub body: Value,
}

/// Answers each request with the JSON that `answer` makes of it, for as long as the test's async
/// runtime lives. Returns the port on 127.0.0.1.
pub async fn https_server(
    certificate: &Issued,
    answer: impl Fn(Asked) -> Option<Value> + Send + Sync + 'static,
) -> u16 {
    let chain = CertificateDer::pem_slice_iter(certificate.certificate.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, answer) = (acceptor.clone(), answer.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service = service_fn(move |request| respond(request, answer.clone()));
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    port
}

async fn respond(
    request: Request<Incoming>,
    answer: Arc<impl Fn(Asked) -> Option<Value>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let user = head.headers.get("x-remote-user");
    let asked = Asked {
        path: head.uri.path().to_owned(),
        remote_user: user.and_then(|user| user.to_str().ok()).map(str::to_owned),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let mut response = Response::new(Full::default());
    match answer(asked) {
        Some(json) => *response.body_mut() = Full::from(json.to_string()),
        None => *response.status_mut() = http::StatusCode::NOT_FOUND,
    }
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    Ok(response)
}
