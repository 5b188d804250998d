//! Merging, against `expfmt`'s way: the same enriched bodies, one a pod, made one exposition.

use std::io::{self, Write as _};
use std::path::Path;

use tagalong_bench::{Figure, Good, median};

use crate::canonical;
use crate::compare::compare;
use crate::contend::Report;
use crate::process::pinned;
use crate::programs::EXPFMT;
use crate::say;
use crate::work::Work;

const ROUNDS: usize = 3;

/// Compares the two outputs sample by sample, times both in turn, and prints the promised figure.
///
/// # Errors
/// A program fails, or the two do not give out the same samples.
pub fn run(copies: usize) -> io::Result<bool> {
    let work = Work::new("medium")?;
    let ourselves = std::env::current_exe()?;
    let expfmt = EXPFMT.build()?;
    let enriched = output(
        &ourselves,
        &["contend", "--contender", "tagalong"],
        &work,
        &[],
    )?;
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(&enriched)?;
    let input = file.path().to_string_lossy().into_owned();
    let ours = ["contend", "--contender", "tagalong-merge"];
    let theirs = ["--contender", "expfmt-merge"];

    // Two copies show every way in which two sources meet.
    let few = ["--copies", "2", "--input", &input];
    let samples = |text: &[u8]| canonical::samples(text).map_err(io::Error::other);
    let expected = samples(&output(&expfmt, &theirs, &work, &few)?)?;
    let found = samples(&output(&ourselves, &ours, &work, &few)?)?;
    let comparison = compare(&expected, &found);
    if !comparison.equal() {
        return Err(io::Error::other(format!(
            "the outputs differ: {comparison:?}"
        )));
    }

    let count = copies.to_string();
    let many = ["--copies", &count, "--input", &input, "--mode", "time"];
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let cpu = |program: &Path, flags: &[&str]| -> io::Result<f64> {
            let report: Report = serde_json::from_slice(&output(program, flags, &work, &many)?)?;
            Ok(report.cpu_seconds / f64::from(report.runs))
        };
        let (ours, theirs) = (cpu(&ourselves, &ours)?, cpu(&expfmt, &theirs)?);
        say!(
            "merge of {copies}, round {}: {ours:.3} s, expfmt {theirs:.3} s",
            round + 1
        );
        ratios.push(theirs / ours);
    }
    Figure {
        figure: "merge in process, medium: CPU of expfmt's way ÷ tagalong's",
        value: median(ratios),
        unit: "ratio",
        floor: 20.0,
        good: Good::AtLeast,
    }
    .print()
}

fn output(program: &Path, flags: &[&str], work: &Work, more: &[&str]) -> io::Result<Vec<u8>> {
    let mut arguments = work.arguments();
    if let Some(at) = more.iter().position(|flag| *flag == "--input") {
        // A flag may stand but once.
        arguments.drain(..2);
        arguments.extend([more[at].into(), more[at + 1].into()]);
    }
    let rest = more
        .iter()
        .enumerate()
        .filter(|(at, flag)| **flag != "--input" && (*at == 0 || more[at - 1] != "--input"));
    let output = pinned(program)
        .args(flags)
        .args(arguments)
        .args(rest.map(|(_, flag)| flag))
        .output()?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(told));
    }
    Ok(output.stdout)
}
