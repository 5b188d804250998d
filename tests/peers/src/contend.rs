//! The contenders that are Rust, each in a process of its own, with the same flags and the same report as the Go ones.

mod copy;
mod merge;
mod ours;
mod prometheus_parse;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tagalong_exposition::LabelTable;

use crate::process;

/// What the process is told.
#[derive(Debug, clap::Args)]
pub struct Flags {
    /// Which contender
    #[arg(long)]
    contender: String,
    /// emit: print the output; time: print what it takes
    #[arg(long, default_value = "emit")]
    mode: String,
    /// File with Kong's exposition
    #[arg(long)]
    input: PathBuf,
    /// File with the table, a SNAPSHOT
    #[arg(long)]
    table: PathBuf,
    /// File with the relabelling rules; no contender here reads it
    #[arg(long)]
    rules: PathBuf,
    /// How many sources a merge has
    #[arg(long, default_value_t = 1)]
    copies: usize,
    /// CPU seconds to spend at least on the timed runs
    #[arg(long, default_value_t = 0.3)]
    seconds: f64,
}

/// What a timed contender reports.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// How often the work was done.
    pub runs: u32,
    /// CPU time of all runs, user and system, in seconds.
    pub cpu_seconds: f64,
    /// Wall time of all runs, in seconds.
    pub wall_seconds: f64,
    /// The most memory that the process had resident, its input included, in bytes.
    pub peak_bytes: u64,
    /// Compiler or runtime.
    pub runtime: String,
    /// The libraries whose work it is.
    pub versions: BTreeMap<String, String>,
}

/// Namespace and name by Kong's name.
type Services = BTreeMap<String, (String, String)>;

/// Does the whole work once and hands each piece of output on.
type Job = Box<dyn FnMut(&mut dyn FnMut(&[u8]))>;

/// Runs the contender that the flags name.
///
/// # Errors
/// A file cannot be read, standard output not be written, or there is no such contender.
pub fn run(flags: &Flags) -> io::Result<()> {
    let input = std::fs::read(&flags.input)?;
    let services = services(&std::fs::read(&flags.table)?)?;
    let mut versions = BTreeMap::new();
    let mut job = match flags.contender.as_str() {
        "tagalong" => {
            versions.insert(
                "tagalong-exposition".into(),
                env!("CARGO_PKG_VERSION").into(),
            );
            ours::job(input, &services)
        }
        "tagalong-merge" => merge::job(input, flags.copies),
        "copy" => copy::job(&input, &services),
        "prometheus-parse" => {
            versions.insert("prometheus-parse".into(), "0.2.5".into());
            prometheus_parse::job(input, services)
        }
        other => return Err(io::Error::other(format!("no contender {other:?}"))),
    };
    if flags.mode == "emit" {
        let mut out = io::BufWriter::new(io::stdout().lock());
        let mut failed = Ok(());
        job(&mut |piece| {
            if failed.is_ok() {
                failed = out.write_all(piece);
            }
        });
        return failed.and_then(|()| out.flush());
    }
    let mut report = time(&mut job, flags.seconds)?;
    report.versions = versions;
    writeln!(io::stdout(), "{}", serde_json::to_string(&report)?)
}

/// Lets the work run once unmeasured, as a process that has been up for a while would have.
#[allow(clippy::disallowed_methods, reason = "what is measured is real time")]
fn time(job: &mut Job, seconds: f64) -> io::Result<Report> {
    let mut sink = |piece: &[u8]| {
        std::hint::black_box(piece);
    };
    job(&mut sink);
    let (mut runs, began, before) = (0, std::time::Instant::now(), cpu());
    while runs == 0 || cpu() - before < seconds {
        job(&mut sink);
        runs += 1;
    }
    Ok(Report {
        runs,
        cpu_seconds: cpu() - before,
        wall_seconds: began.elapsed().as_secs_f64(),
        peak_bytes: process::peak_bytes(std::process::id())?,
        runtime: crate::machine::RUSTC.to_owned(),
        versions: BTreeMap::new(),
    })
}

/// CPU time of this process, user and system, which is what `getrusage` tells as well.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn services(snapshot: &[u8]) -> io::Result<Services> {
    #[derive(Deserialize)]
    struct Service {
        namespace: String,
        name: String,
    }
    #[derive(Deserialize)]
    struct Snapshot {
        services: BTreeMap<String, Service>,
    }
    let snapshot: Snapshot = serde_json::from_slice(snapshot)?;
    let services = snapshot.services.into_iter();
    Ok(services
        .map(|(kong, service)| (kong, (service.namespace, service.name)))
        .collect())
}

fn table(services: &Services) -> LabelTable {
    let builder = LabelTable::builder();
    services
        .iter()
        .fold(builder, |builder, (kong, (namespace, name))| {
            builder.service(kong, namespace, name)
        })
        .build()
}
