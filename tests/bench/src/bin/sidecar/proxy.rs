//! The peers, on hyper and a current-thread runtime as the sidecar: a proxy that hands its upstream's body on as it comes,
//! and, where gzip is asked for, compresses it on the way and does nothing else.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, HOST};
use http::{Request, Response};
use http_body::{Body, Frame};
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
            let service = service_fn(move |request| forward(Arc::clone(&authority), request));
            tokio::spawn(
                server::conn::http1::Builder::new().serve_connection(TokioIo::new(tcp), service),
            );
        }
    })
}

async fn forward(authority: Arc<str>, asked: Request<Incoming>) -> io::Result<Response<Copied>> {
    let tcp = TcpStream::connect(&*authority).await?;
    tcp.set_nodelay(true)?;
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(tcp))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection);
    let request = Request::get("/metrics")
        .header(HOST, &*authority)
        .body(String::new())
        .map_err(io::Error::other)?;
    let response = sender
        .send_request(request)
        .await
        .map_err(io::Error::other)?;
    let gzip = asked
        .headers()
        .get(ACCEPT_ENCODING)
        .is_some_and(|coding| coding == "gzip")
        .then(|| GzEncoder::new(Vec::new(), Compression::fast()));
    Ok(Response::new(Copied {
        body: response.into_body(),
        gzip,
    }))
}

struct Copied {
    body: Incoming,
    gzip: Option<GzEncoder<Vec<u8>>>,
}

impl Body for Copied {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        loop {
            let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
            let Some(frame) = frame.transpose().map_err(io::Error::other)? else {
                let rest = this.gzip.take().map(GzEncoder::finish).transpose()?;
                return Poll::Ready(rest.map(|rest| Ok(Frame::data(rest.into()))));
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let Some(gzip) = &mut this.gzip else {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            };
            gzip.write_all(&data)?;
            let zipped = std::mem::take(gzip.get_mut());
            if !zipped.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(zipped.into()))));
            }
        }
    }
}
