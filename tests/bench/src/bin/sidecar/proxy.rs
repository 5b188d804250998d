//! The peer: a proxy that hands its upstream's body on as it comes, on hyper and a current-thread runtime as the sidecar.

use std::io::{self, Write as _};
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{client, server};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Serves on a free port, which it prints, until it is killed or its starter is gone.
pub fn run(upstream: &str) -> io::Result<()> {
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    let authority = upstream
        .strip_prefix("http://")
        .and_then(|rest| rest.split('/').next())
        .ok_or_else(|| io::Error::other("not a http URL"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(io::stdout(), "{}", listener.local_addr()?)?;
        let authority: Arc<str> = authority.into();
        loop {
            let (tcp, _) = listener.accept().await?;
            tcp.set_nodelay(true)?;
            let authority = Arc::clone(&authority);
            let service = service_fn(move |_| forward(Arc::clone(&authority)));
            tokio::spawn(
                server::conn::http1::Builder::new().serve_connection(TokioIo::new(tcp), service),
            );
        }
    })
}

async fn forward(authority: Arc<str>) -> io::Result<Response<Incoming>> {
    let tcp = TcpStream::connect(&*authority).await?;
    tcp.set_nodelay(true)?;
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(tcp))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection);
    let request = Request::get("/metrics")
        .header("host", &*authority)
        .body(String::new())
        .map_err(io::Error::other)?;
    sender.send_request(request).await.map_err(io::Error::other)
}
