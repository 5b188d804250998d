//! One stream: opened, then read message by message.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tagalong_wire::{CONTENT_TYPE, Lines, MAX_MESSAGE, Message, ParseError};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::error::StreamError;
use crate::kong::with_causes;
use crate::net::{self, Io};
use crate::url::Url;

/// How much of an answer that is no stream is read, in bytes: the reason it gives.
const REASON: usize = 512;

pub(super) struct Stream {
    body: Incoming,
    lines: Lines,
    read: VecDeque<Result<Message, ParseError>>,
    _connection: Connection,
}

/// The task that drives the connection, for as long as somebody wants it.
struct Connection {
    task: JoinHandle<()>,
    /// hyper takes a connection without any for done.
    _sender: http2::SendRequest<Empty<Bytes>>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stream {
    pub(super) async fn open(
        url: &Url,
        token_file: &Path,
        ca_file: &Path,
    ) -> Result<Self, StreamError> {
        let request = request(url, token_file)?;
        let io = connect(url, ca_file).await?;
        let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| http(&error))?;
        let task = tokio::spawn(async move {
            // How it ended is told by the body.
            let _ = connection.await;
        });
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| http(&error));
        let connection = Connection {
            task,
            _sender: sender,
        };
        let (head, body) = response?.into_parts();
        if head.status != http::StatusCode::OK {
            return Err(StreamError::Status(head.status, reason(body).await));
        }
        Ok(Self {
            body,
            lines: Lines::new(MAX_MESSAGE),
            read: VecDeque::new(),
            _connection: connection,
        })
    }

    /// The next message. Not to be called again after an error.
    pub(super) async fn next(&mut self) -> Result<Message, StreamError> {
        loop {
            if let Some(message) = self.read.pop_front() {
                return Ok(message?);
            }
            let Some(frame) = self.body.frame().await else {
                return Err(StreamError::Ended);
            };
            let frame = frame.map_err(|error| http(&error))?;
            if let Ok(data) = frame.into_data() {
                let read = &mut self.read;
                self.lines
                    .push(&data, |line| read.push_back(Message::parse(line)))?;
            }
        }
    }
}

fn request(url: &Url, token_file: &Path) -> Result<Request<Empty<Bytes>>, StreamError> {
    let no_token = |why: &str| StreamError::Token(format!("{}: {why}", token_file.display()));
    let token = fs::read_to_string(token_file).map_err(|error| no_token(&error.to_string()))?;
    let token = token.trim();
    if token.is_empty() {
        return Err(no_token("it is empty"));
    }
    let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| no_token("it is no token"))?;
    bearer.set_sensitive(true);
    let uri = Uri::builder()
        .scheme(if url.tls { "https" } else { "http" })
        .authority(url.authority())
        .path_and_query(url.path.clone())
        .build()
        .map_err(|error| StreamError::Http(error.to_string()))?;
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri;
    request.headers_mut().insert(AUTHORIZATION, bearer);
    request
        .headers_mut()
        .insert(ACCEPT, HeaderValue::from_static(CONTENT_TYPE));
    Ok(request)
}

async fn connect(url: &Url, ca_file: &Path) -> Result<Box<dyn Io>, StreamError> {
    let connector = url.tls.then(|| connector(ca_file)).transpose()?;
    let failed = |error: std::io::Error| StreamError::Connect(error.to_string());
    let tcp: TcpStream = net::connect(url).await.map_err(failed)?;
    let Some(connector) = connector else {
        return Ok(Box::new(tcp));
    };
    let name = ServerName::try_from(url.host.clone())
        .map_err(|error| StreamError::Connect(error.to_string()))?;
    let tls = connector.connect(name, tcp).await.map_err(failed)?;
    Ok(Box::new(tls))
}

fn connector(ca_file: &Path) -> Result<TlsConnector, StreamError> {
    let mut config = net::checked_by(ca_file)
        .map_err(StreamError::Ca)?
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The first line of an answer, as far as it can be shown.
async fn reason(body: Incoming) -> String {
    let read = Limited::new(body, REASON).collect().await;
    let bytes = read.map(|read| read.to_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().next().unwrap_or("no reason given").to_owned()
}

fn http(error: &hyper::Error) -> StreamError {
    StreamError::Http(with_causes(error))
}
