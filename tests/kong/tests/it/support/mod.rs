//! Tiny upstreams, a client that sends exactly the bytes it is given, and a parsed exposition.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic, its helpers too"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// An HTTP server that answers `…/s/<status>/<milliseconds>` so, echoes the head it got, and counts.
pub struct Upstream {
    pub address: SocketAddr,
    pub served: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl Upstream {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (served, asked) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counters = (asked.clone(), served.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve(stream, counters.clone()));
            }
        });
        Self {
            address,
            served,
            asked,
        }
    }

    pub fn served(&self) -> usize {
        self.served.load(SeqCst)
    }

    /// Waits until so many requests have come, answered or not.
    pub async fn until_asked(&self, wanted: usize) {
        let asked = async {
            while self.asked.load(SeqCst) < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), asked)
            .await
            .expect("a request");
    }
}

async fn serve(
    stream: TcpStream,
    (asked, served): (Arc<AtomicUsize>, Arc<AtomicUsize>),
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (head, body) = message(&mut stream).await?;
        asked.fetch_add(1, SeqCst);
        let path = head.split(' ').nth(1)?;
        let mut wish = path.split("/s/").nth(1).unwrap_or("200/0").split('/');
        let status: u16 = wish.next()?.parse().ok()?;
        let delay: u64 = wish.next()?.split('?').next()?.parse().ok()?;
        tokio::time::sleep(Duration::from_millis(delay)).await;
        served.fetch_add(1, SeqCst);
        let echo = format!("{head}{}", String::from_utf8_lossy(&body));
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{echo}",
            echo.len()
        );
        stream.get_mut().write_all(answer.as_bytes()).await.ok()?;
    }
}

/// Reads one message with a `Content-Length`, or without a body: its head with the empty line, and its body.
pub async fn message(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let field = |name: &str| {
        head.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let mut body = Vec::new();
    if let Some(length) = field("content-length") {
        body.resize(length.parse().unwrap(), 0);
        stream.read_exact(&mut body).await.ok()?;
    } else if field("transfer-encoding").is_some() {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).await.ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await.ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
    Some((head, body))
}

/// A connection that is kept for several requests.
pub struct Client(BufReader<TcpStream>);

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends these bytes.
    pub async fn send(&mut self, request: &str) {
        self.0
            .get_mut()
            .write_all(request.as_bytes())
            .await
            .unwrap();
    }

    /// The answer: status, head, body. `None` if the connection ended instead.
    pub async fn answer(&mut self) -> Option<(u16, String, String)> {
        let (head, body) = message(&mut self.0).await?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, head, String::from_utf8_lossy(&body).into_owned()))
    }

    pub async fn ask(&mut self, request: &str) -> (u16, String, String) {
        self.send(request).await;
        self.answer().await.expect("an answer")
    }

    pub async fn get(&mut self, host: &str, path: &str) -> (u16, String, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await
    }
}

/// One request on a connection of its own.
pub async fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    Client::connect(address).await.get("x", path).await
}

pub async fn post(address: SocketAddr, path: &str, body: &str) -> (u16, String, String) {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Client::connect(address).await.ask(&request).await
}

/// A family of an exposition.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Family {
    pub comments: Vec<String>,
    /// Series in order, with their values.
    pub samples: Vec<(String, String)>,
}

/// Families in order of appearance. A sample belongs to the comments before it.
pub fn families(text: &str) -> Vec<(String, Family)> {
    let mut families: Vec<(String, Family)> = Vec::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let name = help.split(' ').next().unwrap().to_owned();
            families.push((
                name,
                Family {
                    comments: vec![line.to_owned()],
                    ..Family::default()
                },
            ));
        } else if line.starts_with('#') {
            families
                .last_mut()
                .unwrap()
                .1
                .comments
                .push(line.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let family = families.last_mut().unwrap();
            assert!(
                series.starts_with(family.0.as_str()),
                "{line} under {}",
                family.0
            );
            family.1.samples.push((series.to_owned(), value.to_owned()));
        }
    }
    families
}

/// All samples of a text.
pub fn samples(text: &str) -> BTreeMap<String, String> {
    families(text)
        .into_iter()
        .flat_map(|(_, family)| family.samples)
        .collect()
}
