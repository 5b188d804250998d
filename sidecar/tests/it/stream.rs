//! The table from a stream, in a running sidecar.

#![allow(
    clippy::expect_used,
    reason = "a helper that fails is a test that fails"
)]

use crate::common;

use std::convert::Infallible;

use common::{Sidecar, labels_for, until, value};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tagalong_kong::CaptureKong;
use tokio::net::TcpListener;

/// An operator that tells one table and ends the stream.
async fn operator(listener: TcpListener, snapshot: String) {
    while let Ok((tcp, _)) = listener.accept().await {
        let line = format!("{snapshot}\n");
        let service = service_fn(move |request: Request<Incoming>| {
            assert_eq!(request.headers()["authorization"], "Bearer token");
            assert_eq!(request.uri().path(), tagalong_wire::PATH);
            let body = Full::<bytes::Bytes>::from(line.clone());
            async { Ok::<_, Infallible>(Response::new(body)) }
        });
        let connection = http2::Builder::new(TokioExecutor::new());
        tokio::spawn(connection.serve_connection(TokioIo::new(tcp), service));
    }
}

#[tokio::test]
async fn without_the_operator_kongs_bytes_pass_and_with_it_they_are_enriched() {
    let kong = CaptureKong::builder().start().await.expect("a Kong");
    // Held, so that nobody else gets the port; not listening yet.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("bound");
    let address = socket.local_addr().expect("an address");
    let sidecar = Sidecar::streaming(&kong.url(), &format!("http://{address}/v1/labels"));
    let reply = sidecar.get("/metrics").await;
    assert!(reply.parts().0 == kong.bytes());
    let text = reply.text();
    assert_eq!(value(&text, "push_connected"), 0);
    assert!(!text.contains("tagalong_sidecar_table_version"));

    let listener = socket.listen(16).expect("it listens");
    let serving = tokio::spawn(operator(listener, labels_for(&kong.bytes())));
    until("samples are enriched", async || {
        sidecar
            .get("/metrics")
            .await
            .text()
            .contains("kubernetes_kind")
    })
    .await;
    // The operator has gone; its table serves on.
    serving.abort();
    let _ = serving.await;
    let text = sidecar.get("/metrics").await.text();
    assert!(text.contains("kubernetes_kind"));
    assert_eq!(value(&text, "table_version"), 1);
}
