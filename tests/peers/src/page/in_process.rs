//! The part on the work in process.

use std::io;
use std::path::Path;

use super::plot::{self, Bar};
use super::{table, told};
use crate::contenders::{COPY, EXPFMT_NAME, OF_OUR_MAKING, OURS, title};
use crate::record::{InProcess, InProcessOutcome, Judgement};
use crate::stats::Spread;

/// Nanoseconds of CPU per sample, per round.
fn per_sample(record: &InProcess, outcome: &InProcessOutcome) -> Spread {
    let facts = record
        .works
        .iter()
        .find(|facts| facts.capture == outcome.capture);
    let samples = facts.map_or(f64::NAN, |facts| facts.samples as f64);
    Spread::of(
        outcome
            .cpu_seconds
            .iter()
            .map(|seconds| seconds * 1e9 / samples),
    )
}

fn outcome<'a>(
    record: &'a InProcess,
    contender: &str,
    capture: &str,
) -> Option<&'a InProcessOutcome> {
    let mut all = record.outcomes.iter();
    all.find(|outcome| outcome.contender == contender && outcome.capture == capture)
}

/// Contenders that did the same work, each with its CPU time ÷ ours, over all captures: capture, contender, ratio.
fn ratios(record: &InProcess) -> Vec<(&str, &str, f64)> {
    let equal = record.outcomes.iter().filter(|outcome| {
        outcome.judgement.equal() && outcome.contender != OURS && outcome.contender != COPY
    });
    equal
        .filter_map(|theirs| {
            let ours =
                outcome(record, OURS, &theirs.capture).filter(|ours| ours.judgement.equal())?;
            let ratio = per_sample(record, theirs).median / per_sample(record, ours).median;
            Some((theirs.capture.as_str(), theirs.contender.as_str(), ratio))
        })
        .collect()
}

/// The least lead over `expfmt` on a capture on which it does the same work, and which capture that is.
pub(crate) fn over_expfmt(record: &InProcess) -> Option<(&str, &str, f64)> {
    let ratios = ratios(record).into_iter();
    ratios
        .filter(|ratio| ratio.1 == EXPFMT_NAME)
        .min_by(|a, b| a.2.total_cmp(&b.2))
}

/// The least lead over any peer that does the same work as its users have it, with the capture and the peer.
pub(crate) fn over_fastest(record: &InProcess) -> Option<(&str, &str, f64)> {
    let ratios = ratios(record).into_iter();
    ratios
        .filter(|ratio| ratio.1 != OF_OUR_MAKING)
        .min_by(|a, b| a.2.total_cmp(&b.2))
}

/// The least lead over the peer that nobody offers.
fn over_parser(record: &InProcess) -> Option<(&str, &str, f64)> {
    let ratios = ratios(record).into_iter();
    ratios
        .filter(|ratio| ratio.1 == OF_OUR_MAKING)
        .min_by(|a, b| a.2.total_cmp(&b.2))
}

pub(super) fn section(record: &InProcess) -> String {
    let mut text = String::from(
        "## In process, one core\n\n\
         Text in, text out, in a process of its own on one core (`taskset`, `GOMAXPROCS=1`). CPU is user and system time, garbage \
         collection included; what cannot be in a stream (reading files, building tables) is not. VictoriaMetrics' parser \
         is shown twice: with `promrelabel` and rules as its users have it, and with a look-up in the table instead, which \
         no product offers but which is the fastest that this parser can be part of. It gives out no HELP and TYPE, nor does \
         `prometheus-parse`.\n\n![CPU per sample](benchmarks/in-process.svg)\n\n",
    );
    for facts in &record.works {
        text += &format!(
            "### `{}`: {:.1} MB, {} samples, {} of them enriched, {} services\n\n",
            facts.capture,
            facts.bytes as f64 / 1e6,
            facts.samples,
            facts.enriched,
            facts.services
        );
        let ours =
            outcome(record, OURS, &facts.capture).map(|ours| per_sample(record, ours).median);
        let mine = record
            .outcomes
            .iter()
            .filter(|outcome| outcome.capture == facts.capture);
        let rows = mine.map(|outcome| {
            let cpu = per_sample(record, outcome);
            let seconds = cpu.median * facts.samples as f64 / 1e9;
            vec![
                title(&outcome.contender).to_owned(),
                told(&outcome.judgement),
                table::spread(cpu),
                table::number(facts.bytes as f64 / 1e6 / seconds),
                table::number(facts.samples as f64 / 1e6 / seconds),
                table::number(cpu.median / ours.unwrap_or(f64::NAN)),
            ]
        });
        let header = [
            "contender",
            "same samples",
            "CPU ns per sample",
            "MB in per CPU second",
            "million samples per CPU second",
            "CPU ÷ tagalong's",
        ];
        text += &table::markdown(&header, &rows.collect::<Vec<_>>());
        text.push('\n');
    }
    text + &verdict(record) + &differences(record)
}

fn verdict(record: &InProcess) -> String {
    let line = |what: &str, aim: Option<f64>, found: Option<(&str, &str, f64)>| match found {
        None => format!("- {what}: not measured.\n"),
        Some((capture, contender, ratio)) => {
            let kept = aim.map_or_else(String::new, |aim| {
                let kept = if ratio >= aim { "kept" } else { "**missed**" };
                format!("; the aim of {aim} is {kept}")
            });
            let (ratio, contender) = (table::number(ratio), title(contender));
            format!("- {what}: {ratio} times at least ({contender}, `{capture}`){kept}.\n")
        }
    };
    line(
        "Less CPU per sample than `expfmt`'s way",
        Some(50.0),
        over_expfmt(record),
    ) + &line(
        "Less than the fastest peer as its users have it",
        Some(10.0),
        over_fastest(record),
    ) + &line(
        "Less than the fastest parser with a table, which nobody offers",
        None,
        over_parser(record),
    ) + "\nOnly captures on which the peer's samples are the same count. A byte copy of the finished text is what nobody can beat; \
           the distance to it is in the tables.\n\n"
}

fn differences(record: &InProcess) -> String {
    let mut text = String::new();
    for outcome in &record.outcomes {
        let Judgement::Compared(comparison) = &outcome.judgement else {
            continue;
        };
        if comparison.equal() {
            continue;
        }
        text += &format!(
            "What differs in {} on `{}` (a few; `-` should be there, `+` should not):\n\n```\n",
            title(&outcome.contender),
            outcome.capture
        );
        for example in &comparison.examples {
            // Labels stand with their lengths, so that no value can pass for another label.
            text += &example.replace('\0', "\u{2400}").escape_debug().to_string();
            text.push('\n');
        }
        text += "```\n\n";
    }
    text
}

pub(super) fn plot(record: &InProcess, path: &Path) -> io::Result<()> {
    let of = |capture| {
        record
            .outcomes
            .iter()
            .filter(move |outcome| outcome.capture == capture)
    };
    let bars: Vec<_> = of("medium")
        .map(|outcome| Bar {
            label: outcome.contender.clone(),
            value: per_sample(record, outcome).median,
            ours: outcome.contender == OURS,
        })
        .collect();
    plot::bars(
        path,
        "medium, in process: CPU nanoseconds per sample (log scale)",
        &bars,
    )
}
