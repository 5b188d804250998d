//! What a table costs the sidecar, under the limit that it has in a pod: held, changed, and taken anew while it serves.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use tagalong_bench::{Figure, Good};
use tagalong_kong::CaptureKong;

use crate::operator::Operator;
use crate::scraper::{Scrape, scrape};
use crate::{MIB, children, together};

/// The figures of a table.
struct Case {
    hosts: usize,
    names: usize,
    held: &'static str,
    peak: &'static str,
    held_floor: f64,
    peak_floor: f64,
}

const ROUTES: usize = 10_000;
const CASES: [Case; 2] = [
    Case {
        hosts: 1,
        names: 25_000,
        held: "sidecar's anonymous memory with the table of 10,000 HTTPRoutes (25,000 services, 25,000 upstreams), after a change",
        peak: "its peak resident memory, the table taken anew under 8 scrapers included; the limit is 64",
        held_floor: 16.0,
        peak_floor: 32.0,
    },
    Case {
        hosts: 4,
        names: 55_000,
        held: "sidecar's anonymous memory with the table of 10,000 HTTPRoutes of four host names (55,000 services, 55,000 upstreams), after a change",
        peak: "its peak resident memory, the table taken anew under 8 scrapers included; the limit is 64 too",
        held_floor: 24.0,
        peak_floor: 48.0,
    },
];

pub fn figures(kong: &CaptureKong) -> io::Result<bool> {
    let mut ok = true;
    for case in &CASES {
        ok &= figure(kong, case)?;
    }
    Ok(ok)
}

fn figure(kong: &CaptureKong, case: &Case) -> io::Result<bool> {
    let mut operator = Operator::start(ROUTES, case.hosts)?;
    if operator.names()? != (case.names, case.names) {
        let told = format!("{:?} names, expected {}", operator.names()?, case.names);
        return Err(io::Error::other(told));
    }
    let token = tempfile::NamedTempFile::new()?;
    std::fs::write(token.path(), "token")?;
    let url = format!("http://{}/v1/labels", operator.address);
    let sidecar = children::streaming(&kong.url(), &url, token.path())?;
    let entries = format!("table_entries{{kind=\"upstream\"}} {}", case.names);
    until(sidecar.address, &entries)?;
    let version = operator.change()?;
    until(sidecar.address, &format!("table_version {version}"))?;
    let held = sidecar.anonymous_bytes()? as f64 / MIB;
    operator.restart();
    together(8, || scrape(sidecar.address, Scrape::plain()).map(drop))?;
    until(sidecar.address, "table_updates_total{result=\"applied\"} 3")?;
    let peak = sidecar.peak_bytes()? as f64 / MIB;
    let held = Figure {
        figure: case.held,
        value: held,
        unit: "MiB",
        floor: case.held_floor,
        good: Good::AtMost,
    };
    let peak = Figure {
        figure: case.peak,
        value: peak,
        unit: "MiB",
        floor: case.peak_floor,
        good: Good::AtMost,
    };
    Ok(held.print()? & peak.print()?)
}

/// Scrapes until one of the sidecar's own samples is there.
fn until(address: SocketAddr, sample: &str) -> io::Result<()> {
    let line = format!("\ntagalong_sidecar_{sample}\n");
    for _ in 0..600 {
        let body = scrape(address, Scrape::plain().keeping())?.body;
        if String::from_utf8_lossy(&body).contains(&line) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    Err(io::Error::other(format!("never: {sample}")))
}
