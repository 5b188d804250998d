use super::*;
use crate::{admin::text, drain, tls};
use http::StatusCode;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::generate_simple_self_signed;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};

const WAIT: Duration = Duration::from_secs(20);

async fn bound() -> Server {
    let any = "127.0.0.1:0".parse().expect("an address");
    Server::bind(any).await.expect("a free port")
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    let _reset = tokio::time::timeout(WAIT, read).await.expect("an end");
    answer
}

#[tokio::test]
async fn answers_and_names_the_peer() {
    let server = bound().await;
    let (address, (_trigger, drain)) = (server.address(), drain::channel());
    tokio::spawn(server.serve(
        |request: Request<Incoming>| async move {
            let peer = request.extensions().get::<Peer>().expect("a peer").0;
            text(StatusCode::OK, peer.ip().to_string())
        },
        drain,
    ));
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = exchange(address, request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn silence_and_half_a_request_are_cut_off() {
    let limits = Limits {
        head: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = bound().await.with_limits(limits);
    let (address, (_trigger, drain)) = (server.address(), drain::channel());
    tokio::spawn(server.serve(|_| async { text(StatusCode::OK, "") }, drain));
    for rude in ["", "PRI * HT", "GET / HTTP/1.1\r\nhost:"] {
        let answer = exchange(address, rude).await;
        assert!(!answer.contains("200"), "{rude:?} got {answer:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_read_can_be_hung_up_on() {
    let server = bound().await;
    let (address, (trigger, drain)) = (server.address(), drain::channel());
    tokio::spawn(server.serve(
        |request: Request<Incoming>| async move {
            let connection = request
                .extensions()
                .get::<ConnectionHandle>()
                .expect("a handle");
            connection.end_now();
            std::future::pending::<Response<http_body_util::Full<bytes::Bytes>>>().await
        },
        drain,
    ));
    let answer = exchange(address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(answer, "");
    assert!(
        trigger.drain(WAIT).await,
        "nothing is left of the connection"
    );
}

/// A request over HTTP/2, and nothing after it: neither pings nor the end of the connection are answered.
const RUDE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
    \0\0\0\x04\0\0\0\0\0\
    \0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01a";

/// All that comes until the server closes.
async fn until_closed(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(request).await.expect("writes");
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _reset = tokio::time::timeout(WAIT, read).await.expect("an end");
    answer
}

fn short() -> Limits {
    Limits {
        head: Duration::from_millis(300),
        idle: Duration::from_millis(300),
        ping: 10 * WAIT,
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let server = bound().await.with_limits(short());
    let (address, (_trigger, drain)) = (server.address(), drain::channel());
    tokio::spawn(server.serve(|_| async { text(StatusCode::OK, "fine") }, drain));
    let answer = until_closed(address, RUDE).await;
    let fine = answer.windows(4).any(|bytes| bytes == b"fine");
    assert!(fine, "{answer:?}");
}

#[tokio::test]
async fn a_request_takes_as_long_as_it_takes() {
    let server = bound().await.with_limits(short());
    let (address, (_trigger, drain)) = (server.address(), drain::channel());
    let late = || async {
        tokio::time::sleep(3 * short().idle).await;
        Ok::<_, std::convert::Infallible>(http_body::Frame::data(bytes::Bytes::from("late")))
    };
    tokio::spawn(server.serve(
        move |_| async move {
            let _head = late().await;
            let frames = futures::stream::once(late());
            Response::new(http_body_util::StreamBody::new(Box::pin(frames)))
        },
        drain,
    ));
    let answer = until_closed(address, RUDE).await;
    let late = answer.windows(4).any(|bytes| bytes == b"late");
    assert!(late, "{answer:?}");
}

#[tokio::test]
async fn who_has_no_business_here_is_answered_and_the_connection_closed() {
    let limits = Limits {
        idle: 10 * WAIT,
        ..short()
    };
    let server = bound().await.with_limits(limits);
    let (address, (_trigger, drain)) = (server.address(), drain::channel());
    tokio::spawn(server.serve(
        |request: Request<Incoming>| async move {
            let connection = request
                .extensions()
                .get::<ConnectionHandle>()
                .expect("a handle");
            connection.end_after_answers();
            text(StatusCode::FORBIDDEN, "go away")
        },
        drain,
    ));
    let answer = until_closed(address, RUDE).await;
    let refused = answer.windows(7).any(|bytes| bytes == b"go away");
    assert!(refused, "{answer:?}");
}

#[tokio::test]
async fn a_request_under_way_survives_the_drain() {
    let server = bound().await;
    let (address, (trigger, drain)) = (server.address(), drain::channel());
    let (arrived, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let gates = (Arc::clone(&arrived), Arc::clone(&release));
    let serving = tokio::spawn(server.serve(
        move |_| {
            let (arrived, release) = gates.clone();
            async move {
                arrived.notify_one();
                release.notified().await;
                text(StatusCode::OK, "late")
            }
        },
        drain,
    ));
    let request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let client = tokio::spawn(async move { exchange(address, request).await });
    arrived.notified().await;
    let drained = tokio::spawn(trigger.drain(WAIT));
    tokio::time::timeout(WAIT, serving)
        .await
        .expect("no longer accepts")
        .expect("no panic");
    assert!(TcpStream::connect(address).await.is_err());
    release.notify_one();
    assert!(client.await.expect("no panic").ends_with("late"));
    assert!(drained.await.expect("no panic"));
}

/// One HTTP/2 request over TLS that trusts just `root`.
async fn over_tls(address: SocketAddr, root: &rcgen::Certificate) -> Result<String, String> {
    let mut roots = RootCertStore::empty();
    roots.add(root.der().clone()).map_err(|e| e.to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(address)
        .await
        .map_err(|e| e.to_string())?;
    let name = ServerName::try_from("localhost").map_err(|e| e.to_string())?;
    let stream = connector
        .connect(name, stream)
        .await
        .map_err(|e| e.to_string())?;
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(|e| e.to_string())?;
    tokio::spawn(connection);
    let request = Request::get("https://localhost/").body(Empty::<bytes::Bytes>::new());
    let answer = send.send_request(request.map_err(|e| e.to_string())?).await;
    let body = answer
        .map_err(|e| e.to_string())?
        .into_body()
        .collect()
        .await;
    Ok(String::from_utf8_lossy(&body.map_err(|e| e.to_string())?.to_bytes()).into_owned())
}

#[tokio::test]
async fn each_handshake_takes_the_newest_certificate() {
    let made = || generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let parsed = |made: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        Some(Arc::new(
            tls::parse(chain.as_bytes(), key.as_bytes()).expect("fits"),
        ))
    };
    let (old, new) = (made(), made());
    let (certificates, receiver) = watch::channel(None);
    let server = bound()
        .await
        .with_tls(tls::config(receiver).expect("a configuration"));
    let (address, (_trigger, drain)) = (server.address(), drain::channel());
    tokio::spawn(server.serve(
        |request: Request<Incoming>| async move {
            text(StatusCode::OK, format!("{:?}", request.version()))
        },
        drain,
    ));
    assert!(
        over_tls(address, &old.cert).await.is_err(),
        "no certificate yet"
    );
    certificates.send_replace(parsed(&old));
    assert_eq!(
        over_tls(address, &old.cert).await.as_deref(),
        Ok("HTTP/2.0")
    );
    certificates.send_replace(parsed(&new));
    assert!(over_tls(address, &old.cert).await.is_err());
    assert_eq!(
        over_tls(address, &new.cert).await.as_deref(),
        Ok("HTTP/2.0")
    );
}

#[tokio::test]
async fn one_port_hears_tls_and_plain_http() {
    let made = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let parsed = tls::parse(chain.as_bytes(), key.as_bytes()).expect("fits");
    let (certificates, receiver) = watch::channel(None);
    let server = bound()
        .await
        .with_limits(short())
        .with_tls_beside_plain(tls::config(receiver).expect("a configuration"));
    let (address, (_trigger, drain)) = (server.address(), drain::channel());
    tokio::spawn(server.serve(
        |request: Request<Incoming>| async move {
            text(StatusCode::OK, format!("{:?}", request.version()))
        },
        drain,
    ));
    let plain = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    // Without a certificate there is no TLS, and the rest goes on.
    assert!(over_tls(address, &made.cert).await.is_err());
    assert!(exchange(address, plain).await.ends_with("HTTP/1.1"));
    certificates.send_replace(Some(Arc::new(parsed)));
    assert_eq!(
        over_tls(address, &made.cert).await.as_deref(),
        Ok("HTTP/2.0")
    );
    assert!(exchange(address, plain).await.ends_with("HTTP/1.1"));
    // Silence, and the first byte of a handshake alone, are cut off.
    assert_eq!(until_closed(address, b"").await, b"");
    assert_eq!(until_closed(address, &[0x16]).await, b"");
}

/// A request over HTTP/2 whose answer there is no window for, ever.
#[tokio::test]
async fn an_answer_that_is_not_taken_ends_its_connection() {
    let limits = Limits {
        stall: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = bound().await.with_limits(limits);
    let (address, (_trigger, drain)) = (server.address(), drain::channel());
    tokio::spawn(server.serve(|_| async { text(StatusCode::OK, "fine") }, drain));
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE (4) of 0, then the request of above.
    request.extend_from_slice(b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0");
    request.extend_from_slice(b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01a");
    let began = tokio::time::Instant::now();
    until_closed(address, &request).await;
    assert!(
        began.elapsed() < Limits::default().ping,
        "{:?}",
        began.elapsed()
    );
}

/// Over HTTP/2 it is told so: GOAWAY is a frame of type 7.
#[tokio::test]
async fn who_makes_room_is_told_to_go_away() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let server = bound().await.with_limits(limits);
    let (address, (_trigger, drain)) = (server.address(), drain::channel());
    tokio::spawn(server.serve(|_| async { text(StatusCode::OK, "fine") }, drain));
    let first = tokio::spawn(until_closed(address, RUDE));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let second = exchange(
        address,
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(second.ends_with("fine"), "{second}");
    let told = first.await.expect("no panic");
    let goes = told
        .windows(9)
        .any(|frame| frame[2] >= 8 && frame[3..] == [7, 0, 0, 0, 0, 0]);
    assert!(goes, "{told:?}");
}

#[test]
fn an_address_is_one_whichever_way_it_comes() {
    let mapped = "[::ffff:10.0.0.7]:80".parse().expect("an address");
    assert_eq!(Peer::new(mapped).0.to_string(), "10.0.0.7:80");
}

mod http1;
mod http2;
mod kernel;
