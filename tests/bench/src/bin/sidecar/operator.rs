//! A stand-in for the operator: real tables of a made-up cluster, pushed to whoever asks.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use serde_json::json;
use tagalong_crds::{DataPlane, HttpRoute, Service};
use tagalong_index::{Index, Key, ObjectKind, Settings, TableUpdate};
use tagalong_wire::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const SERVICES: usize = 5_000;
const NAMESPACES: usize = 100;

/// An operator and its cluster of one DataPlane.
pub struct Operator {
    index: Index,
    dataplane: Key,
    hosts: usize,
    pub address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    snapshot: Bytes,
    streams: Vec<mpsc::UnboundedSender<Bytes>>,
}

struct Lines(mpsc::UnboundedReceiver<Bytes>);

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

impl Operator {
    /// Serves the table of so many routes with so many host names each, on a thread of its own.
    pub fn start(routes: usize, hosts: usize) -> io::Result<Self> {
        let dataplane: Key = "kong/dataplane".parse().map_err(io::Error::other)?;
        let mut index = Index::new(Settings::default());
        let metadata = json!({"namespace": "kong", "name": "dataplane"});
        index.apply(serde_json::from_value::<DataPlane>(
            json!({"metadata": metadata}),
        )?);
        let all = (0..SERVICES).map(|at| {
            let metadata = json!({"namespace": format!("namespace-{}", at % NAMESPACES), "name": format!("service-{at}")});
            serde_json::from_value::<Service>(json!({"metadata": metadata})).map(Into::into)
        });
        index.reset(ObjectKind::Service, all.collect::<Result<_, _>>()?);
        let all = (0..routes).map(|at| route(at, at % SERVICES, hosts).map(Into::into));
        index.reset(ObjectKind::HttpRoute, all.collect::<Result<_, _>>()?);

        let shared = Arc::default();
        let address = serve(Arc::clone(&shared))?;
        let operator = Self {
            index,
            dataplane,
            hosts,
            address,
            shared,
        };
        operator.note()?;
        Ok(operator)
    }

    /// How many services and upstreams the table names.
    pub fn names(&self) -> io::Result<(usize, usize)> {
        let snapshot = self.index.snapshot(&self.dataplane);
        let snapshot = snapshot.ok_or_else(|| io::Error::other("no table"))?;
        Ok((snapshot.services.len(), snapshot.upstreams.len()))
    }

    /// The first route gets another backend: tells the change, and its version.
    pub fn change(&mut self) -> io::Result<u64> {
        let changes = self.index.apply(route(0, 1, self.hosts)?);
        let Some(TableUpdate::Delta(delta)) = changes.tables.first().map(|table| &table.update)
        else {
            return Err(io::Error::other("no delta"));
        };
        let line = line(&Message::Delta(delta.clone()));
        self.note()?;
        for stream in &self.shared.lock().streams {
            // Who has left needs no change.
            let _ = stream.send(line.clone());
        }
        Ok(delta.version)
    }

    /// Ends all streams, as a new replica's first moment does.
    pub fn restart(&self) {
        self.shared.lock().streams.clear();
    }

    fn note(&self) -> io::Result<()> {
        let snapshot = self.index.snapshot(&self.dataplane);
        let snapshot = snapshot.ok_or_else(|| io::Error::other("no table"))?;
        self.shared.lock().snapshot = line(&Message::Snapshot(snapshot));
        Ok(())
    }
}

fn line(message: &Message) -> Bytes {
    let mut line = Vec::new();
    message.write(&mut line);
    line.into()
}

fn route(at: usize, service: usize, hosts: usize) -> Result<HttpRoute, serde_json::Error> {
    let hosts: Vec<_> = (0..hosts)
        .map(|host| format!("host-{host}.route-{at}.example.com"))
        .collect();
    serde_json::from_value(json!({
        "metadata": {"namespace": format!("namespace-{}", at % NAMESPACES), "name": format!("route-{at}")},
        "spec": {
            "parentRefs": [{"name": "gateway", "namespace": "kong"}],
            "hostnames": hosts,
            "rules": [{"backendRefs": [{"name": format!("service-{service}"), "port": 80}]}],
        },
    }))
}

fn serve(shared: Arc<Mutex<Shared>>) -> io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::spawn(move || runtime.block_on(accept(listener, shared)));
    Ok(address)
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Mutex<Shared>>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (tcp, _) = listener.accept().await?;
        let shared = Arc::clone(&shared);
        let service = service_fn(move |_| {
            let (stream, lines) = mpsc::unbounded_channel();
            let mut shared = shared.lock();
            let _ = stream.send(shared.snapshot.clone());
            shared.streams.push(stream);
            async move { Ok::<_, Infallible>(Response::new(Lines(lines))) }
        });
        tokio::spawn(
            http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(tcp), service),
        );
    }
}
