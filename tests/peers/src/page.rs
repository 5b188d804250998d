//! `docs/benchmarks.md` and its plots, made from the records and from nothing else.

mod agents;
mod in_process;
mod over_http;
mod plot;
mod table;

use std::io;
use std::path::Path;

use crate::machine::Machine;
use crate::record::{self, Agents, InProcess, Judgement, OverHttp};

/// The records of all parts.
pub struct Records {
    /// In process.
    pub in_process: InProcess,
    /// Over HTTP.
    pub over_http: OverHttp,
    /// Whole agents.
    pub agents: Agents,
}

impl Records {
    /// Reads them.
    ///
    /// # Errors
    /// One is missing or broken.
    pub fn read() -> io::Result<Self> {
        Ok(Self {
            in_process: record::read("in-process.json")?,
            over_http: record::read("over-http.json")?,
            agents: record::read("agents.json")?,
        })
    }
}

/// Writes `benchmarks.md` and `benchmarks/*.svg` below `docs`.
///
/// # Errors
/// A file cannot be written or a plot not be drawn.
pub fn write(records: &Records, docs: &Path) -> io::Result<()> {
    std::fs::create_dir_all(docs.join("benchmarks"))?;
    let parts = [
        INTRODUCTION.to_owned(),
        in_process::section(&records.in_process),
        over_http::section(&records.over_http),
        agents::section(&records.agents, &records.over_http),
        machines(records),
    ];
    std::fs::write(docs.join("benchmarks.md"), parts.join("\n"))?;
    let plots = docs.join("benchmarks");
    in_process::plot(&records.in_process, &plots.join("in-process.svg"))?;
    over_http::plot(&records.over_http, &plots.join("over-http.svg"))?;
    agents::plot(records, &plots.join("memory.svg"))
}

const INTRODUCTION: &str = "\
# Side by side with the peers

Made by `make bench-page` from the raw results beside this page ([in-process.json](benchmarks/in-process.json),
[over-http.json](benchmarks/over-http.json), [agents.json](benchmarks/agents.json)), which `make bench-peers` takes anew.
No number here is typed by hand.

All contenders are given the same captures of a real Kong (`tests/data/kong-metrics`) and the same table, a Service for every
name in the capture, and must give out the same samples with the same seven labels. Before any time is taken, every
sample of every output is compared with what an independent reading of the capture asks for. *Same* means equal after
sorting, as Prometheus reads samples: an empty label is no label, and `le` is a number. What differs is shown.

A regular expression cannot hold a table: the peers' relabelling rules cut the Service out of Kong's name. So the table here
is what a regular expression finds; a Service whose name does not stand in Kong's name is out of their reach, and not measured.

Values are medians of the rounds, ± the median absolute deviation. Contenders take turns within a round.
";

/// What the promises are about. Not a number where it was not measured, which keeps no promise.
pub(crate) struct Promised {
    pub over_expfmt: f64,
    pub over_fastest: f64,
    pub memory: f64,
}

pub(crate) fn promised(records: &Records) -> Promised {
    let ratio = |found: Option<(&str, &str, f64)>| found.map_or(f64::NAN, |found| found.2);
    let memory = agents::memory_on_large(&records.agents, &records.over_http);
    Promised {
        over_expfmt: ratio(in_process::over_expfmt(&records.in_process)),
        over_fastest: ratio(in_process::over_fastest(&records.in_process)),
        memory: memory.map_or(f64::NAN, |(theirs, ours)| ours / theirs),
    }
}

/// How a judgement is told in a table.
fn told(judgement: &Judgement) -> String {
    match judgement {
        Judgement::Refused(why) => format!("no output: {why}"),
        Judgement::Compared(comparison) if !comparison.equal() => format!(
            "**no**: {} missing, {} unexpected of {}",
            comparison.missing, comparison.unexpected, comparison.expected
        ),
        Judgement::Compared(comparison) if comparison.respelled > 0 => {
            format!("yes, {} spelled otherwise", comparison.respelled)
        }
        Judgement::Compared(_) => "yes".to_owned(),
    }
}

fn machines(records: &Records) -> String {
    let row = |part: &str, machine: &Machine| {
        let Machine {
            cpu,
            cores,
            memory_mib,
            kernel,
            rustc,
            go,
            commit,
            began,
            ended,
            load_before,
            load_after,
        } = machine;
        vec![
            part.to_owned(),
            format!("{began} to {ended}"),
            commit.clone(),
            format!("{cpu}, {memory_mib} MiB, Linux {kernel}; driver on {cores}"),
            format!("{rustc}; {go}"),
            format!("{load_before:.2}, {load_after:.2}"),
        ]
    };
    let header = [
        "part",
        "taken",
        "commit",
        "machine",
        "compilers",
        "load before, after",
    ];
    let rows = vec![
        row("in process", &records.in_process.machine),
        row("over HTTP", &records.over_http.machine),
        row("agents", &records.agents.machine),
    ];
    let contenders = records.in_process.versions.iter();
    let versions =
        contenders.map(|(name, versions)| format!("- `{name}`: {}\n", versions.join(", ")));
    let agents = records.agents.versions.iter();
    let agents = agents.map(|(name, version)| format!("- {name} {version}\n"));
    format!(
        "## Machine and versions\n\n{}\nThe load is that of the minute before the part began, other work on the machine included, and of \
         its last minute. What is measured has a core of its own; in the machine's column is how many the driver has, with scrapers and \
         stand-ins. A `+` after the commit: measured with changes that were not committed yet.\n\n{}{}",
        table::markdown(&header, &rows),
        versions.collect::<String>(),
        agents.collect::<String>(),
    )
}
