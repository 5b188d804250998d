//! The run in process: every output is judged, then all are timed in turn, each alone on one core.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::canonical;
use crate::compare::compare;
use crate::contend::Report;
use crate::contenders::CONTENDERS;
use crate::machine::Machine;
use crate::process::pinned;
use crate::record::{InProcess, InProcessOutcome, Judgement, ROUNDS};
use crate::say;
use crate::work::{CAPTURES, Work};

/// CPU seconds that a round spends at least on each contender.
const SECONDS: &str = "0.2";

struct Entry {
    program: PathBuf,
    flags: Vec<String>,
    outcome: InProcessOutcome,
}

/// Runs it.
///
/// # Errors
/// A program cannot be built, or a timed run fails.
pub fn run() -> io::Result<InProcess> {
    let mut record = InProcess {
        machine: Machine::now(),
        works: Vec::new(),
        versions: BTreeMap::new(),
        outcomes: Vec::new(),
    };
    for capture in CAPTURES {
        let work = Work::new(capture)?;
        record.works.push(work.facts());
        let mut entries = entries(&work)?;
        for round in 0..ROUNDS {
            say!("in process, {capture}, round {}", round + 1);
            for entry in &mut entries {
                if matches!(entry.outcome.judgement, Judgement::Refused(_)) {
                    continue;
                }
                let report = time(entry, &work)?;
                record
                    .versions
                    .entry(entry.outcome.contender.clone())
                    .or_insert_with(|| versions(&report));
                let runs = f64::from(report.runs);
                entry.outcome.cpu_seconds.push(report.cpu_seconds / runs);
                entry.outcome.wall_seconds.push(report.wall_seconds / runs);
            }
        }
        record
            .outcomes
            .extend(entries.into_iter().map(|entry| entry.outcome));
    }
    record.machine = record.machine.ended();
    Ok(record)
}

fn entries(work: &Work) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for contender in CONTENDERS {
        let (program, flags) = contender.program()?;
        say!("in process, {}, judging {}", work.name, contender.name);
        let judgement = judge(&program, &flags, work)?;
        let outcome = InProcessOutcome {
            contender: contender.name.to_owned(),
            capture: work.name.to_owned(),
            judgement,
            cpu_seconds: Vec::new(),
            wall_seconds: Vec::new(),
        };
        entries.push(Entry {
            program,
            flags,
            outcome,
        });
    }
    Ok(entries)
}

fn judge(program: &std::path::Path, flags: &[String], work: &Work) -> io::Result<Judgement> {
    let output = pinned(program)
        .args(flags)
        .args(["--mode", "emit"])
        .args(work.arguments())
        .output()?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Ok(Judgement::Refused(told));
    }
    Ok(match canonical::samples(&output.stdout) {
        Ok(found) => Judgement::Compared(compare(&work.expected, &found)),
        Err(error) => Judgement::Refused(format!("its output is broken: {error}")),
    })
}

fn time(entry: &Entry, work: &Work) -> io::Result<Report> {
    let output = pinned(&entry.program)
        .args(&entry.flags)
        .args(["--mode", "time", "--seconds", SECONDS])
        .args(work.arguments())
        .output()?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!(
            "{}: {told}",
            entry.outcome.contender
        )));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn versions(report: &Report) -> Vec<String> {
    let libraries = report.versions.iter();
    let libraries = libraries.map(|(path, version)| format!("{path} {version}"));
    std::iter::once(report.runtime.clone())
        .chain(libraries)
        .collect()
}
