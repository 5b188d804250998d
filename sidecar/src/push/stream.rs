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
use tagalong_runtime::with_causes;
use tagalong_wire::{CONTENT_TYPE, Delta, Lines, MAX_MESSAGE, Message, MessageKind, TooLong};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::error::StreamError;
use crate::memory::Room;
use crate::net::{self, Io};
use crate::table::{ActiveTable, TableHandle};
use crate::url::Url;

/// How much of an answer that is no stream is read, in bytes: the reason it gives.
const REASON: usize = 512;
/// How much may be under way before it is read, in bytes. hyper's own default is megabytes.
const WINDOW: u32 = 256 * 1024;
/// How many bytes of memory a change takes while it is read, for each of its own.
const DELTA: usize = 6;

pub(super) struct Stream {
    body: Incoming,
    lines: Lines,
    read: VecDeque<Result<News, StreamError>>,
    room: Room,
    /// Whether the whole table has come: what comes after it are changes.
    begun: bool,
    _connection: Connection,
}

/// What the operator said.
pub(super) enum News {
    /// The whole table, ready for use.
    Table(ActiveTable),
    Delta(Delta),
    Heartbeat(u64),
    /// Something that this version does not know.
    Unknown,
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
        in_use: &ActiveTable,
        room: Room,
    ) -> Result<Self, StreamError> {
        let request = request(url, token_file)?;
        let io = connect(url, ca_file).await?;
        let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
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
            lines: Lines::new(room.longest_message(in_use.labels.bytes())),
            read: VecDeque::new(),
            room,
            begun: false,
            _connection: connection,
        })
    }

    /// What comes next, while these tables are in use. Not to be called again after an error.
    pub(super) async fn next(&mut self, tables: &TableHandle) -> Result<News, StreamError> {
        loop {
            if let Some(news) = self.read.pop_front() {
                self.begun |= matches!(news, Ok(News::Table(_)));
                return news;
            }
            let Some(frame) = self.body.frame().await else {
                return Err(StreamError::Ended);
            };
            let frame = frame.map_err(|error| http(&error))?;
            if let Ok(data) = frame.into_data() {
                let (read, room) = (&mut self.read, self.room);
                self.lines
                    .push(&data, |line| {
                        read.push_back(news(line, &tables.load(), room));
                    })
                    .map_err(|error| too_long(error, room, &tables.load(), self.begun))?;
            }
        }
    }
}

/// Reads a message, if there is room for what it holds. A snapshot becomes the table here and now: it is never in memory as
/// anything else.
fn news(line: &[u8], in_use: &ActiveTable, room: Room) -> Result<News, StreamError> {
    let kind = MessageKind::of(line)?;
    match kind {
        MessageKind::Snapshot => {
            return Ok(News::Table(ActiveTable::snapshot(line, in_use, room)?));
        }
        MessageKind::Delta => room
            .check(2 * in_use.labels.bytes() + DELTA * line.len())
            .map_err(StreamError::Change)?,
        MessageKind::Heartbeat | MessageKind::Unknown => {}
    }
    Ok(match kind.read(line)? {
        Message::Delta(delta) => News::Delta(delta),
        Message::Heartbeat { version } => News::Heartbeat(version),
        Message::Snapshot(_) | Message::Unknown => News::Unknown,
    })
}

/// Where it is not the message that is too long, it is the room that is too small for it.
fn too_long(error: TooLong, room: Room, in_use: &ActiveTable, begun: bool) -> StreamError {
    let needs = error.limit + 1 + in_use.labels.bytes();
    match room.check(needs) {
        Err(large) if error.limit < MAX_MESSAGE && begun => StreamError::Change(large),
        Err(large) if error.limit < MAX_MESSAGE => StreamError::TooLarge(large),
        _ => StreamError::TooLong(error),
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
    let failed = |error: std::io::Error| StreamError::connect(&error);
    let tcp: TcpStream = net::connect(url).await.map_err(failed)?;
    let Some(connector) = connector else {
        return Ok(Box::new(tcp));
    };
    let name = ServerName::try_from(url.host.clone())
        .map_err(|error| failed(std::io::Error::other(error)))?;
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
