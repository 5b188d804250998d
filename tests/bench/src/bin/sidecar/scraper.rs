//! A scraper that costs as little as one can: it reads, and looks only at how the body begins and ends.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How to scrape.
#[derive(Clone, Copy)]
pub struct Scrape {
    gzip: bool,
    keep: bool,
}

/// A scrape that was complete.
pub struct Scraped {
    /// Until the first byte of the body.
    pub first_byte: Duration,
    /// Until the last.
    pub took: Duration,
    /// Bytes on the wire, of head and body.
    pub bytes: usize,
    /// The body without its chunks' framing, if it was to be kept.
    pub body: Vec<u8>,
}

impl Scrape {
    pub fn plain() -> Self {
        Self {
            gzip: false,
            keep: false,
        }
    }

    pub fn gzip() -> Self {
        Self {
            gzip: true,
            keep: false,
        }
    }

    pub fn keeping(self) -> Self {
        Self { keep: true, ..self }
    }
}

impl Scraped {
    pub fn bytes_a_second(&self) -> f64 {
        self.bytes as f64 / self.took.as_secs_f64()
    }
}

pub fn scrape(address: SocketAddr, how: Scrape) -> io::Result<Scraped> {
    let coding = if how.gzip { "gzip" } else { "identity" };
    let began = Instant::now();
    let mut tcp = TcpStream::connect(address)?;
    tcp.set_nodelay(true)?;
    tcp.write_all(
        format!("GET /metrics HTTP/1.1\r\nHost: pod\r\nAccept-Encoding: {coding}\r\nX-Prometheus-Scrape-Timeout-Seconds: 120\r\nConnection: close\r\n\r\n")
            .as_bytes(),
    )?;
    let mut buffer = vec![0; 256 * 1024];
    let (mut bytes, mut first_byte, mut head, mut tail) = (0, None, Vec::new(), Vec::new());
    let mut whole = Vec::new();
    loop {
        let read = tcp.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        let new = &buffer[..read];
        bytes += read;
        if first_byte.is_none() {
            head.extend_from_slice(new);
            if find(&head, b"\r\n\r\n").is_some_and(|at| head.len() > at + 4) {
                first_byte = Some(began.elapsed());
            }
        }
        if how.keep {
            whole.extend_from_slice(new);
        }
        tail.extend_from_slice(&new[new.len().saturating_sub(5)..]);
        tail.drain(..tail.len().saturating_sub(5));
    }
    let took = began.elapsed();
    if !head.starts_with(b"HTTP/1.1 200 ") || tail != b"0\r\n\r\n" {
        let told = String::from_utf8_lossy(&head[..head.len().min(300)]).into_owned();
        return Err(io::Error::other(format!(
            "no complete scrape from {address} after {bytes} bytes: {told}"
        )));
    }
    Ok(Scraped {
        first_byte: first_byte.unwrap_or(took),
        took,
        bytes,
        body: if how.keep {
            unchunk(&whole)?
        } else {
            Vec::new()
        },
    })
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn unchunk(response: &[u8]) -> io::Result<Vec<u8>> {
    let broken = || io::Error::other("broken chunks");
    let mut rest = &response[find(response, b"\r\n\r\n").ok_or_else(broken)? + 4..];
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
