//! Receives what agents write (Prometheus remote write 1.0), and can say which samples arrived.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;

use crate::canonical::Sample;

/// A sink that accepts everything.
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    bodies: Arc<Mutex<Option<Vec<Vec<u8>>>>>,
}

impl Sink {
    /// Starts one on a thread of its own; it lasts as long as the process.
    ///
    /// # Errors
    /// It cannot listen.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let bodies = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&bodies);
        thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                // An agent that is killed leaves its connection broken: nothing to tell.
                thread::spawn(move || serve(tcp, &kept));
            }
        });
        Ok(Self { address, bodies })
    }

    /// Keeps what comes from now on.
    pub fn keep(&self) {
        *self.bodies.lock() = Some(Vec::new());
    }

    /// What came since [`keep`](Self::keep): the samples without those of the agent itself, and without the labels that
    /// every target gets. Series that end (NaN markers) are left out.
    ///
    /// # Errors
    /// It is no remote write.
    pub fn kept(&self) -> io::Result<Vec<Sample>> {
        let bodies = self.bodies.lock().take().unwrap_or_default();
        let mut samples = Vec::new();
        for body in bodies {
            let message = snap::raw::Decoder::new()
                .decompress_vec(&body)
                .map_err(io::Error::other)?;
            for field in fields(&message) {
                let (1, Value::Bytes(series)) = field? else {
                    continue;
                };
                samples.extend(read_series(series)?);
            }
        }
        Ok(samples)
    }
}

/// HTTP/1.1 as agents speak it: requests with a `Content-Length`, one after the other.
fn serve(tcp: TcpStream, kept: &Mutex<Option<Vec<Vec<u8>>>>) -> io::Result<()> {
    let mut out = tcp.try_clone()?;
    let mut input = io::BufReader::new(tcp);
    loop {
        let (mut length, mut line) = (0, Vec::new());
        loop {
            line.clear();
            if io::BufRead::read_until(&mut input, b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&line).trim().to_ascii_lowercase();
            if let Some(value) = text.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            if text.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        input.read_exact(&mut body)?;
        if let Some(bodies) = kept.lock().as_mut() {
            bodies.push(body);
        }
        out.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    }
}

enum Value<'a> {
    Number(u64),
    Fixed([u8; 8]),
    Bytes(&'a [u8]),
}

/// The fields of a protocol buffer.
fn fields(mut rest: &[u8]) -> impl Iterator<Item = io::Result<(u64, Value<'_>)>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = field(&mut rest).ok_or_else(|| io::Error::other("broken protocol buffer"));
        if field.is_err() {
            rest = &[];
        }
        Some(field)
    })
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    let key = varint(rest)?;
    let value = match key & 7 {
        0 => Value::Number(varint(rest)?),
        1 => {
            let (value, after) = rest.split_first_chunk::<8>()?;
            *rest = after;
            Value::Fixed(*value)
        }
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            let (value, after) = rest.split_at_checked(length)?;
            *rest = after;
            Value::Bytes(value)
        }
        _ => return None,
    };
    Some((key >> 3, value))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// `TimeSeries`: labels (1) of name (1) and value (2), samples (2) of value (1) and timestamp (2).
fn read_series(series: &[u8]) -> io::Result<Vec<Sample>> {
    let (mut name, mut labels, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for part in fields(series) {
        match part? {
            (1, Value::Bytes(label)) => {
                let mut pair = (Vec::new(), Vec::new());
                for part in fields(label) {
                    match part? {
                        (1, Value::Bytes(name)) => pair.0 = name.to_vec(),
                        (2, Value::Bytes(value)) => pair.1 = value.to_vec(),
                        _ => {}
                    }
                }
                match pair.0.as_slice() {
                    b"__name__" => name = pair.1,
                    b"job" | b"instance" => {}
                    _ => labels.push(pair),
                }
            }
            (2, Value::Bytes(sample)) => {
                let mut number = 0.0;
                for part in fields(sample) {
                    match part? {
                        (1, Value::Fixed(bytes)) => number = f64::from_le_bytes(bytes),
                        (2, Value::Number(_timestamp)) => {}
                        _ => {}
                    }
                }
                values.push(number);
            }
            _ => {}
        }
    }
    let own = name == b"up" || name.starts_with(b"scrape_");
    let values = values.into_iter().filter(|value| !own && !value.is_nan());
    Ok(values
        .map(|value| Sample {
            name: name.clone(),
            labels: labels.clone(),
            value: value.to_string().into_bytes(),
        })
        .collect())
}

#[cfg(test)]
mod tests;
