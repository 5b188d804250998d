//! The whole sidecar over loopback HTTP, as its own process: throughput, compression, latency, memory, and what Kong has
//! to bear.
//!
//! The peer is a proxy that carries the already enriched body, copying or compressing it, on the same hyper and in a process
//! of its own too. Both sides of a ratio run in turn.

#![allow(clippy::disallowed_methods, reason = "real time is what is measured")]

mod children;
mod operator;
mod proxy;
mod scraper;
mod table;

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use scraper::{Scrape, scrape};
use tagalong_bench::{Figure, Good, exit, median};
use tagalong_kong::{CaptureKong, captures};

const ROUNDS: usize = 21;
const MIB: f64 = 1024.0 * 1024.0;

fn main() -> io::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if let (Some("proxy"), Some(upstream)) = (arguments.next().as_deref(), arguments.next()) {
        return proxy::run(&upstream).map(|()| ExitCode::SUCCESS);
    }
    let large = captures::text("large")?;
    let labels = labels(&large)?;
    let mut ok = throughput(&large, &labels)?;
    ok &= first_byte(&labels)?;
    ok &= memory(&large, &labels)?;
    ok &= table::figures(&capture("medium", Duration::ZERO)?)?;
    ok &= shared(&labels)?;
    Ok(exit(ok))
}

/// A table that names every service of the exposition.
fn labels(exposition: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let names: BTreeSet<&str> = std::str::from_utf8(exposition)
        .map_err(io::Error::other)?
        .split("{service=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    if names.len() != 2000 {
        return Err(io::Error::other(format!(
            "{} services, expected 2,000",
            names.len()
        )));
    }
    let services: serde_json::Map<_, _> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let service = serde_json::json!({"namespace": format!("team-{}", at % 40), "name": format!("service-{at}")});
            ((*name).to_owned(), service)
        })
        .collect();
    let snapshot = serde_json::json!({"type": "SNAPSHOT", "version": 1, "services": services, "upstreams": {}});
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(snapshot.to_string().as_bytes())?;
    file.flush()?;
    Ok(file)
}

fn kong(body: &Bytes) -> io::Result<CaptureKong> {
    CaptureKong::builder()
        .body(body.clone())
        .start_now()
        .map_err(io::Error::other)
}

fn capture(name: &str, first_byte: Duration) -> io::Result<CaptureKong> {
    CaptureKong::builder()
        .capture(name)
        .first_byte_delay(first_byte)
        .start_now()
        .map_err(io::Error::other)
}

fn throughput(large: &Bytes, labels: &tempfile::NamedTempFile) -> io::Result<bool> {
    let kong = kong(large)?;
    let sidecar = children::sidecar(&kong.url(), labels.path())?;
    let enriched = Bytes::from(scrape(sidecar.address, Scrape::plain().keeping())?.body);
    let upstream = self::kong(&enriched)?;
    let proxy = children::proxy(&upstream.url())?;
    let (mut ratios, mut zipped) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let ours = scrape(sidecar.address, Scrape::plain())?;
        let theirs = scrape(proxy.address, Scrape::plain())?;
        ratios.push(ours.bytes_a_second() / theirs.bytes_a_second());
    }
    for _ in 0..ROUNDS {
        let ours = scrape(sidecar.address, Scrape::gzip())?;
        let theirs = scrape(proxy.address, Scrape::gzip())?;
        zipped.push(ours.took.as_secs_f64() / theirs.took.as_secs_f64());
    }
    let throughput = Figure {
        figure: "sidecar over loopback HTTP, large, identity: bytes out per second ÷ a byte-copying proxy's",
        value: median(ratios),
        unit: "ratio",
        floor: 0.8,
        good: Good::AtLeast,
    };
    let gzip = Figure {
        figure: "sidecar over loopback HTTP, large, gzip: time ÷ that of a proxy that only compresses the enriched body",
        value: median(zipped),
        unit: "ratio",
        floor: 1.15,
        good: Good::AtMost,
    };
    Ok(throughput.print()? & gzip.print()?)
}

fn first_byte(labels: &tempfile::NamedTempFile) -> io::Result<bool> {
    let kong = capture("small", Duration::ZERO)?;
    let sidecar = children::sidecar(&kong.url(), labels.path())?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..500 {
        without.push(
            scrape(kong.addr(), Scrape::plain())?
                .first_byte
                .as_secs_f64()
                * 1e3,
        );
        with.push(
            scrape(sidecar.address, Scrape::plain())?
                .first_byte
                .as_secs_f64()
                * 1e3,
        );
    }
    Figure {
        figure: "sidecar over loopback HTTP, small: median time to first byte added",
        value: median(with) - median(without),
        unit: "ms",
        floor: 1.0,
        good: Good::AtMost,
    }
    .print()
}

fn memory(large: &Bytes, labels: &tempfile::NamedTempFile) -> io::Result<bool> {
    let peak = |kong: &CaptureKong, rounds: usize| -> io::Result<f64> {
        let sidecar = children::sidecar(&kong.url(), labels.path())?;
        for _ in 0..rounds {
            together(8, || scrape(sidecar.address, Scrape::plain()).map(drop))?;
        }
        Ok(sidecar.peak_bytes()? as f64 / MIB)
    };
    let on_large = peak(&kong(large)?, 1)?;
    let on_small = peak(&capture("small", Duration::ZERO)?, 20)?;
    let large = Figure {
        figure: "sidecar's peak resident memory, 8 scrapers at once, large (84 MB), 2,000 services",
        value: on_large,
        unit: "MiB",
        floor: 12.0,
        good: Good::AtMost,
    };
    let difference = Figure {
        figure: "the same on small: difference",
        value: (on_large - on_small).abs(),
        unit: "MiB",
        floor: 1.0,
        good: Good::AtMost,
    };
    Ok(large.print()? & difference.print()?)
}

/// A Kong with `medium`'s size takes 80 ms until its first byte.
fn shared(labels: &tempfile::NamedTempFile) -> io::Result<bool> {
    let kong = capture("medium", Duration::from_millis(80))?;
    let sidecar = children::sidecar(&kong.url(), labels.path())?;
    together(16, || scrape(sidecar.address, Scrape::plain()).map(drop))?;
    Figure {
        figure: "Kong scrapes caused by 16 scrapers that arrive together",
        value: kong.scrapes() as f64,
        unit: "scrapes",
        floor: 2.0,
        good: Good::AtMost,
    }
    .print()
}

fn together(count: usize, job: impl Fn() -> io::Result<()> + Sync) -> io::Result<()> {
    let barrier = Barrier::new(count);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    job()
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a scraper panicked")))
        })
    })
}
