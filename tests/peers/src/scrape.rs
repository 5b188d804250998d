//! A scraper that costs as little as possible: it reads, and looks only at how the response begins and ends.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use flate2::read::MultiGzDecoder;
use tokio::time::Instant;

/// How a body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// Compressed.
    Gzip,
}

impl Coding {
    /// As HTTP names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
        }
    }
}

/// A scrape that was complete.
#[derive(Clone, Copy, Debug)]
pub struct Scraped {
    /// Seconds until the first byte of the body.
    pub first_byte: f64,
    /// Seconds until the last.
    pub whole: f64,
    /// Bytes on the wire, of head and body.
    pub wire_bytes: usize,
}

/// One scraper, with one connection that it keeps, as Prometheus does.
pub struct Scraper {
    tcp: TcpStream,
    coding: Coding,
    buffer: Vec<u8>,
}

impl Scraper {
    /// Connects.
    ///
    /// # Errors
    /// Nothing listens there.
    pub fn connect(address: SocketAddr, coding: Coding) -> io::Result<Self> {
        let tcp = TcpStream::connect(address)?;
        tcp.set_nodelay(true)?;
        Ok(Self {
            tcp,
            coding,
            buffer: vec![0; 256 * 1024],
        })
    }

    /// Scrapes and throws the body away.
    ///
    /// # Errors
    /// The answer is none, not 200, or not complete.
    pub fn scrape(&mut self) -> io::Result<Scraped> {
        self.get(|_| {})
    }

    /// Scrapes and keeps the body, decoded.
    ///
    /// # Errors
    /// As [`scrape`](Self::scrape).
    pub fn body(&mut self) -> io::Result<Vec<u8>> {
        let mut answer = Vec::new();
        self.get(|bytes| answer.extend_from_slice(bytes))?;
        let body = unchunk(&answer)?;
        if self.coding == Coding::Identity {
            return Ok(body);
        }
        let mut text = Vec::new();
        MultiGzDecoder::new(body.as_slice()).read_to_end(&mut text)?;
        Ok(text)
    }

    fn get(&mut self, mut keep: impl FnMut(&[u8])) -> io::Result<Scraped> {
        const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";
        let began = Instant::now();
        let name = self.coding.name();
        self.tcp.write_all(format!("GET /metrics HTTP/1.1\r\nHost: pod\r\nAccept-Encoding: {name}\r\nX-Prometheus-Scrape-Timeout-Seconds: 120\r\n\r\n").as_bytes())?;
        let (mut wire_bytes, mut first_byte, mut head, mut tail) =
            (0, None, Vec::new(), Vec::new());
        while tail != LAST_CHUNK {
            let read = self.tcp.read(&mut self.buffer)?;
            let new = &self.buffer[..read];
            wire_bytes += read;
            if first_byte.is_none() {
                head.extend_from_slice(new);
                if find(&head, b"\r\n\r\n").is_some_and(|at| head.len() > at + 4) {
                    first_byte = Some(began.elapsed().as_secs_f64());
                }
            }
            keep(new);
            tail.extend_from_slice(&new[new.len().saturating_sub(LAST_CHUNK.len())..]);
            tail.drain(..tail.len().saturating_sub(LAST_CHUNK.len()));
            if read == 0 || !head.starts_with(b"HTTP/1.1 200 ") {
                let told = String::from_utf8_lossy(&head[..head.len().min(200)]).into_owned();
                let error = format!("no complete scrape after {wire_bytes} bytes: {told}");
                return Err(io::Error::other(error));
            }
        }
        let whole = began.elapsed().as_secs_f64();
        Ok(Scraped {
            first_byte: first_byte.unwrap_or(whole),
            whole,
            wire_bytes,
        })
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn unchunk(answer: &[u8]) -> io::Result<Vec<u8>> {
    let broken = || io::Error::other("broken chunks");
    let mut rest = &answer[find(answer, b"\r\n\r\n").ok_or_else(broken)? + 4..];
    let mut body = Vec::with_capacity(rest.len());
    loop {
        let line = find(&rest[..rest.len().min(64)], b"\r\n").ok_or_else(broken)?;
        let size = std::str::from_utf8(&rest[..line]).map_err(io::Error::other)?;
        let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
        if size == 0 {
            return Ok(body);
        }
        let chunk = rest.get(line + 2..line + 2 + size).ok_or_else(broken)?;
        body.extend_from_slice(chunk);
        rest = rest.get(line + size + 4..).ok_or_else(broken)?;
    }
}
