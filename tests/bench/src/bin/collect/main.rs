//! What one scrape of the operator costs with many pods: time, memory, and whether faults cost more than their own samples.
//!
//! The operator is its own process, fed by manifests; the pods are addresses on loopback. The peer of its time is the least that
//! any collector needs: it takes the same bodies from the same sockets, as many at once, and throws them away, while an answer that
//! was made before is carried over another socket. Both run in turn. Reading alone is no measure, since sending the answer takes
//! longer than that whoever makes it.

#![allow(clippy::disallowed_methods, reason = "real time is what is measured")]

mod pods;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pods::Manner;
use tagalong_bench::process::{Process, beside};
use tagalong_bench::{Figure, Good, exit, median, print_all};
use tagalong_kong::captures;
use tagalong_ports::Reserved;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const ROUNDS: usize = 5;
const MIB: f64 = 1024.0 * 1024.0;
/// What Prometheus waits by default.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Where only the ratio counts: an operator that is still writing after the scraper's timeout resets the connection, and a
/// machine that does other work besides may take longer than 10 s.
const PATIENT: Duration = Duration::from_secs(100);
/// Pods of each fault, and of all, in the run with faults.
const FAULTY: usize = 10;
const MANY: usize = 1000;

#[tokio::main]
async fn main() -> io::Result<ExitCode> {
    let ok = speed().await? & faults().await?;
    Ok(exit(ok))
}

/// The operator that was built beside this binary, with these pods.
fn operator(pods: &[SocketAddr], directory: &tempfile::TempDir) -> io::Result<Process> {
    let manifests = pods::manifests(pods).to_string();
    std::fs::write(directory.path().join("pods.json"), manifests)?;
    let (port, mut command) = (Reserved::new()?, beside("tagalong-operator")?);
    command
        .arg("--manifests")
        .arg(directory.path())
        .args(["--metrics-address", &port.address().to_string()])
        .args(["--push-address", "127.0.0.1:0"])
        .args(["--admin-address", "127.0.0.1:0"])
        .env("TAGALONG_LOG", "error");
    Process::start(command, port)
}

async fn speed() -> io::Result<bool> {
    let body = captures::text("medium")?;
    let samples = samples(&body);
    let all = body.len() * 100;
    let pods = pods::start(vec![Manner::Body(body); 100]).await?;
    let directory = tempfile::tempdir()?;
    let operator = operator(&pods, &directory)?;
    let (_, text) = scrape(operator.address, PATIENT, true).await?;
    for (pod, found) in count(&text) {
        if found != samples {
            return Err(io::Error::other(format!(
                "{found} samples of {pod}, not {samples}"
            )));
        }
    }
    let answer = pods::start(vec![Manner::Body(text.into())]).await?;
    let mut to_least = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        tokio::try_join!(read_all(&pods, all), read_all(&answer, all))?;
        let least = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        scrape(operator.address, PATIENT, false).await?;
        let took = begun.elapsed().as_secs_f64();
        to_least.push(took / least);
    }
    let beyond = Figure {
        figure: "collection of 100 pods × medium (700 MB) through the operator: time ÷ that of reading the same bodies and, at the same time, an answer that was made before",
        value: median(to_least),
        unit: "ratio",
        floor: 1.5,
        good: Good::AtMost,
    };
    let memory = Figure {
        figure: "operator's peak resident memory meanwhile",
        value: operator.peak_bytes()? as f64 / MIB,
        unit: "MiB",
        floor: 200.0,
        good: Good::AtMost,
    };
    Ok(beyond.print()? & memory.print()?)
}

/// Reads what all of these pods send, at once, and throws it away.
async fn read_all(pods: &[SocketAddr], at_least: usize) -> io::Result<()> {
    let mut readers = JoinSet::new();
    for &address in pods {
        readers.spawn(async move { scrape(address, PATIENT, false).await.map(|(read, _)| read) });
    }
    let read: io::Result<Vec<usize>> = readers.join_all().await.into_iter().collect();
    if read?.iter().sum::<usize>() < at_least {
        return Err(io::Error::other("the pods' bodies were not all read"));
    }
    Ok(())
}

async fn faults() -> io::Result<bool> {
    let body = captures::text("small")?;
    let samples = samples(&body);
    let mut manners = vec![Manner::Body(body.clone()); MANY - 3 * FAULTY];
    // Among the others, not after them.
    for at in 0..FAULTY {
        for (more, manner) in [Manner::Hangs, Manner::CutsOff(body.clone()), Manner::Fails]
            .into_iter()
            .enumerate()
        {
            manners.insert(at * 90 + more, manner);
        }
    }
    let pods = pods::start(manners).await?;
    let directory = tempfile::tempdir()?;
    let operator = operator(&pods, &directory)?;
    let begun = Instant::now();
    let (_, text) = scrape(operator.address, TIMEOUT, true).await?;
    let took = begun.elapsed();
    let complete = count(&text)
        .values()
        .filter(|found| **found == samples)
        .count();
    let counted = ["timeout", "cut_off", "status"]
        .map(|reason| faulty(&text, reason))
        .map(|found| found.min(FAULTY));
    let figures = [
        Figure {
            figure: "1,000 pods × small, 10 hanging, 10 cutting off, 10 answering 500: time of a scrape with a timeout of 10 s",
            value: took.as_secs_f64(),
            unit: "s",
            floor: TIMEOUT.as_secs_f64(),
            good: Good::AtMost,
        },
        Figure {
            figure: "pods all of whose samples are there",
            value: complete as f64,
            unit: "pods",
            floor: (MANY - 3 * FAULTY) as f64,
            good: Good::AtLeast,
        },
        Figure {
            figure: "faulty pods reported with their reason",
            value: counted.iter().sum::<usize>() as f64,
            unit: "pods",
            floor: (3 * FAULTY) as f64,
            good: Good::AtLeast,
        },
    ];
    print_all(figures)
}

/// Asks for `/metrics`, and reads the whole answer; keeps it if told to. Returns how much it was.
async fn scrape(
    address: SocketAddr,
    timeout: Duration,
    keep: bool,
) -> io::Result<(usize, Vec<u8>)> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address).await?;
    let timeout = timeout.as_secs();
    let request = format!(
        "GET /metrics?samples=enriched HTTP/1.1\r\nHost: pod\r\nX-Prometheus-Scrape-Timeout-Seconds: {timeout}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let (mut buffer, mut whole, mut all) = (vec![0; 128 * 1024], Vec::new(), 0);
    loop {
        let read = stream.read(&mut buffer).await.map_err(|error| {
            let (took, why) = (begun.elapsed(), error.kind());
            let what = format!("{error} after {took:.1?} and {all} bytes, of {timeout} s");
            io::Error::new(why, what)
        })?;
        if read == 0 {
            break;
        }
        all += read;
        if keep {
            whole.extend_from_slice(&buffer[..read]);
        }
    }
    if keep {
        whole = unchunk(&whole)?;
    }
    Ok((all, whole))
}

fn unchunk(answer: &[u8]) -> io::Result<Vec<u8>> {
    let broken = || io::Error::other("no whole answer");
    let find = |text: &[u8], what: &[u8]| text.windows(what.len()).position(|part| part == what);
    let head = find(answer, b"\r\n\r\n").ok_or_else(broken)?;
    let mut rest = answer.get(head + 4..).ok_or_else(broken)?;
    let mut body = Vec::with_capacity(rest.len());
    loop {
        let line = find(rest, b"\r\n").ok_or_else(broken)?;
        let size = std::str::from_utf8(&rest[..line]).map_err(io::Error::other)?;
        let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(rest.get(line + 2..line + 2 + size).ok_or_else(broken)?);
        rest = rest.get(line + size + 4..).ok_or_else(broken)?;
    }
}

fn samples(body: &Bytes) -> usize {
    let lines = body.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .count()
}

/// Kong's samples, by pod.
fn count(text: &[u8]) -> BTreeMap<String, usize> {
    const POD: &str = "dataplane_pod=\"";
    let mut found = BTreeMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        if line.starts_with('#') || line.starts_with("tagalong_collect") {
            continue;
        }
        let Some((_, rest)) = line.split_once(POD) else {
            continue;
        };
        let pod = rest.split('"').next().unwrap_or_default();
        *found.entry(pod.to_owned()).or_default() += 1;
    }
    found
}

/// Pods that are reported as missing for this reason.
fn faulty(text: &[u8], reason: &str) -> usize {
    let end = format!("reason=\"{reason}\"}} 0");
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .filter(|line| {
            line.starts_with(b"tagalong_collect_pod_up{") && line.ends_with(end.as_bytes())
        })
        .count()
}
