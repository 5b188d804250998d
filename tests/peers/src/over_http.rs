//! The run over loopback HTTP: each server alone on one core; scrapers and Kong's stand-in on the other.

use std::io;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use tagalong_kong::CaptureKong;
use tokio::time::Instant;

use crate::canonical::{self, Sample};
use crate::compare::compare;
use crate::machine::Machine;
use crate::process::{Process, pin_self, pinned};
use crate::programs::EXPFMT;
use crate::record::{Cell, Judged, Judgement, OverHttp, ROUNDS, Round};
use crate::say;
use crate::scrape::{Coding, Scraped, Scraper};
use crate::stats::percentile;
use crate::work::Work;

/// The servers, in the order of the tables.
pub const SERVERS: [&str; 3] = ["copy", "tagalong", "expfmt"];

/// Seconds of scraping that a round aims at. What takes longer is scraped once by each scraper.
const AIM: f64 = 0.25;

/// Rounds of what takes minutes: `expfmt`'s larger loads.
const FEWER: usize = 3;

/// In how many rounds so many scrapers are given a capture. `expfmt`'s trees of `large` would take more memory for 64 than
/// the machine has.
fn rounds(capture: &str, server: &str, scrapers: usize) -> usize {
    match (server, capture, scrapers) {
        ("expfmt", "large", 64) => 0,
        ("expfmt", "large", 8) | ("expfmt", "medium", 64) => FEWER,
        _ => ROUNDS,
    }
}

struct Server {
    name: &'static str,
    process: Process,
    address: SocketAddr,
    /// What it scrapes.
    _upstream: CaptureKong,
}

/// Runs it.
///
/// # Errors
/// A server does not start, or a scrape fails.
pub fn run() -> io::Result<OverHttp> {
    EXPFMT.build()?;
    pin_self()?;
    let mut record = OverHttp {
        machine: Machine::now(),
        works: Vec::new(),
        judgements: Vec::new(),
        cells: Vec::new(),
    };
    for capture in ["small", "medium", "large"] {
        let work = Work::new(capture)?;
        record.works.push(work.facts());
        let mut servers = servers(&work)?;
        let mut judged = Vec::new();
        for server in &servers {
            say!("over HTTP, {capture}, judging {}", server.name);
            judged.push(judge(server, &work)?);
        }
        let mut cells = cells(capture);
        for round in 0..ROUNDS {
            say!("over HTTP, {capture}, round {}", round + 1);
            for (cell, coding) in &mut cells {
                let rounds = rounds(capture, &cell.contender, cell.scrapers);
                let server = servers
                    .iter_mut()
                    .find(|server| server.name == cell.contender);
                if let Some(server) = server.filter(|_| round < rounds) {
                    cell.rounds.push(measure(server, *coding, cell.scrapers)?);
                }
            }
        }
        for (judged, server) in judged.iter_mut().zip(&servers) {
            judged.peak_bytes = server.process.peak_bytes()?;
        }
        record.judgements.extend(judged);
        record.cells.extend(cells.into_iter().map(|(cell, _)| cell));
    }
    record.machine = record.machine.ended();
    Ok(record)
}

fn cells(capture: &str) -> Vec<(Cell, Coding)> {
    let mut cells = Vec::new();
    for coding in [Coding::Identity, Coding::Gzip] {
        for count in [1, 8, 64] {
            for server in SERVERS {
                if rounds(capture, server, count) > 0 {
                    let cell = Cell {
                        contender: server.to_owned(),
                        capture: capture.to_owned(),
                        coding: coding.name().to_owned(),
                        scrapers: count,
                        rounds: Vec::new(),
                    };
                    cells.push((cell, coding));
                }
            }
        }
    }
    cells
}

/// Our sidecar and `expfmt`'s server scrape the capture; the copying proxy scrapes what the sidecar made of it.
fn servers(work: &Work) -> io::Result<Vec<Server>> {
    let beside = |name| std::env::current_exe().map(|path| path.with_file_name(name));
    let upstream = kong(work.input.clone())?;
    let mut command = pinned(&beside("tagalong-sidecar")?);
    command.args(["--kong-metrics-url", &upstream.url(), "--labels-file"]);
    command.arg(work.table()).env("TAGALONG_LOG", "warn");
    let (process, address) = Process::listening(&mut command, "--listen")?;
    let tagalong = Server {
        name: "tagalong",
        process,
        address,
        _upstream: upstream,
    };

    let upstream = kong(body(address, Coding::Identity)?.into())?;
    // The byte-copying proxy that `make bench` compares the sidecar with as well.
    let mut command = pinned(&beside("sidecar")?);
    let (process, address) = Process::serving(command.args(["proxy", &upstream.url()]))?;
    let copy = Server {
        name: "copy",
        process,
        address,
        _upstream: upstream,
    };

    let upstream = kong(work.input.clone())?;
    let mut command = pinned(&EXPFMT.build()?);
    let command = command.args(["serve", &upstream.url()]).arg(work.table());
    let (process, address) = Process::serving(command)?;
    let expfmt = Server {
        name: "expfmt",
        process,
        address,
        _upstream: upstream,
    };
    Ok(vec![copy, tagalong, expfmt])
}

fn body(address: SocketAddr, coding: Coding) -> io::Result<Vec<u8>> {
    Scraper::connect(address, coding)?.body()
}

fn kong(body: bytes::Bytes) -> io::Result<CaptureKong> {
    let kong = CaptureKong::builder().body(body).start_now();
    kong.map_err(io::Error::other)
}

/// Both codings are judged; the first that is wrong is told.
fn judge(server: &Server, work: &Work) -> io::Result<Judged> {
    let identity = body(server.address, Coding::Identity)?;
    let mut judgement = judgement(&identity, &work.expected);
    if judgement.equal() {
        judgement = self::judgement(&body(server.address, Coding::Gzip)?, &work.expected);
    }
    Ok(Judged {
        contender: server.name.to_owned(),
        capture: work.name.to_owned(),
        judgement,
        body_bytes: identity.len(),
        peak_bytes: 0,
    })
}

/// Samples about the server itself, and nothing else, do not count.
pub(crate) fn judgement(body: &[u8], expected: &[Sample]) -> Judgement {
    match canonical::samples(body) {
        Err(error) => Judgement::Refused(error),
        Ok(mut found) => {
            found.retain(|sample| !sample.name.starts_with(b"tagalong_sidecar_"));
            Judgement::Compared(compare(expected, &found))
        }
    }
}

fn measure(server: &mut Server, coding: Coding, scrapers: usize) -> io::Result<Round> {
    server.process.check()?;
    let probe = Scraper::connect(server.address, coding)?.scrape()?;
    // The sidecar admits 64 connections, and the one that just closed may still be among them.
    thread::sleep(Duration::from_millis(20));
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 200"
    )]
    let each = (AIM / (probe.whole * scrapers as f64)).clamp(1.0, 200.0) as usize;
    let mut connected = (0..scrapers)
        .map(|_| Scraper::connect(server.address, coding))
        .collect::<io::Result<Vec<_>>>()?;
    let (before, began) = (server.process.cpu_seconds()?, Instant::now());
    let scraped = together(&mut connected, each)?;
    let wall_seconds = began.elapsed().as_secs_f64();
    let cpu_seconds = server.process.cpu_seconds()? - before;
    let of = |value: fn(&Scraped) -> f64| {
        let values: Vec<f64> = scraped.iter().map(value).collect();
        [percentile(values.clone(), 0.5), percentile(values, 0.99)]
    };
    Ok(Round {
        scrapes: scraped.len(),
        wall_seconds,
        cpu_seconds,
        wire_bytes: scraped.iter().map(|scraped| scraped.wire_bytes).sum(),
        first_byte: of(|scraped| scraped.first_byte),
        whole: of(|scraped| scraped.whole),
    })
}

fn together(scrapers: &mut [Scraper], each: usize) -> io::Result<Vec<Scraped>> {
    let barrier = Barrier::new(scrapers.len());
    let one = |scraper: &mut Scraper| {
        barrier.wait();
        (0..each)
            .map(|_| scraper.scrape())
            .collect::<io::Result<Vec<_>>>()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = scrapers
            .iter_mut()
            .map(|scraper| scope.spawn(|| one(scraper)))
            .collect();
        let mut all = Vec::new();
        for thread in threads {
            let panicked = |_| Err(io::Error::other("a scraper panicked"));
            all.extend(thread.join().unwrap_or_else(panicked)?);
        }
        Ok(all)
    })
}
